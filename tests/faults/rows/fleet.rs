//! What the fleet does about it: who turns unready, who leaves how fast, who comes where.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Row, row};
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::crowd::{Crowd, Place};
use crate::rig::doors::Turn;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::process;
use crate::rig::proxy::Weather;

pub(super) const ROWS: &[Row] = &[
    row!("fleet", "one-of-four-cut-off", one_of_four, smoke),
    row!("fleet", "two-of-four-cut-off", two_of_four),
    row!("fleet", "nodes-cut-off-from-each-other", strangers),
    row!("fleet", "drain-of-5000-sessions", drain, alone),
    row!("fleet", "scaled-2-4-with-4000-sessions", scaled, alone),
    row!("fleet", "scaled-behind-a-sticky-balancer", sticky, alone),
    row!("fleet", "5000-sessions-resume-in-one-room", resumes, alone),
];

/// How soon the sessions of a node that is cut off alone are served elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(15);
const SOON: Duration = Duration::from_secs(3);

async fn one_of_four(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).sized(4, 12, 3)).await?;
    // A node that is cut off before it has looked who there is has nobody to ask.
    let begun = Instant::now();
    rig.wait("each node knows the others", |_| begun.elapsed() > SOON)
        .await?;
    for _ in 0..5 {
        // People spread over all nodes again.
        let spread = Instant::now();
        rig.nodes.iter().for_each(|node| node.front.cut());
        rig.wait("all are back", |rig| {
            rig.stage.history.open_before(spread) == 0
        })
        .await?;
        rig.talk_about(60).await?;
        let node = rig.random.usize(0..4);
        let since = Instant::now();
        rig.nodes[node].back.set(Weather::parted());
        let is_turned = |rig: &Rig, is_ready: bool| {
            let turns = rig.stage.doors.turns_since(since);
            turns
                .iter()
                .any(|turn| turn.node == node && turn.is_ready == is_ready)
        };
        rig.wait("the node turns unready", |rig| is_turned(rig, false))
            .await?;
        let unready = Instant::now();
        rig.wait("all is whole", |rig| {
            rig.stage.history.open_before(unready) == 0
        })
        .await?;
        let opened = rig
            .stage
            .history
            .last_since(since, |what| matches!(what, What::Opened { .. }));
        rig.took(
            "served elsewhere",
            opened.unwrap_or(unready) - since,
            ELSEWHERE,
        );
        let turns: Vec<Turn> = rig.stage.doors.turns_since(since);
        rig.expect(turns.iter().all(|turn| turn.node == node), || {
            format!("others turned unready: {turns:?}")
        });
        rig.nodes[node].back.clear();
        rig.wait("the node is ready again", |rig| is_turned(rig, true))
            .await?;
    }
    rig.finish(Told::Nothing).await
}

/// Returns how many nodes were unready at one moment, at most.
fn most_unready(turns: &[Turn]) -> usize {
    let (mut unready, mut most) = (HashSet::new(), 0);
    for turn in turns {
        if turn.is_ready {
            unready.remove(&turn.node);
        } else {
            unready.insert(turn.node);
        }
        most = most.max(unready.len());
    }
    most
}

async fn two_of_four(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).sized(4, 12, 3)).await?;
    rig.talk_about(60).await?;
    let since = Instant::now();
    for node in [0, 2] {
        rig.nodes[node].back.set(Weather::parted());
    }
    tokio::time::sleep_until((since + ELSEWHERE + SOON).into()).await;
    let turns = rig.stage.doors.turns_since(since);
    let most = most_unready(&turns);
    rig.expect(most == 1, || {
        format!("{most} of four nodes were unready at one moment: {turns:?}")
    });
    for node in [0, 2] {
        rig.nodes[node].back.clear();
    }
    rig.whole("the way to Redis is back", Instant::now(), SOON)
        .await?;
    rig.finish(Told::Nothing).await
}

