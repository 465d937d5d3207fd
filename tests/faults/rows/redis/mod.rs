//! What one Redis can do.

mod losses;
mod outages;
mod settings;

use super::{Row, row};
use crate::rig::Rig;

pub(super) const ROWS: &[Row] = &[
    row!(
        "redis",
        "killed-restarted-with-its-file",
        outages::killed,
        smoke
    ),
    row!("redis", "stopped-10s", outages::stopped),
    row!("redis", "down-for-3-leases", outages::down_for_leases),
    row!("redis", "down-for-a-minute", outages::down_for_a_minute),
    row!(
        "redis",
        "subscriber-killed-in-a-loop",
        outages::subscriber_killed,
        smoke
    ),
    row!("redis", "pool-killed-in-a-loop", outages::pool_killed),
    row!("redis", "paused-beyond-the-send-limit", outages::paused),
    row!("redis", "tail-of-the-file-cut", losses::tail_cut, smoke),
    row!("redis", "old-file-restored", losses::old_file),
    row!("redis", "flushall-with-members", losses::flushed, smoke),
    row!(
        "redis",
        "flushall-during-a-paged-read",
        losses::flushed_while_read
    ),
    row!("redis", "log-deleted", losses::log_deleted),
    row!("redis", "meta-deleted", losses::meta_deleted),
    row!("redis", "dedupe-deleted", losses::dedupe_deleted),
    row!("redis", "log-trimmed-while-away", losses::trimmed),
    row!("redis", "idle-beyond-the-expiry", losses::idle),
    row!("redis", "script-flush-in-a-loop", settings::scripts_flushed),
    row!("redis", "full", settings::full, smoke),
    row!("redis", "evicting-policy", settings::evicting),
    row!("redis", "password-changed", settings::password_changed),
];

/// Runs a command of the row's own, whatever it answers.
async fn command(rig: &mut Rig, words: &[&str]) {
    let _answer: redis::Value = rig.redis().run(words).await;
}
