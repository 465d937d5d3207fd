//! The keys of the HTTP API: who has one, what it may do, how fast.
//!
//! A key is `mdk1.` and 256 random bits in base64url. The node knows only its SHA-256, which is enough: there is no
//! guessing 256 bits, and who reads the file has no key. All hashes are compared in constant time, and always all of
//! them. `file` reads the file, `watch` reads it again when it changes.

mod file;
mod watch;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::publish;
use crate::config::Settings;
use crate::protocol::{User, UserId};
use crate::session::Bucket;
use crate::session::permission::{Grant, Who};

pub use file::KeysError;
pub(super) use watch::watch;

/// Tells our keys from other secrets.
const PREFIX: &str = "mdk1.";
/// Random bytes of a key.
const SECRET_BYTES: usize = 32;

type Hash = [u8; 32];

/// Requests per second and at once; a rate of 0 sets no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    per_second: u32,
    burst: u32,
}

/// One key: a bot and what it may do.
#[derive(Debug)]
pub struct ApiKey {
    /// Who speaks with it.
    pub user: User,
    grant: Grant,
    hashes: Vec<Hash>,
    rate: Rate,
    /// Held for one computation, never across an await.
    bucket: Arc<Mutex<Bucket>>,
}

impl ApiKey {
    /// Returns who asks, for the permission function.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        Who {
            user: &self.user,
            grant: Some(&self.grant),
        }
    }

    /// Counts requests against the key's rate.
    ///
    /// # Errors
    /// The time after which they would be allowed.
    pub(super) fn take(&self, requests: u32) -> Result<(), Duration> {
        self.bucket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_many(requests, now())
    }
}

/// All keys of a node, as the file says now.
#[derive(Debug)]
pub struct Keys {
    keys: RwLock<Arc<[Arc<ApiKey>]>>,
    default_rate: Rate,
    is_configured: bool,
    /// The file as it was read first.
    loaded: Vec<u8>,
}

impl Keys {
    /// Reads the keys of the settings.
    ///
    /// # Errors
    /// All faults of the file.
    pub fn load(settings: &Settings) -> Result<Arc<Self>, KeysError> {
        let api = &settings.api;
        let mut keys = Self {
            keys: RwLock::new(Arc::new([])),
            default_rate: Rate {
                per_second: api.requests_per_second,
                burst: api.requests_burst,
            },
            is_configured: api.keys_file.is_some(),
            loaded: Vec::new(),
        };
        if let Some(path) = &api.keys_file {
            keys.loaded =
                std::fs::read(path).map_err(|error| KeysError::unreadable(path, &error))?;
            let read = file::parse(&keys.loaded, keys.default_rate);
            keys.replace(read.map_err(|faults| KeysError::new(path, faults))?);
        }
        Ok(Arc::new(keys))
    }

    /// Returns true if the settings name a file.
    pub(super) fn is_configured(&self) -> bool {
        self.is_configured
    }

    /// Returns how many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.current().len()
    }

    /// Returns true if there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what belongs to a key as it was sent.
    pub(super) fn find(&self, secret: &str) -> Option<Arc<ApiKey>> {
        let hash = hash(secret);
        let mut found = None;
        for key in self.current().iter() {
            for known in &key.hashes {
                if bool::from(known.ct_eq(&hash)) {
                    found = Some(key.clone());
                }
            }
        }
        found
    }

    /// Takes over what the file says; a key that keeps its name and rate keeps what it has used of it.
    fn replace(&self, mut keys: Vec<ApiKey>) {
        let before = self.current();
        for key in &mut keys {
            let same = before
                .iter()
                .find(|old| old.user.id == key.user.id && old.rate == key.rate);
            if let Some(old) = same {
                key.bucket = old.bucket.clone();
            }
        }
        let keys = keys.into_iter().map(Arc::new).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn current(&self) -> Arc<[Arc<ApiKey>]> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Makes a new key and returns it with its SHA-256 in hexadecimal digits, which goes into the file.
///
/// # Errors
/// When the system gives no random numbers.
pub fn generate() -> Result<(String, String), getrandom::Error> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let digits = hash(&key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((key, digits))
}

/// Judges what stands in a file of keys; returns how many there are.
///
/// # Errors
/// All faults.
pub fn judge(content: &[u8]) -> Result<usize, Vec<String>> {
    let any = Rate {
        per_second: 0,
        burst: publish::MAX_BATCH,
    };
    file::parse(content, any).map(|keys| keys.len())
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Returns the user id of the key with this name; `None` if the name is too long for it.
fn user_id(name: &str) -> Option<UserId> {
    UserId::parse(&format!("{}{name}", UserId::API_PREFIX)).ok()
}

/// Returns the time by tokio's clock, which tests may pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 100,
    };

    fn keys(content: &str) -> Keys {
        let keys = Keys {
            keys: RwLock::new(Arc::new([])),
            default_rate: RATE,
            is_configured: true,
            loaded: Vec::new(),
        };
        keys.replace(parse(content));
        keys
    }

    fn parse(content: &str) -> Vec<ApiKey> {
        file::parse(content.as_bytes(), RATE).unwrap()
    }

    fn entry(name: &str, hashes: &[&str]) -> String {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = {hashes:?}\nrights = [\"read\"]\nrooms = [\"*\"]\n"
        )
    }

    #[test]
    fn a_key_is_found_by_any_of_its_hashes_and_by_nothing_else() {
        let ((old, old_hash), (new, new_hash)) = (generate().unwrap(), generate().unwrap());
        let (other, other_hash) = generate().unwrap();
        let keys = keys(&format!(
            "{}{}",
            entry("봇", &[&old_hash, &new_hash]),
            entry("other", &[&other_hash])
        ));
        let name = |secret: &str| keys.find(secret).map(|key| key.user.id.to_string());
        assert_eq!(name(&old).as_deref(), Some("api:봇"));
        assert_eq!(name(&new).as_deref(), Some("api:봇"));
        assert_eq!(name(&other).as_deref(), Some("api:other"));
        for wrong in [
            "",
            "mdk1.",
            &old_hash,
            &old[..old.len() - 1],
            &format!("{old} "),
        ] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_that_stays_keeps_what_it_has_used_of_its_rate() {
        let (secret, hash) = generate().unwrap();
        let keys = keys(&entry("bot", &[&hash]));
        keys.find(&secret).unwrap().take(100).unwrap();
        keys.replace(parse(&entry("bot", &[&hash])));
        assert!(keys.find(&secret).unwrap().take(50).is_err());
        let faster = format!("{}requests_per_second = 20\n", entry("bot", &[&hash]));
        keys.replace(parse(&faster));
        keys.find(&secret).unwrap().take(100).unwrap();
        keys.replace(Vec::new());
        assert!(keys.find(&secret).is_none());
    }
}
