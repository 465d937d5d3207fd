//! What a node can do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{Row, row};
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::wire::Wire;

pub(super) const ROWS: &[Row] = &[
    row!("nodes", "killed", killed, smoke),
    row!("nodes", "stopped-10s-and-back", stopped),
    row!(
        "nodes",
        "stopped-for-3-leases-users-elsewhere",
        stopped_for_leases,
        smoke
    ),
    row!("nodes", "stopped-in-order", stopped_in_order, smoke),
    row!("nodes", "all-replaced-one-by-one", replaced),
    row!("nodes", "scaled-2-5-2", scaled),
    row!("nodes", "same-key-across-nodes", same_key),
    row!("nodes", "clocks-an-hour-off", clocks),
];

/// How soon all is whole after a node's death, with the longest wait of a talker before it dials again.
const KILLED: Duration = Duration::from_millis(3_400);
const SOON: Duration = Duration::from_secs(2);
/// The lease of the plan.
const LEASE: Duration = Duration::from_secs(2);

async fn killed(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let node = rig.random.usize(0..3);
        let since = Instant::now();
        rig.kill_node(node);
        rig.whole("node killed", since, KILLED).await?;
        rig.start_node(node).await?;
    }
    rig.finish(Told::Nothing).await
}

async fn stopped(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).pinned().set("fleet.lease", "10s")).await?;
    for seconds in [3, 10, 3] {
        rig.talk_about(60).await?;
        let node = rig.random.usize(0..3);
        let since = Instant::now();
        rig.nodes[node].process()?.signal("STOP")?;
        tokio::time::sleep_until((since + Duration::from_secs(seconds)).into()).await;
        rig.nodes[node].process()?.signal("CONT")?;
        rig.whole("the node goes on", Instant::now(), SOON * 2)
            .await?;
    }
    rig.finish(Told::Nothing).await
}

async fn stopped_for_leases(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..2 {
        rig.talk_about(60).await?;
        let node = rig.random.usize(0..3);
        let since = Instant::now();
        rig.nodes[node].process()?.signal("STOP")?;
        rig.whole("the users are elsewhere", since, Duration::from_secs(9))
            .await?;
        rig.wait("three leases have passed", |_| since.elapsed() > LEASE * 3)
            .await?;
        let back = Instant::now();
        rig.nodes[node].process()?.signal("CONT")?;
        rig.whole("the node goes on", back, SOON).await?;
        rig.wait("leases would be swept", |_| back.elapsed() > LEASE * 2)
            .await?;
        let is_left = |what: &What| matches!(what, What::Presence { left, .. } if !left.is_empty());
        let left = rig.stage.history.count_since(back, is_left);
        rig.expect(left == 0, || {
            format!("{left} times somebody who is elsewhere was told to have left")
        });
        no_ghosts(&mut rig).await?;
    }
    rig.finish(Told::Nothing).await
}

