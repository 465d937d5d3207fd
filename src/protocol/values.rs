//! Positions and users, as they stand in frames and in the log.
//!
//! A position says how far somebody has come in one lineage of a room: (epoch, seq). (null, 0) is the position
//! in a room that has no log yet.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{Epoch, UserId};
use super::names::UserName;

/// The highest seq: 2⁵³ − 1, the last integer that every JSON reader keeps exactly.
pub const MAX_SEQ: u64 = (1 << 53) - 1;

/// Returns a duration in whole milliseconds, as frames, Redis and logs have it.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A place in a room's order: everything up to and with `seq` of this epoch has been seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "UncheckedPosition")]
pub struct Position {
    /// The lineage that `seq` belongs to; none only with `seq` 0.
    pub epoch: Option<Epoch>,
    /// The last entry seen, 0 for none; at most [`MAX_SEQ`].
    pub seq: u64,
}

impl Position {
    /// The position in a room without a log.
    pub const EMPTY: Self = Self {
        epoch: None,
        seq: 0,
    };

    /// Returns the position (epoch, seq).
    pub fn new(epoch: Epoch, seq: u64) -> Self {
        Self {
            epoch: Some(epoch),
            seq,
        }
    }
}

/// Why a pair is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be {{\"epoch\", \"seq\"}}: an epoch as a node has told it and a seq of 0 to 2^53 - 1; \
     epoch null only with seq 0"
)]
pub struct PositionFault;

/// A position as it arrives.
#[derive(Deserialize)]
struct UncheckedPosition {
    epoch: Option<Epoch>,
    seq: u64,
}

impl TryFrom<UncheckedPosition> for Position {
    type Error = PositionFault;

    fn try_from(raw: UncheckedPosition) -> Result<Self, PositionFault> {
        let UncheckedPosition { epoch, seq } = raw;
        if seq > MAX_SEQ || (epoch.is_none() && seq > 0) {
            return Err(PositionFault);
        }
        Ok(Self { epoch, seq })
    }
}

/// Who speaks, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Stable across sessions; two users never share it.
    #[schema(value_type = String)]
    pub id: UserId,
    /// What is shown; not unique.
    #[schema(value_type = String)]
    pub name: UserName,
    /// True for programs; absent for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bot: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_travel_as_epoch_and_seq() {
        let position = Position::new(Epoch::parse("e1").unwrap(), 7);
        let json = r#"{"epoch":"e1","seq":7}"#;
        assert_eq!(serde_json::to_string(&position).unwrap(), json);
        assert_eq!(serde_json::from_str::<Position>(json).unwrap(), position);
        assert_eq!(
            serde_json::from_str::<Position>(r#"{"epoch":null,"seq":0}"#).unwrap(),
            Position::EMPTY
        );
        assert!(
            serde_json::from_str::<Position>(r#"{"epoch":"e","seq":9007199254740991}"#).is_ok()
        );
    }

    #[test]
    fn impossible_positions_are_refused() {
        for bad in [
            r#"{"epoch":null,"seq":1}"#,
            r#"{"seq":1}"#,
            r#"{"epoch":"e"}"#,
            r#"{"epoch":"e","seq":9007199254740992}"#,
            r#"{"epoch":"e","seq":-1}"#,
            r#"{"epoch":"e","seq":1.5}"#,
            r#"{"epoch":"e","seq":"1"}"#,
            r#"{"epoch":"","seq":1}"#,
            r#"{"epoch":5,"seq":1}"#,
            "7",
        ] {
            assert!(serde_json::from_str::<Position>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_show_bot_only_for_programs() {
        let mut user = User {
            id: UserId::parse("u1").unwrap(),
            name: UserName::parse("Ann").unwrap(),
            bot: None,
        };
        assert_eq!(
            serde_json::to_string(&user).unwrap(),
            r#"{"id":"u1","name":"Ann"}"#
        );
        user.bot = Some(true);
        let json = serde_json::to_string(&user).unwrap();
        assert_eq!(json, r#"{"id":"u1","name":"Ann","bot":true}"#);
        assert_eq!(serde_json::from_str::<User>(&json).unwrap(), user);
    }
}
