//! Opaque identifiers: key, epoch, user, session and node.
//!
//! Each is 1 to 64 bytes of UTF-8 without control characters, compared byte for byte and never taken apart.
//! Made ones are 16 characters of base64url: 96 random bits, so that two never meet by chance.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The longest opaque identifier, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// Why a string is no opaque identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a string of 1 to {MAX_ID_BYTES} bytes without control characters")]
pub struct IdFault;

/// Checks the one rule that all opaque identifiers share.
fn check(raw: &str) -> Result<(), IdFault> {
    let fits = (1..=MAX_ID_BYTES).contains(&raw.len());
    let is_plain = || raw.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if fits && (is_plain() || !raw.chars().any(char::is_control)) {
        Ok(())
    } else {
        Err(IdFault)
    }
}

/// Returns 96 random bits as 16 characters of base64url.
fn random_id() -> Arc<str> {
    let bits: [u8; 12] = rand::random();
    let mut text = [0_u8; 16];
    let length = URL_SAFE_NO_PAD
        .encode_slice(bits, &mut text)
        .expect("12 bytes are 16 characters of base64");
    str::from_utf8(&text[..length])
        .expect("base64 is ASCII")
        .into()
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a string over as it is, if it is 1 to 64 bytes without control characters.
            pub fn parse(raw: &str) -> Result<Self, IdFault> {
                check(raw).map(|()| Self(raw.into()))
            }

            /// Makes a new one of 96 random bits: 16 characters of base64url.
            pub fn random() -> Self {
                Self(random_id())
            }

            /// Returns the string itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = Arc::<str>::deserialize(deserializer)?;
                check(&raw).map_err(de::Error::custom)?;
                Ok(Self(raw))
            }
        }
    };
}

opaque_id! {
    /// The sender's own name for one message, by which a repeated `send` is recognized.
    ///
    /// Unique per user only within the dedupe window; a message's identity is (room, epoch, seq).
    Key
}
opaque_id! {
    /// The lineage of a room's log; two numbers are comparable only within one epoch.
    Epoch
}
opaque_id! {
    /// Who speaks, stable across sessions as long as the token is kept.
    UserId
}
impl UserId {
    /// How the ids of bots begin: what follows is the name of their key. No session gets such an id.
    pub const API_PREFIX: &str = "api:";
}
opaque_id! {
    /// One WebSocket, named in logs and in `welcome`.
    SessionId
}
opaque_id! {
    /// One server process.
    NodeId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_1_to_64_bytes_without_control_characters() {
        let longest = "k".repeat(64);
        for good in ["a", "0", "키", "a b", "🦀", longest.as_str()] {
            assert_eq!(Key::parse(good).unwrap().as_str(), good);
        }
        let too_long = "k".repeat(65);
        let too_many_bytes = "키".repeat(22);
        for bad in [
            "",
            "a\n",
            "\u{0}",
            "\u{7f}",
            "a\u{85}",
            &too_long,
            &too_many_bytes,
        ] {
            assert_eq!(Key::parse(bad), Err(IdFault), "{bad:?}");
        }
    }

    #[test]
    fn random_ones_are_16_characters_and_differ() {
        let (a, b) = (Epoch::random(), Epoch::random());
        assert_eq!(a.as_str().len(), 16);
        assert_ne!(a, b);
        assert_eq!(Epoch::parse(a.as_str()), Ok(a));
    }

    #[test]
    fn travel_as_plain_json_strings_and_are_checked_on_arrival() {
        let id: UserId = serde_json::from_str(r#""u\u0041""#).unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""uA""#);
        assert!(serde_json::from_str::<UserId>(r#""""#).is_err());
        assert!(serde_json::from_str::<UserId>("7").is_err());
    }
}
