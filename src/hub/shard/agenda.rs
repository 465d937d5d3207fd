//! What a shard does later.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::hub::SeatId;
use crate::protocol::{RequestId, RoomName, UserId};

/// Something to do at its time; whether it still applies is judged then.
#[derive(Debug)]
pub(super) enum Due {
    /// Give a join up that has not been served.
    Expire {
        room: RoomName,
        seat: SeatId,
        id: RequestId,
    },
    /// Tell that a user has left, unless it came back.
    Sweep { room: RoomName, user: UserId },
    /// Try a read again.
    Read { room: RoomName },
    /// Give a deserted room up.
    Unsubscribe { room: RoomName },
}

/// Things to do, by time; of one time in the order they were added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(Instant, u64), Due>,
    added: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Instant, due: Due) {
        self.added += 1;
        self.due.insert((at, self.added), due);
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
