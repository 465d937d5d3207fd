//! What many Redis servers can do: fail over, fall apart, move.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Row, row};
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::bot::Bot;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::proxy::{Proxy, Weather};
use crate::rig::talker::Duty;
use crate::topology::{
    Cluster, ClusterOptions, Credentials, MASTER_NAME, SentinelOptions, Sentinels, slot_of,
};

pub(super) const ROWS: &[Row] = &[
    row!(
        "topologies",
        "sentinel-master-killed",
        sentinel_killed,
        smoke
    ),
    row!(
        "topologies",
        "sentinel-master-demoted-alive",
        sentinel_demoted
    ),
    row!("topologies", "replica-held-back-and-promoted", held_back),
    row!("topologies", "failback-a-b-a", failback),
    row!("topologies", "split-brain-with-acks", split_with_acks),
    row!("topologies", "split-brain-without-acks", split_without_acks),
    row!("topologies", "cluster-master-killed", cluster_killed),
    row!(
        "topologies",
        "cluster-master-killed-with-acks",
        cluster_killed_with_acks
    ),
    row!("topologies", "slot-half-migrated-20s", half_migrated),
];

/// How soon all is whole after there is a new master.
const FAILED_OVER: Duration = Duration::from_secs(3);
const NEW_MASTER: &str = "there is a new master";
/// What only the tail probe can find is found by then.
const PROBED: Duration = Duration::from_secs(6);

/// What was shown before enough replicas had it may be withdrawn, and then comes again under its key.
const TOLD: Told = Told::Anything;

async fn sentinels() -> Sentinels {
    let lines = vec!["appendonly yes".to_owned()];
    Sentinels::start(&SentinelOptions {
        lines,
        ..SentinelOptions::default()
    })
    .await
}

fn url(addresses: &[String]) -> String {
    format!("redis+sentinel://{}/{MASTER_NAME}", addresses.join(","))
}

/// Kills the master and waits until all is whole with another one, and until the old one is back as a replica.
async fn kill_master(rig: &mut Rig, redis: &mut Sentinels) -> Result<()> {
    rig.talk_about(60).await?;
    let old = redis.master().context("there is a master")?;
    redis.servers[old].kill();
    redis.wait_failover(old).await;
    rig.whole(NEW_MASTER, Instant::now(), FAILED_OVER).await?;
    redis.servers[old].restart().await;
    redis.wait_whole().await;
    Ok(())
}

async fn sentinel_killed(seed: u64) -> Result<Outcome> {
    let mut redis = sentinels().await;
    let mut rig = Rig::start(Plan::new(seed).at(url(&redis.addresses()))).await?;
    for _ in 0..5 {
        kill_master(&mut rig, &mut redis).await?;
    }
    rig.finish(TOLD).await
}

async fn sentinel_demoted(seed: u64) -> Result<Outcome> {
    let redis = sentinels().await;
    let mut rig = Rig::start(Plan::new(seed).at(url(&redis.addresses()))).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let old = redis.master().context("there is a master")?;
        redis.fail_over();
        redis.wait_failover(old).await;
        rig.whole(NEW_MASTER, Instant::now(), FAILED_OVER).await?;
        redis.wait_whole().await;
    }
    rig.finish(TOLD).await
}

