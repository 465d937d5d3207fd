//! Who speaks: an anonymous user that stays the same on every node.
//!
//! A token names the user and when it was issued, signed with HMAC-SHA256 (RFC 2104):
//! `mdg1.<payload>.<signature>`, both parts base64url without padding. All nodes of a fleet share the key. A token that
//! is forged, expired or unreadable is no token: its bearer becomes a new user, never somebody else.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::protocol::{UserId, millis};

/// Tells our tokens from those of others.
const PREFIX: &str = "mdg1";
/// Length of a key that is made here, in bytes: the block that the hash gives out.
const KEY_BYTES: usize = 32;
/// Keys that stay accepted after the broker's has changed.
const MAX_KEYS: usize = 8;

#[derive(Serialize, Deserialize)]
struct Claims {
    /// The user's id.
    u: UserId,
    /// When the token was issued: Unix milliseconds by the broker's clock.
    t: u64,
}

/// Signs and checks tokens. Knows no key until the first [`Identity::learn`].
#[derive(Debug)]
pub struct Identity {
    /// The first signs; all are accepted.
    keys: RwLock<Vec<Bytes>>,
    life: Duration,
}

impl Identity {
    /// Makes an identity without a key, whose tokens are good for `life`.
    #[must_use]
    pub fn new(life: Duration) -> Self {
        Self {
            keys: RwLock::default(),
            life,
        }
    }

    /// Signs with this key from now on and goes on accepting those known before.
    pub fn learn(&self, key: Bytes) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|known| *known != key);
        keys.insert(0, key);
        keys.truncate(MAX_KEYS);
    }

    /// Returns the key that signs, or a new one to propose if none is known.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn candidate(&self) -> Result<Bytes, getrandom::Error> {
        if let Some(key) = self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .first()
        {
            return Ok(key.clone());
        }
        let mut key = vec![0; KEY_BYTES];
        getrandom::fill(&mut key)?;
        Ok(key.into())
    }

    /// Issues a token; `None` while no key is known.
    #[must_use]
    pub fn issue(&self, user: &UserId, now_ms: u64) -> Option<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let claims = serde_json::to_vec(&Claims {
            u: user.clone(),
            t: now_ms,
        })
        .expect("strings become JSON");
        let payload = URL_SAFE_NO_PAD.encode(claims);
        let signature =
            URL_SAFE_NO_PAD.encode(mac(keys.first()?, &payload).finalize().into_bytes());
        Some(format!("{PREFIX}.{payload}.{signature}"))
    }

    /// Returns the user that a good token names.
    #[must_use]
    pub fn verify(&self, token: &str, now_ms: u64) -> Option<UserId> {
        let (payload, signature) = token
            .strip_prefix(PREFIX)?
            .strip_prefix('.')?
            .split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if !keys
            .iter()
            .any(|key| mac(key, payload).verify_slice(&signature).is_ok())
        {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let life = millis(self.life);
        // Bots have keys; no session is one of them, whoever signed the token.
        let is_ours = !claims.u.as_str().starts_with(UserId::API_PREFIX);
        (is_ours && now_ms <= claims.t.saturating_add(life)).then_some(claims.u)
    }
}

fn mac(key: &[u8], payload: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(PREFIX.as_bytes());
    mac.update(b".");
    mac.update(payload.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn identity(key: &'static [u8]) -> Identity {
        let identity = Identity::new(DAY);
        identity.learn(Bytes::from_static(key));
        identity
    }

    #[test]
    fn a_token_is_good_on_every_node_with_the_key_until_it_expires() {
        let user = UserId::random();
        let token = identity(b"shared").issue(&user, 1000).unwrap();
        let other = identity(b"shared");
        assert_eq!(other.verify(&token, 1000 + 86_400_000), Some(user));
        assert_eq!(other.verify(&token, 1001 + 86_400_000), None);
    }

    #[test]
    fn forged_tokens_name_nobody() {
        let user = UserId::random();
        let good = identity(b"shared");
        let token = good.issue(&user, 1000).unwrap();
        let mut parts = token.split('.');
        let (prefix, payload, signature) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        );
        let other = URL_SAFE_NO_PAD.encode(br#"{"u":"somebody","t":1000}"#);
        for forged in [
            String::new(),
            "mdg1".to_owned(),
            format!("{prefix}.{other}.{signature}"),
            format!("{prefix}.{payload}."),
            format!("{prefix}.{payload}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
            format!("jwt.{payload}.{signature}"),
            format!("{token}."),
            identity(b"another").issue(&user, 1000).unwrap(),
        ] {
            assert_eq!(good.verify(&forged, 1000), None, "{forged}");
        }
    }

    #[test]
    fn nobody_becomes_a_bot_by_a_token() {
        let node = identity(b"shared");
        let bot = UserId::parse("api:deploy").unwrap();
        assert_eq!(node.verify(&node.issue(&bot, 1).unwrap(), 1), None);
    }

    #[test]
    fn an_old_key_stays_accepted_and_the_new_one_signs() {
        let user = UserId::random();
        let node = identity(b"old");
        let old = node.issue(&user, 1).unwrap();
        node.learn(Bytes::from_static(b"new"));
        assert_eq!(node.verify(&old, 1), Some(user.clone()));
        assert!(
            identity(b"new")
                .verify(&node.issue(&user, 1).unwrap(), 1)
                .is_some()
        );
        assert_eq!(node.candidate().unwrap(), Bytes::from_static(b"new"));
    }

    #[test]
    fn without_a_key_nothing_is_issued() {
        assert_eq!(Identity::new(DAY).issue(&UserId::random(), 1), None);
    }
}
