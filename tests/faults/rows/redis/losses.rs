//! Redis loses what it had: on purpose, a part, or all.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::command;
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::redis::RedisOptions;
use crate::rig::talker::Duty;
use crate::rig::wire::Wire;

const RESTARTED: Duration = Duration::from_secs(2);
/// What only the tail probe can find is found by then.
const PROBED: Duration = Duration::from_secs(6);
const BACK: &str = "Redis answers again";

pub(super) async fn tail_cut(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..3 {
        rig.tell(0, Duty::Away);
        rig.talk_about(60).await?;
        let file = file(&mut rig).await?;
        let kept = file.metadata()?.len();
        rig.talk_about(60).await?;
        rig.redis().kill();
        file.set_len(kept)?;
        rig.redis().restart().await;
        let back = Instant::now();
        rig.talk_about(60).await?;
        rig.tell(0, Duty::Here);
        rig.whole(BACK, back, RESTARTED * 2).await?;
    }
    rig.finish(Told::Losses).await
}

/// Opens the file that Redis appends to.
async fn file(rig: &mut Rig) -> Result<std::fs::File> {
    let answer: Vec<String> = rig.redis().run(&["CONFIG", "GET", "dir"]).await;
    let folder =
        PathBuf::from(answer.last().context("Redis has a directory")?).join("appendonlydir");
    let mut files = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let last = files.find(|path| path.to_string_lossy().ends_with(".incr.aof"));
    Ok(OpenOptions::new()
        .write(true)
        .open(last.context("Redis appends to a file")?)?)
}

pub(super) async fn old_file(seed: u64) -> Result<Outcome> {
    let mut plan = Plan::new(seed);
    plan.redis = RedisOptions::default();
    let mut rig = Rig::start(plan).await?;
    for _ in 0..3 {
        rig.talk_about(60).await?;
        command(&mut rig, &["SAVE"]).await;
        rig.talk_about(90).await?;
        rig.redis().kill();
        rig.redis().restart().await;
        rig.whole(BACK, Instant::now(), RESTARTED).await?;
    }
    rig.finish(Told::Losses).await
}

pub(super) async fn flushed(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..3 {
        rig.talk_about(90).await?;
        let since = Instant::now();
        command(&mut rig, &["FLUSHALL"]).await;
        rig.whole("all keys lost", since, PROBED).await?;
    }
    rig.finish(Told::Losses).await
}

pub(super) async fn flushed_while_read(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    let door = rig.stage.doors.of(0).context("the first node has a door")?;
    let (mut wire, _) = Wire::open(door, "reader", None).await?;
    let room = rig.room_name(0);
    let joined = wire
        .answer(json!({"type": "join", "room": room}), |_| {})
        .await?;
    ensure!(
        joined["type"] == "joined",
        "the reader may not join: {joined}"
    );
    for _ in 0..3 {
        rig.talk(300).await?;
        let newest = wire
            .answer(
                json!({"type": "history", "room": room, "limit": 10}),
                |_| {},
            )
            .await?;
        let first = &newest["messages"][0];
        let before = json!({"epoch": first["epoch"], "seq": first["seq"]});
        let since = Instant::now();
        command(&mut rig, &["FLUSHALL"]).await;
        let ask = json!({"type": "history", "room": room, "before": before, "limit": 10});
        let page = wire.answer(ask, |_| {}).await?;
        let is_told = page["type"] == "history" && page["from"].is_u64();
        rig.expect(is_told, || {
            format!("a page of what is lost says nothing of it: {page}")
        });
        rig.whole("all keys lost", since, PROBED).await?;
    }
    rig.finish(Told::Losses).await
}

pub(super) async fn log_deleted(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..3 {
        rig.tell(0, Duty::Away);
        rig.talk_about(90).await?;
        let since = Instant::now();
        let lost = rig.key(0, "log");
        command(&mut rig, &["DEL", &lost]).await;
        rig.talk_about(30).await?;
        rig.tell(0, Duty::Here);
        rig.whole("a log lost", since, PROBED).await?;
    }
    rig.finish(Told::Anything).await
}

pub(super) async fn meta_deleted(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let since = Instant::now();
        let lost = rig.key(0, "meta");
        command(&mut rig, &["DEL", &lost]).await;
        rig.whole("a meta lost", since, PROBED).await?;
    }
    rig.finish(Told::Nothing).await
}

pub(super) async fn dedupe_deleted(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let since = Instant::now();
        let lost = [rig.key(0, "d0"), rig.key(0, "d1")];
        command(&mut rig, &["DEL", &lost[0], &lost[1]]).await;
        rig.whole("remembered keys lost", since, RESTARTED).await?;
    }
    rig.finish(Told::Nothing).await
}

pub(super) async fn trimmed(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed).sized(3, 6, 1).set("history.entries", "10")).await?;
    for _ in 0..3 {
        rig.talk_about(60).await?;
        rig.tell(0, Duty::Away);
        rig.talk(5 * 400).await?;
        let since = Instant::now();
        rig.tell(0, Duty::Here);
        rig.whole("back from far behind", since, RESTARTED).await?;
    }
    rig.finish(Told::Gaps).await
}

pub(super) async fn idle(seed: u64) -> Result<Outcome> {
    let keep = Duration::from_secs(60);
    let mut rig = Rig::start(
        Plan::new(seed)
            .set("history.keep", "60s")
            .set("limits.dedupe_window", "30s"),
    )
    .await?;
    rig.talk_about(60).await?;
    rig.stage.is_quiet.store(true, Ordering::Relaxed);
    let since = Instant::now();
    tokio::time::sleep_until((since + keep + keep / 4).into()).await;
    rig.stage.is_quiet.store(false, Ordering::Relaxed);
    rig.talk_about(60).await?;
    let mut epochs: Vec<(usize, String)> = Vec::new();
    for event in rig.stage.history.events() {
        if let What::Shown { place, .. } = event.what {
            epochs.push((event.room, place.epoch));
        }
    }
    epochs.sort_unstable();
    epochs.dedup();
    let rooms = rig.plan.rooms;
    rig.expect(epochs.len() == rooms, || {
        format!("a room with members began anew: {epochs:?}")
    });
    rig.finish(Told::Nothing).await
}
