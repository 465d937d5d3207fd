//! Redis forgets its scripts, is full, evicts, or has another password.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::command;
use crate::checker::history::What;
use crate::rig::Rig;
use crate::rig::outcome::{Outcome, Told};
use crate::rig::plan::Plan;
use crate::rig::process;

const SOON: Duration = Duration::from_secs(2);
/// A full Redis asks people to come again after 5 s.
const FULL: Duration = Duration::from_secs(7);

pub(super) async fn scripts_flushed(seed: u64) -> Result<Outcome> {
    let mut plan = Plan::new(seed);
    plan.burst = 20;
    let mut rig = Rig::start(plan).await?;
    let goal = rig.stage.history.shown() + 6_000;
    let begun = Instant::now();
    while rig.stage.history.shown() < goal && begun.elapsed() < Duration::from_secs(20) {
        command(&mut rig, &["SCRIPT", "FLUSH"]).await;
        let pause = rig.random.u64(0..8);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    rig.whole("scripts flushed in a loop", Instant::now(), SOON)
        .await?;
    rig.finish(Told::Nothing).await
}

pub(super) async fn full(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    for _ in 0..5 {
        rig.talk_about(60).await?;
        let since = Instant::now();
        command(&mut rig, &["CONFIG", "SET", "maxmemory", "1"]).await;
        let is_refused =
            |what: &What| matches!(what, What::Postponed { code, .. } if code == "redis_full");
        rig.wait("sends are refused by a full Redis", |rig| {
            rig.stage.history.count_since(since, is_refused) >= 10
        })
        .await?;
        command(&mut rig, &["CONFIG", "SET", "maxmemory", "0"]).await;
        rig.whole("Redis has room again", Instant::now(), FULL)
            .await?;
    }
    rig.finish(Told::Nothing).await
}

pub(super) async fn evicting(seed: u64) -> Result<Outcome> {
    let mut rig = Rig::start(Plan::new(seed)).await?;
    rig.talk_about(60).await?;
    let variables = [("MADANG_REDIS__URL".to_owned(), rig.redis().url())];
    let good = process::run(&["check"], &variables)?;
    rig.expect(good.status.success(), || {
        format!("a good Redis fails `check`: {good:?}")
    });
    command(
        &mut rig,
        &[
            "CONFIG",
            "SET",
            "maxmemory",
            "512mb",
            "maxmemory-policy",
            "volatile-lru",
        ],
    )
    .await;
    let bad = process::run(&["check"], &variables)?;
    let said = String::from_utf8_lossy(&[bad.stdout, bad.stderr].concat()).into_owned();
    let is_named = !bad.status.success() && said.contains("noeviction");
    rig.expect(is_named, || {
        format!("a Redis that evicts passes `check`, or it is not named: {said}")
    });
    rig.talk_about(60).await?;
    rig.finish(Told::Nothing).await
}

pub(super) async fn password_changed(seed: u64) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("password");
    std::fs::write(&file, "word-0\n")?;
    let mut plan = Plan::new(seed)
        .set("redis.username", "rotating")
        .set("redis.password_file", &file.to_string_lossy());
    let user = "--user rotating on >word-0 ~* &* +@all";
    plan.redis.arguments = user.split(' ').map(str::to_owned).collect();
    let mut rig = Rig::start(plan).await?;
    for number in 1..=5 {
        rig.talk_about(60).await?;
        let begun = Instant::now();
        let (new, old) = (format!(">word-{number}"), format!("<word-{}", number - 1));
        command(&mut rig, &["ACL", "SETUSER", "rotating", &new, &old]).await;
        command(&mut rig, &["CLIENT", "KILL", "USER", "rotating"]).await;
        let is_told = |what: &What| matches!(what, What::Degraded(true));
        rig.wait("the wrong password is noticed", |rig| {
            rig.stage.history.first_since(begun, is_told).is_some()
        })
        .await?;
        std::fs::write(&file, format!("word-{number}\n"))?;
        rig.whole("the file has the new password", Instant::now(), SOON)
            .await?;
        let ended = rig
            .stage
            .history
            .count_since(begun, |what| matches!(what, What::Ended { .. }));
        rig.expect(ended == 0, || {
            format!("{ended} sessions ended for a password")
        });
    }
    rig.finish(Told::Nothing).await
}