/// Nobody answers at the address that the nodes tell each other: nobody can say that another one sees Redis.
async fn strangers(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).pinned().set("fleet.address", "127.0.0.9")).await?;
    rig.talk_about(90).await?;
    let since = Instant::now();
    rig.nodes[0].back.set(Weather::parted());
    tokio::time::sleep_until((since + ELSEWHERE).into()).await;
    rig.nodes[0].back.clear();
    rig.whole("the way to Redis is back", Instant::now(), SOON)
        .await?;
    let turns = rig.stage.doors.turns_since(since);
    rig.expect(turns.is_empty(), || {
        format!("a node that nobody could be asked about turned unready: {turns:?}")
    });
    rig.finish(Told::Nothing).await
}

/// Few people talk beside many who only are there.
fn crowded(seed: u64, nodes: usize) -> Plan {
    let mut plan = Plan::new(seed)
        .sized(nodes, 4, 2)
        .set("fleet.lease", "10s")
        .set("fleet.debounce", "3s");
    plan.every = Duration::from_millis(800);
    plan
}

async fn drain(seed: u64) -> Result<Outcome> {
    const SESSIONS: usize = 5_000;
    let plan = crowded(seed, 2)
        .set("drain.delay", "1s")
        .set("drain.window", "20s")
        .set("fleet.rebalance", "false");
    let mut rig = Rig::start(plan).await?;
    let crowd = Crowd::come(&mut rig, SESSIONS, |_| Place {
        room: None,
        first: 0,
        is_sticky: false,
    })
    .await?;
    // Counted where they leave: who hears it is on this machine too, and may be late.
    let counting = tokio::spawn(count_let_go(rig.nodes[0].process()?.internal));
    let begun = Instant::now();
    let code = rig.stop_node(0).await?;
    let took = begun.elapsed();
    rig.expect(code == Some(0), || format!("the node ended with {code:?}"));
    rig.expect(took < Duration::from_secs(24), || {
        format!("the node took {took:?} to end, with a delay of 1 s and a window of 20 s")
    });
    let counts = counting.await?;
    let told = crowd.tally.told.lock().map_or(0, |told| told.len());
    rig.expect(told == SESSIONS, || {
        format!("{told} of {SESSIONS} were told to leave")
    });
    let first = counts.iter().find(|(_, count)| *count > 0.0);
    let (first, _) = *first.context("nobody was let go")?;
    let until = |seconds: u64| {
        let end = first + Duration::from_secs(seconds);
        let before = counts.iter().take_while(|(at, _)| *at <= end).last();
        before.map_or(0.0, |(_, count)| *count)
    };
    let spans: Vec<f64> = (0..10)
        .map(|span| until(2 * span + 2) - until(2 * span))
        .collect();
    let even = SESSIONS as f64 / 10.0;
    rig.expect(spans.iter().all(|count| *count <= even * 1.5), || {
        format!("in spans of 2 s {spans:?} were told, where {even} is even")
    });
    rig.expect(spans.iter().sum::<f64>() >= SESSIONS as f64 * 0.9, || {
        format!("only {spans:?} were counted")
    });
    crowd.wait_online(&mut rig).await?;
    rig.whole("drained", Instant::now(), SOON).await?;
    crowd.judge(&mut rig);
    rig.finish(Told::Nothing).await
}