/// Without acks, what only the old master had is lost: everybody who had seen it is told.
async fn held_back(seed: u64) -> Result<Outcome> {
    let mut redis = sentinels().await;
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys.toml");
    let plan = Plan::new(seed)
        .pinned()
        .at(url(&redis.addresses()))
        .set("redis.acks", "0");
    let mut bot = Bot::new(plan.talkers, &keys)?;
    let mut rig = Rig::start(plan.set("api.keys_file", &keys.to_string_lossy())).await?;
    let empty = rig.add_node().await?;
    let empty = rig
        .stage
        .doors
        .of(empty)
        .context("the new node has a door")?;
    let master = redis.master().context("there is a master")?;
    let held = (master + 1) % 3;
    redis.hold_back(held).await;
    redis.prefer(held).await;
    rig.talk_about(90).await?;
    rig.stage.is_quiet.store(true, Ordering::Relaxed);
    let quiet = Instant::now();
    rig.wait("all is quiet", |rig| {
        rig.stage.history.open_before(quiet) == 0
    })
    .await?;
    // One comes back before the room has passed the old position, one after it.
    rig.tell(0, Duty::Away);
    rig.tell(3, Duty::Away);
    redis.servers[master].kill();
    redis.wait_failover(master).await;
    // A node without members knows of no position: what it publishes must not take a number that others have seen.
    let room = rig.room_name(0);
    bot.say(&rig.stage, empty, (0, &room)).await?;
    rig.tell(0, Duty::Here);
    rig.stage.is_quiet.store(false, Ordering::Relaxed);
    rig.talk(400).await?;
    let back = Instant::now();
    rig.tell(3, Duty::Here);
    rig.whole("back behind the old position", back, FAILED_OVER)
        .await?;
    redis.release(held);
    redis.servers[master].restart().await;
    rig.talk_about(60).await?;
    rig.finish(Told::Losses).await
}

async fn failback(seed: u64) -> Result<Outcome> {
    let mut redis = sentinels().await;
    let mut rig = Rig::start(Plan::new(seed).at(url(&redis.addresses()))).await?;
    let first = redis.master().context("there is a master")?;
    for to in [(first + 1) % 3, first, (first + 1) % 3, first] {
        redis.prefer(to).await;
        kill_master(&mut rig, &mut redis).await?;
        let now = redis.master();
        rig.expect(now == Some(to), || {
            format!("{now:?} is the master, and {to} was preferred")
        });
    }
    rig.finish(TOLD).await
}

async fn split_with_acks(seed: u64) -> Result<Outcome> {
    split(seed, "1").await
}

async fn split_without_acks(seed: u64) -> Result<Outcome> {
    split(seed, "0").await
}

/// The master and one node are on one side, everything else on the other.
async fn split(seed: u64, acks: &str) -> Result<Outcome> {
    // Who is cut off by having no right must need one.
    let user = Credentials {
        user: "chat".to_owned(),
        password: "of-the-nodes".to_owned(),
    };
    let rule = "~* &* +@all".to_owned();
    let options = SentinelOptions {
        user: Some((user, rule)),
        ..SentinelOptions::default()
    };
    let redis = Sentinels::start(&options).await;
    let mut ways = Vec::new();
    for address in redis.addresses() {
        ways.push(Proxy::start(Some(address.parse::<SocketAddr>()?)).await?);
    }
    let by_ways: Vec<String> = ways.iter().map(|way| way.address().to_string()).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("password");
    std::fs::write(&file, "of-the-nodes\n")?;
    let mut plan = Plan::new(seed)
        .pinned()
        .set("redis.acks", acks)
        .set("fleet.lease", "10s")
        .set("redis.username", "chat")
        .set("redis.password_file", &file.to_string_lossy());
    plan.urls = vec![url(&by_ways), url(&redis.addresses())];
    let mut rig = Rig::start(plan).await?;
    {
        rig.talk_about(60).await?;
        let old = redis.master().context("there is a master")?;
        redis.cut_off(old);
        ways.iter().for_each(|way| way.set(Weather::parted()));
        // What was on its way to a replica may still be answered.
        let cut = Instant::now() + Duration::from_millis(500);
        redis.wait_failover(old).await;
        rig.talk_about(120).await?;
        let answered = rig.stage.history.events().into_iter().filter(|event| {
            let is_answer = matches!(
                event.what,
                What::Accepted {
                    is_answer: true,
                    ..
                }
            );
            event.at >= cut && event.who % 3 == 0 && is_answer
        });
        let answered = answered.count();
        if acks == "1" {
            rig.expect(answered == 0, || {
                format!("{answered} messages were accepted on the cut side")
            });
        } else {
            rig.expect(answered > 0, || {
                "nothing was accepted on the cut side".to_owned()
            });
        }
        ways.iter().for_each(Proxy::clear);
        redis.rejoin(old);
        let rejoined = Instant::now();
        if acks == "0" {
            // Nothing of theirs is under way: what they saw was answered on their side.
            rig.wait("who was on the lost side is told", |rig| {
                let events = rig.stage.history.events().into_iter();
                let told = events.filter(|event| {
                    event.at >= cut
                        && event.who % 3 == 0
                        && matches!(event.what, What::Rewound { .. })
                });
                told.map(|event| event.who).collect::<HashSet<_>>().len() == 3
            })
            .await?;
            rig.took("the lost side is told", rejoined.elapsed(), PROBED);
        }
        rig.whole("the split has ended", rejoined, PROBED).await?;
    }
    rig.finish(Told::Losses).await
}

