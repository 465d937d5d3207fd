//! Who is in a room, over all nodes: users, not sessions.

use serde::{Deserialize, Serialize};

use crate::protocol::{User, UserId};

/// What changed about one user of this node in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceChange {
    /// The user's first session of this node joined, or its name changed.
    Here(User),
    /// The user's last session of this node left, and the debounce time has passed.
    Gone(UserId),
}

/// One page of a room's presence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Users of this page.
    pub members: Vec<User>,
    /// Users in the room.
    pub count: u64,
    /// Where the next page begins; `None` on the last one.
    pub cursor: Option<String>,
}
