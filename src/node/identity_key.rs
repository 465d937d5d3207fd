//! Where the key that signs identity tokens comes from: a file, or the broker that all nodes share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use crate::broker::{Health, SharedBroker};
use crate::session::Identity;

/// Shortest key taken from a file: 128 bits.
const MIN_KEY_BYTES: usize = 16;
/// How often the broker's key is compared with the node's, and written back if the broker lost it.
const REFRESH: Duration = Duration::from_secs(60);
/// Pause after the broker gave no answer.
const RETRY: Duration = Duration::from_millis(100);

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("identity.key_file (MADANG_IDENTITY__KEY_FILE): {path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is too short to be safe.
    #[error(
        "identity.key_file (MADANG_IDENTITY__KEY_FILE): {path} holds {length} bytes; write at least {MIN_KEY_BYTES} random bytes",
        path = .path.display()
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// Bytes in it.
        length: usize,
    },
}

/// Reads the key from a file; white space at its end does not count.
pub(super) fn read(path: &Path) -> Result<Bytes, KeyFileError> {
    let content = std::fs::read(path).map_err(|source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let key = content.trim_ascii_end();
    if key.len() < MIN_KEY_BYTES {
        return Err(KeyFileError::Short {
            path: path.to_owned(),
            length: key.len(),
        });
    }
    Ok(Bytes::copy_from_slice(key))
}

/// Learns the broker's key, trying until it answers; the broker keeps the node's if it had none.
pub(super) async fn learn(broker: &SharedBroker, identity: &Identity) {
    loop {
        match identity.candidate() {
            Ok(candidate) => match broker.identity_key(candidate).await {
                Ok(key) => return identity.learn(key),
                Err(error) => tracing::debug!(%error, "identity key not read yet"),
            },
            Err(error) => {
                tracing::error!(%error, "the system gives no random numbers for an identity key")
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Keeps the node's key and the broker's the same: the broker's decides, the node's is written back if it was lost.
pub(super) async fn keep(broker: &SharedBroker, identity: &Identity) {
    let mut health = broker.health();
    loop {
        tokio::select! {
            () = tokio::time::sleep(REFRESH) => {}
            up = came_up(&mut health) => if !up { return },
        }
        learn(broker, identity).await;
    }
}

/// Waits until the broker is reached again; returns false if it is gone for good.
async fn came_up(health: &mut tokio::sync::watch::Receiver<Health>) -> bool {
    loop {
        if health.changed().await.is_err() {
            return false;
        }
        if *health.borrow_and_update() == Health::Up {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_or_missing_key_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(
            read(&path)
                .unwrap_err()
                .to_string()
                .contains("identity.key_file")
        );
        std::fs::write(&path, "short\n").unwrap();
        assert!(
            read(&path)
                .unwrap_err()
                .to_string()
                .contains("holds 5 bytes")
        );
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        assert_eq!(
            read(&path).unwrap(),
            Bytes::from_static(b"0123456789abcdef")
        );
    }
}