/// Asks a node again and again how many sessions it has let go, until it has ended.
async fn count_let_go(address: SocketAddr) -> Vec<(Instant, f64)> {
    let name = "madang_sessions_let_go_total{reason=\"drain\"} ";
    let mut counts = Vec::new();
    while let Ok((_, page)) = process::ask(address, "/metrics").await {
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        let count = line.and_then(|count| count.parse().ok()).unwrap_or(0.0);
        counts.push((Instant::now(), count));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    counts
}

/// Returns the sessions of each node.
async fn sessions(rig: &mut Rig) -> Result<Vec<f64>> {
    let mut counts = Vec::new();
    for node in &mut rig.nodes {
        counts.push(node.process()?.metric("madang_sessions").await?);
    }
    Ok(counts)
}

async fn scaled(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(crowded(seed, 2)).await?;
    let crowd = Crowd::come(&mut rig, 4_000, |number| Place {
        room: None,
        first: number % 2,
        is_sticky: false,
    })
    .await?;
    rig.add_node().await?;
    rig.add_node().await?;
    let begun = Instant::now();
    let (counts, took) = loop {
        let counts = sessions(&mut rig).await?;
        let mean = counts.iter().sum::<f64>() / 4.0;
        let took = begun.elapsed();
        if counts.iter().all(|count| *count <= mean * 1.2) || took > Duration::from_secs(150) {
            break (counts, took);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    rig.expect(took <= Duration::from_secs(120), || {
        format!("after {took:?} the nodes have {counts:?} sessions")
    });
    rig.took(
        "nobody is 20 % above the mean",
        took,
        Duration::from_secs(120),
    );
    // The last steps end, and then it is quiet.
    let told = || {
        crowd
            .tally
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    };
    let (mut before, mut since) = (told(), Instant::now());
    while since.elapsed() < Duration::from_secs(20) && begun.elapsed() < Duration::from_secs(180) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if told() != before {
            (before, since) = (told(), Instant::now());
        }
    }
    rig.expect(since.elapsed() >= Duration::from_secs(20), || {
        "sessions are moved without an end".to_owned()
    });
    crowd.wait_online(&mut rig).await?;
    crowd.judge(&mut rig);
    rig.finish(Told::Nothing).await
}

async fn sticky(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(crowded(seed, 2)).await?;
    let crowd = Crowd::come(&mut rig, 600, |number| Place {
        room: None,
        first: number % 2,
        is_sticky: true,
    })
    .await?;
    rig.add_node().await?;
    let begun = Instant::now();
    let mut stops = 0.0;
    while stops < 2.0 && begun.elapsed() < Duration::from_secs(90) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stops = 0.0;
        for node in 0..2 {
            let name = "madang_rebalance_stops_total{reason=\"sticky\"}";
            stops += rig.nodes[node].process()?.metric(name).await.unwrap_or(0.0);
        }
    }
    rig.expect(stops >= 2.0, || {
        format!("{stops} of two nodes say that the balancer is sticky")
    });
    let told = crowd
        .tally
        .told
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len();
    rig.expect(told <= 300, || {
        format!("{told} of 600 were moved for nothing")
    });
    crowd.wait_online(&mut rig).await?;
    rig.finish(Told::Nothing).await
}

async fn resumes(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(crowded(seed, 2).set("fleet.rebalance", "false")).await?;
    let room = rig.room_name(0);
    let place = |_| Place {
        room: Some(room.clone()),
        first: 0,
        is_sticky: false,
    };
    let crowd = Crowd::come(&mut rig, 5_000, place).await?;
    rig.talk(20).await?;
    let before = reads(&mut rig).await?;
    let since = Instant::now();
    rig.kill_node(0);
    rig.wait_long("the crowd has lost its sessions", |_| {
        crowd
            .tally
            .broken
            .load(std::sync::atomic::Ordering::Relaxed)
            >= 5_000
    })
    .await?;
    crowd.wait_online(&mut rig).await?;
    rig.took(
        "5,000 sessions are back",
        since.elapsed(),
        Duration::from_secs(60),
    );
    let read = reads(&mut rig).await? - before;
    println!("5000-sessions-resume-in-one-room: the log was read {read} times");
    rig.expect(read <= 10, || {
        format!("the log was read {read} times for 5,000 sessions of one room")
    });
    crowd.judge(&mut rig);
    rig.finish(Told::Nothing).await
}

/// Returns how often any log was read from some position on.
async fn reads(rig: &mut Rig) -> Result<u64> {
    let info: String = rig.redis().run(&["INFO", "commandstats"]).await;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_xrange:calls="));
    let count = line
        .and_then(|line| line.split(',').next())
        .map_or(Ok(0), str::parse);
    Ok(count?)
}
