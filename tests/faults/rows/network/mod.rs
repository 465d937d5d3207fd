//! What the network can do.

mod ceiling;
mod readers;

use std::time::{Duration, Instant};

use anyhow::Result;

use super::nodes::no_ghosts;
use super::{Row, row};
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::proxy::{Flow, Weather};
use crate::rig::talker::Duty;

pub(super) const ROWS: &[Row] = &[
    row!("network", "one-node-cut-off-from-redis", one_cut_off, smoke),
    row!("network", "half-cut-off-from-redis", half_cut_off),
    row!("network", "all-cut-off-from-redis", all_cut_off),
    row!("network", "redis-slow-and-narrow", slow),
    row!("network", "sessions-cut-every-200ms", sessions_cut, smoke),
    row!("network", "sessions-half-open", half_open),
    row!("network", "answers-lost-and-away-too-long", away_too_long),
    row!("network", "reader-that-stops", readers::deaf),
    row!("network", "200-of-2000-do-not-read", ceiling::many_deaf),
    row!(
        "network",
        "stopped-reader-with-many-requests",
        readers::many_requests
    ),
    row!(
        "network",
        "coming-and-going-without-a-subscriber",
        readers::coming_and_going
    ),
];

const SOON: Duration = Duration::from_secs(2);

/// Cuts these nodes off for so long, in one way of two, with people who stay.
async fn cut_off(rig: &mut Rig, nodes: &[usize], seconds: u64) -> Result<()> {
    rig.talk_about(60).await?;
    let weather = if rig.random.bool() {
        Weather::parted()
    } else {
        Weather::closed()
    };
    let since = Instant::now();
    for node in nodes {
        rig.nodes[*node].back.set(weather);
    }
    tokio::time::sleep_until((since + Duration::from_secs(seconds)).into()).await;
    for node in nodes {
        rig.nodes[*node].back.clear();
    }
    rig.whole("the way to Redis is back", Instant::now(), SOON)
        .await?;
    Ok(())
}

async fn one_cut_off(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).pinned()).await?;
    for seconds in [1, 3, 8, 1, 2] {
        let node = rig.random.usize(0..3);
        cut_off(&mut rig, &[node], seconds).await?;
    }
    rig.finish(Told::Nothing).await
}

async fn half_cut_off(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).pinned().sized(4, 12, 3)).await?;
    for seconds in [1, 3, 8, 1, 2] {
        cut_off(&mut rig, &[0, 2], seconds).await?;
    }
    rig.finish(Told::Nothing).await
}

async fn all_cut_off(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).pinned()).await?;
    for seconds in [1, 3, 8, 1, 2] {
        let since = Instant::now();
        cut_off(&mut rig, &[0, 1, 2], seconds).await?;
        let turns = rig.stage.doors.turns_since(since);
        rig.expect(turns.is_empty(), || {
            format!("nodes turned unready in an outage of all: {turns:?}")
        });
        let ended = rig
            .stage
            .history
            .count_since(since, |what| matches!(what, What::Ended { .. }));
        rig.expect(ended == 0, || {
            format!("{ended} sessions ended in an outage of all")
        });
    }
    rig.finish(Told::Nothing).await
}

async fn slow(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).pinned()).await?;
    for node in 0..3 {
        let delay = Duration::from_millis(rig.random.u64(20..150));
        rig.nodes[node].back.set(Weather {
            delay,
            rate: Some(200_000),
            ..Weather::default()
        });
    }
    rig.talk(600).await?;
    for node in 0..3 {
        rig.nodes[node].back.clear();
    }
    rig.whole("the way to Redis is good again", Instant::now(), SOON)
        .await?;
    rig.finish(Told::Nothing).await
}

async fn sessions_cut(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        for _ in 0..10 {
            rig.nodes.iter().for_each(|node| node.front.cut());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        rig.whole("sessions are left alone", Instant::now(), SOON)
            .await?;
    }
    rig.finish(Told::Nothing).await
}

async fn half_open(seed: u64) -> Result<Outcome> {
    let plan = Plan::new(seed)
        .set("session.ping_interval", "1s")
        .set("session.pong_timeout", "1s");
    let mut rig = Rig::start(plan).await?;
    for _ in 0..3 {
        rig.talk_about(60).await?;
        let node = rig.random.usize(0..3);
        let (since, name) = (
            Instant::now(),
            "madang_sessions_closed_total{reason=\"heartbeat\"}",
        );
        rig.stage.doors.close(node);
        rig.nodes[node].front.set(Weather::parted());
        rig.whole("the users are elsewhere", since, Duration::from_secs(9))
            .await?;
        let closed = rig.nodes[node].process()?.metric(name).await.unwrap_or(0.0);
        let had_users = rig
            .stage
            .history
            .count_since(since, |what| matches!(what, What::Opened { .. }))
            > 0;
        rig.expect(!had_users || closed > 0.0, || {
            "no session that was half open was closed".to_owned()
        });
        no_ghosts(&mut rig).await?;
        rig.nodes[node].front.clear();
        rig.stage.doors.reopen(node);
        // Somebody comes back to it.
        rig.nodes[(node + 1) % 3].front.cut();
    }
    rig.finish(Told::Nothing).await
}

/// What was answered comes by when its sender is back; what never arrived is asked about, and nothing is doubled.
async fn away_too_long(seed: u64) -> Result<Outcome> {
    let window = Duration::from_secs(10);
    let mut rig = Rig::start(Plan::new(seed).pinned().set("limits.dedupe_window", "10s")).await?;
    let mut asked_before = 0;
    for (there, back) in [(Flow::Pass, Flow::Swallow), (Flow::Swallow, Flow::Pass)] {
        rig.talk_about(60).await?;
        let since = Instant::now();
        rig.nodes[0].front.set(Weather {
            there,
            back,
            ..Weather::default()
        });
        let others = rig.stage.history.shown() + 60;
        rig.wait("the others talk", |rig| rig.stage.history.shown() >= others)
            .await?;
        let at_first: Vec<usize> = (0..rig.duties.len()).filter(|who| who % 3 == 0).collect();
        at_first.iter().for_each(|who| rig.tell(*who, Duty::Away));
        // Remembered keys are kept for two windows at most.
        tokio::time::sleep_until((since + window * 2 + SOON).into()).await;
        rig.nodes[0].front.clear();
        at_first.iter().for_each(|who| rig.tell(*who, Duty::Here));
        rig.whole("the sender is back", Instant::now(), SOON * 2)
            .await?;
        let asked = rig
            .stage
            .history
            .count_since(rig.begun, |what| matches!(what, What::Asked { .. }));
        let is_right = (asked > asked_before) == (there == Flow::Swallow);
        rig.expect(is_right, || {
            format!("{there:?} there and {back:?} back: {asked} are asked about")
        });
        asked_before = asked;
    }
    rig.finish(Told::Nothing).await
}
