//! Redis dies, hangs, pauses or drops its connections, and loses nothing.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::command;
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;

/// How soon all is whole again after a restart, from the first answer on.
const RESTARTED: Duration = Duration::from_secs(2);
/// How soon a hung Redis is noticed.
const NOTICED: Duration = Duration::from_secs(3);
/// How soon all is whole again after the subscriber was killed.
const SUBSCRIBER: Duration = Duration::from_secs(1);
/// The lease of the plan.
const LEASE: Duration = Duration::from_secs(2);

const BACK: &str = "Redis answers again";

pub(super) async fn killed(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        rig.redis().kill();
        rig.redis().restart().await;
        rig.whole(BACK, Instant::now(), RESTARTED).await?;
    }
    rig.finish(Told::Nothing).await
}

pub(super) async fn stopped(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for seconds in [4, 4, 10, 4, 4] {
        rig.talk_about(60).await?;
        let since = Instant::now();
        rig.redis().pause();
        let is_told = |what: &What| matches!(what, What::Degraded(true));
        rig.wait("the hung Redis is noticed", |rig| {
            rig.stage.history.first_since(since, is_told).is_some()
        })
        .await?;
        let noticed = rig
            .stage
            .history
            .first_since(since, is_told)
            .unwrap_or(since);
        rig.took("hung Redis noticed", noticed - since, NOTICED);
        tokio::time::sleep_until((since + Duration::from_secs(seconds)).into()).await;
        rig.redis().resume();
        rig.whole(BACK, Instant::now(), RESTARTED).await?;
    }
    rig.finish(Told::Nothing).await
}

pub(super) async fn down_for_leases(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..3 {
        rig.talk_about(60).await?;
        let since = Instant::now();
        rig.redis().kill();
        tokio::time::sleep_until((since + LEASE * 3).into()).await;
        rig.redis().restart().await;
        let back = Instant::now();
        rig.whole(BACK, back, RESTARTED).await?;
        // Ended leases are swept one lease after the broker came back.
        rig.wait("leases would be swept", |_| back.elapsed() > LEASE * 2)
            .await?;
        nobody_left(&mut rig, since);
    }
    rig.finish(Told::Nothing).await
}

pub(super) async fn down_for_a_minute(seed: u64) -> Result<Outcome> {
    let mut plan = Plan::new(seed);
    plan.every = Duration::from_millis(700);
    let mut rig = Rig::start(plan).await?;
    rig.talk_about(60).await?;
    let since = Instant::now();
    rig.redis().kill();
    tokio::time::sleep_until((since + Duration::from_secs(60)).into()).await;
    let turns = rig.stage.doors.turns_since(since);
    rig.expect(turns.is_empty(), || {
        format!("nodes turned unready in an outage of all: {turns:?}")
    });
    let ended = rig.stage.history.count_since(since, |what| {
        matches!(what, What::Ended { .. } | What::Opened { .. })
    });
    rig.expect(ended == 0, || {
        format!("{ended} sessions ended or opened in an outage of all")
    });
    for node in 0..rig.nodes.len() {
        let is_running = rig.nodes[node].process()?.is_running();
        rig.expect(is_running, || format!("node {node} ended in an outage"));
    }
    let slow = Duration::from_millis(3_500);
    let events = rig.stage.history.events();
    let refused = || {
        events.iter().filter_map(|event| match &event.what {
            What::Postponed { after, .. } => Some(*after),
            _ => None,
        })
    };
    rig.expect(refused().count() > 0, || {
        "nothing was refused in an outage of a minute".to_owned()
    });
    let longest = refused().max().unwrap_or_default();
    rig.expect(longest <= slow, || {
        format!("a send was refused after {longest:?} only")
    });
    rig.redis().restart().await;
    rig.whole(
        "Redis answers again after a minute",
        Instant::now(),
        RESTARTED * 2,
    )
    .await?;
    nobody_left(&mut rig, since);
    rig.finish(Told::Nothing).await
}

fn nobody_left(rig: &mut Rig, since: Instant) {
    let left = rig.stage.history.count_since(
        since,
        |what| matches!(what, What::Presence { left, .. } if !left.is_empty()),
    );
    rig.expect(left == 0, || {
        format!("{left} times somebody was told to have left, and nobody has")
    });
}

pub(super) async fn subscriber_killed(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..10 {
        rig.talk_about(20).await?;
        let since = Instant::now();
        command(&mut rig, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        rig.whole("subscriber killed", since, SUBSCRIBER).await?;
    }
    for _ in 0..60 {
        command(&mut rig, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let pause = rig.random.u64(0..100);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    rig.whole(
        "subscriber killed 60 times in 3 s",
        Instant::now(),
        SUBSCRIBER * 2,
    )
    .await?;
    rig.finish(Told::Nothing).await
}

pub(super) async fn pool_killed(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..10 {
        rig.talk_about(20).await?;
        let since = Instant::now();
        command(&mut rig, &["CLIENT", "KILL", "TYPE", "normal"]).await;
        rig.whole("pool killed", since, RESTARTED).await?;
    }
    for _ in 0..60 {
        command(&mut rig, &["CLIENT", "KILL", "TYPE", "normal"]).await;
        let pause = rig.random.u64(0..100);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    rig.whole("pool killed 60 times in 3 s", Instant::now(), RESTARTED)
        .await?;
    rig.finish(Told::Nothing).await
}

pub(super) async fn paused(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let since = Instant::now();
        command(&mut rig, &["CLIENT", "PAUSE", "4500", "ALL"]).await;
        let end = since + Duration::from_millis(4_500);
        tokio::time::sleep_until(end.into()).await;
        rig.whole(BACK, end, RESTARTED).await?;
    }
    rig.finish(Told::Nothing).await
}