/// Notes a fault unless the members of each room are exactly its talkers.
pub(super) async fn no_ghosts(rig: &mut Rig) -> Result<()> {
    let door = rig
        .stage
        .doors
        .any(&mut rig.random)
        .context("a node is left")?;
    for room in 0..rig.plan.rooms {
        let expected = (0..rig.duties.len())
            .filter(|who| who % rig.plan.rooms == room)
            .count();
        let begun = Instant::now();
        let count = loop {
            let (mut wire, _) = Wire::open(door, "counter", None).await?;
            let joined = wire
                .answer(json!({"type": "join", "room": rig.room_name(room)}), |_| {})
                .await?;
            let members = joined["members"]
                .as_array()
                .context("`joined` names members")?;
            let count = members
                .iter()
                .filter(|user| {
                    user["name"]
                        .as_str()
                        .is_some_and(|name| name.starts_with("talker"))
                })
                .count();
            // Counts may lag by one lease and one sweep.
            if count == expected || begun.elapsed() > LEASE * 3 {
                break count;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        rig.expect(count == expected, || {
            format!("room {room} counts {count} members, and has {expected}")
        });
    }
    Ok(())
}

async fn stopped_in_order(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(
        Plan::new(seed)
            .set("fleet.debounce", "3s")
            .set("fleet.lease", "10s"),
    )
    .await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let node = rig.random.usize(0..3);
        let since = Instant::now();
        let code = rig.stop_node(node).await?;
        rig.expect(code == Some(0), || {
            format!("a node that was told to stop ended with {code:?}")
        });
        rig.whole("node gone in order", Instant::now(), SOON)
            .await?;
        let left = rig.stage.history.count_since(
            since,
            |what| matches!(what, What::Presence { left, .. } if !left.is_empty()),
        );
        rig.expect(left == 0, || {
            format!("{left} times somebody was told to have left who only changed the node")
        });
        rig.start_node(node).await?;
    }
    rig.finish(Told::Nothing).await
}

async fn replaced(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for node in 0..3 {
        rig.talk_about(60).await?;
        rig.add_node().await?;
        let code = rig.stop_node(node).await?;
        rig.expect(code == Some(0), || {
            format!("a node that was told to stop ended with {code:?}")
        });
        rig.whole("node replaced", Instant::now(), SOON).await?;
    }
    rig.finish(Told::Nothing).await
}

async fn scaled(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).sized(2, 12, 3)).await?;
    for _ in 0..3 {
        rig.add_node().await?;
        rig.talk_about(60).await?;
    }
    for node in [0, 3, 1] {
        rig.stop_node(node).await?;
        rig.whole("node gone in order", Instant::now(), SOON)
            .await?;
    }
    rig.finish(Told::Nothing).await
}

/// The same message sent to one node after the other, as by somebody whose answers were lost.
async fn same_key(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    let mut token: Option<String> = None;
    // In a room of its own: its messages are not the talkers'.
    let room = "faults same key";
    for number in 0..5 {
        rig.talk_about(30).await?;
        let key = format!("the-same-key-number-{number}");
        let mut first = None;
        for node in 0..3 {
            let door = rig.stage.doors.of(node).context("the node has a door")?;
            let (mut wire, welcome) = Wire::open(door, "same", token.as_deref()).await?;
            token = Some(welcome.token);
            let joined = wire
                .answer(json!({"type": "join", "room": room}), |_| {})
                .await?;
            ensure!(joined["type"] == "joined", "no join: {joined}");
            let send = json!({"type": "send", "room": room, "key": key, "text": "the same"});
            let sent = wire.answer(send, |_| {}).await?;
            let place = (sent["epoch"].clone(), sent["seq"].clone());
            let is_same =
                *first.get_or_insert_with(|| place.clone()) == place && sent["type"] == "sent";
            let is_marked = (sent["duplicate"] == true) == (node > 0);
            rig.expect(is_same && is_marked, || {
                format!("{key} on node {node}: {sent}")
            });
            let other = json!({"type": "send", "room": room, "key": key, "text": "another"});
            let refused = wire.answer(other, |_| {}).await?;
            rig.expect(refused["code"] == "key_reused", || {
                format!("{key} with another text: {refused}")
            });
        }
    }
    rig.finish(Told::Nothing).await
}

/// One node is an hour ahead and one behind: no clock of theirs decides anything.
async fn clocks(seed: u64) -> Result<Outcome> {
    let library = faketime()?;
    let clock = |hours: &str| {
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", hours),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    };
    let mut plan = Plan::new(seed);
    plan.of_node = vec![clock("+1h"), clock("-1h"), Vec::new()];
    let mut rig = Rig::start(plan).await?;
    for node in [0, 1, 2] {
        rig.talk_about(60).await?;
        let since = Instant::now();
        rig.nodes.iter().for_each(|node| node.front.cut());
        rig.whole("everybody is somewhere else", since, SOON)
            .await?;
        let since = Instant::now();
        rig.kill_node(node);
        rig.whole("node killed", since, KILLED).await?;
        rig.start_node(node).await?;
    }
    no_ghosts(&mut rig).await?;
    rig.finish(Told::Nothing).await
}

/// Returns where the library is that sets a process' clock off.
fn faketime() -> Result<String> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    let file = files.find(|file| file.exists());
    let file = file.context("libfaketime is missing: `make setup` installs it")?;
    Ok(file.to_string_lossy().into_owned())
}
