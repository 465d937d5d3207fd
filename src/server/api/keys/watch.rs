//! Reads the file of keys again when it has changed: keys come, go and rotate without a restart.

use std::path::Path;
use std::time::Duration;

use prometheus::IntGauge;

use super::{Keys, KeysError, file};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Keeps `keys` as the file says, for ever. A file that cannot be used changes nothing and is logged once.
pub(in crate::server::api) async fn watch(keys: &Keys, path: &Path, count: &IntGauge) {
    let mut known = Ok(keys.loaded.clone());
    loop {
        tokio::time::sleep(EVERY).await;
        let read = tokio::fs::read(path).await;
        let seen = match &read {
            Ok(content) => Ok(content.clone()),
            Err(error) => Err(error.kind()),
        };
        if seen == known {
            continue;
        }
        known = seen;
        let parsed = read
            .map_err(|error| KeysError::unreadable(path, &error))
            .and_then(|content| {
                file::parse(&content, keys.default_rate)
                    .map_err(|faults| KeysError::new(path, faults))
            });
        match parsed {
            Ok(read) => {
                tracing::info!(keys = read.len(), "the keys of the HTTP API have changed");
                keys.replace(read);
                count.set(super::super::as_gauge(keys.len()));
            }
            Err(error) => tracing::error!(%error, "the keys of the HTTP API stay as they were"),
        }
    }
}