fn cluster_url(redis: &Cluster) -> String {
    format!("redis+cluster://{}", redis.addresses().join(","))
}

async fn cluster() -> Cluster {
    let lines = vec!["appendonly yes".to_owned()];
    Cluster::start(&ClusterOptions {
        lines,
        ..ClusterOptions::default()
    })
    .await
}

/// What is kept by a master alone is accepted again as soon as there is one.
async fn cluster_killed(seed: u64) -> Result<Outcome> {
    let mut redis = cluster().await;
    let plan = Plan::new(seed)
        .at(cluster_url(&redis))
        .set("redis.acks", "0");
    let mut rig = Rig::start(plan).await?;
    for round in 0..5 {
        rig.talk_about(60).await?;
        let slot = slot_of(&rig.key(round % 3, "log"));
        let old = redis.owner(slot).context("the slot has a master")?;
        redis.servers[old].kill();
        redis.wait_failover(slot, old).await;
        rig.whole(NEW_MASTER, Instant::now(), FAILED_OVER).await?;
        redis.servers[old].restart().await;
        redis.wait_whole().await;
    }
    rig.finish(TOLD).await
}

/// With one replica for each master nothing is accepted until the dead one is back: it is the replica then.
async fn cluster_killed_with_acks(seed: u64) -> Result<Outcome> {
    let mut redis = cluster().await;
    let mut rig = Rig::start(Plan::new(seed).at(cluster_url(&redis))).await?;
    for round in 0..5 {
        rig.talk_about(60).await?;
        let slot = slot_of(&rig.key(round % 3, "log"));
        let old = redis.owner(slot).context("the slot has a master")?;
        redis.servers[old].kill();
        redis.wait_failover(slot, old).await;
        redis.servers[old].restart().await;
        redis.wait_whole().await;
        rig.whole("the new master has a replica", Instant::now(), FAILED_OVER)
            .await?;
    }
    rig.finish(TOLD).await
}

/// While a room's slot is between two masters, one message and then silence: it is shown all the same.
async fn half_migrated(seed: u64) -> Result<Outcome> {
    let redis = cluster().await;
    let mut rig = Rig::start(Plan::new(seed).at(cluster_url(&redis))).await?;
    let slot = slot_of(&rig.key(0, "log"));
    for _ in 0..3 {
        rig.talk_about(60).await?;
        rig.stage.is_quiet.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        rig.wait("all is quiet", |rig| {
            rig.stage.history.open_before(begun) == 0
        })
        .await?;
        let from = redis.owner(slot).context("the slot has a master")?;
        let to = *redis
            .masters()
            .iter()
            .find(|master| **master != from)
            .context("there are three masters")?;
        redis.begin_move(slot, to);
        redis.move_keys(slot, to);
        let moved = Instant::now();
        rig.stage.is_quiet.store(false, Ordering::Relaxed);
        let is_made = |what: &What| matches!(what, What::Made { .. });
        rig.wait("somebody says something", |rig| {
            rig.stage.history.count_since(moved, is_made) >= 9
        })
        .await?;
        rig.stage.is_quiet.store(true, Ordering::Relaxed);
        rig.whole("said while the slot is half moved", Instant::now(), PROBED)
            .await?;
        tokio::time::sleep_until((moved + Duration::from_secs(20)).into()).await;
        redis.finish_move(slot, to);
        rig.stage.is_quiet.store(false, Ordering::Relaxed);
        rig.whole("the slot has moved", Instant::now(), FAILED_OVER)
            .await?;
    }
    rig.finish(TOLD).await
}
