//! What a broker tells the node's hub.

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::protocol::{Position, RoomName, User, UserId};

/// Something that happened in the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Payloads of the room arrive from now on; those of the time before may be missing.
    Subscribed {
        /// The room.
        room: RoomName,
        /// Generation given to [`subscribe`](super::Broker::subscribe); an older one means nothing any more.
        generation: u64,
    },
    /// Entries as they came live: ascending, of one epoch, possibly lost before, repeated or late.
    Entries {
        /// The room.
        room: RoomName,
        /// Never empty.
        entries: Vec<Entry>,
    },
    /// Something without a number.
    Ephemeral {
        /// The room.
        room: RoomName,
        /// What it is.
        ephemeral: Ephemeral,
    },
    /// The room's newest position according to its meta key, read by the tail probe.
    Probed {
        /// The room.
        room: RoomName,
        /// (null, 0) for a room without keys.
        position: Position,
    },
    /// A payload of the room may be missing: one was dropped or could not be read.
    Suspect {
        /// The room.
        room: RoomName,
    },
    /// The way to the broker works (again). Rooms hear their own [`Event::Subscribed`].
    Up,
    /// The way to the broker is cut: payloads may be missing from before this event on.
    Down {
        /// Reason in words for a person.
        reason: String,
    },
    /// The node's lease was lost and a new one taken: the presence of all its users must be told again.
    LeaseRenewed,
}

/// What is carried once and never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Ephemeral {
    /// A user is writing.
    Typing {
        /// Who.
        user: User,
    },
    /// Users came, went or changed their name.
    Presence {
        /// Users that no lease held before.
        joined: Vec<User>,
        /// Users that no lease holds any more.
        left: Vec<UserId>,
        /// Users with their new names.
        renamed: Vec<User>,
        /// Users in the room after these changes.
        count: u64,
    },
}

/// Where a broker's events go.
pub trait Sink: Send + Sync + 'static {
    /// Takes an event without blocking; returns `false` if there was no room for it and it is lost.
    fn event(&self, event: Event) -> bool;
}

impl std::fmt::Debug for dyn Sink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sink")
    }
}
