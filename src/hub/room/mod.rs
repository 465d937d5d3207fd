//! One room on one node: its delivered position, its members, and the way of every entry to each of them.
//!
//! Pure: what happened comes in by the methods, what is to be done is asked for ([`Room::begin_read`],
//! [`Room::take_delivered`]), frames go to the members' [`Seat`]s. The rules kept here:
//!
//! * Live entries are delivered only in succession to the room's position. Anything else needs a read of the log, and
//!   only such a read proves a gap or a rewind.
//! * A member is either *live*, and then stands at the room's position, or *catching up* from a cursor of its own.
//! * Joining, coming back and falling behind are one path: see [`catchup`](self).

mod catchup;
mod fanout;
mod live;
mod people;
mod reads;
mod settle;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::broker::{Chain, PresenceChange, Roster, Span};
use crate::hub::lines;
use crate::hub::seat::{Seat, SeatId};
use crate::protocol::{Answer, ErrorCode, Position, RequestId, RoomName, UserId};
use crate::telemetry::Metrics;

use catchup::Stage;
use fanout::Unsent;
use live::{MAX_PARKED, Parked};
use people::People;
use reads::Reads;
use tail::{TAIL, Tail};

pub use settle::PAGE;

/// A read that the room asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Goes with the result into [`Room::read`].
    pub number: u64,
    /// Which entries.
    pub span: Span,
}

#[derive(Debug)]
struct Member {
    seat: Arc<dyn Seat>,
    user: UserId,
    stage: Stage,
}

impl Member {
    fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Room {
    name: RoomName,
    metrics: Arc<Metrics>,
    subscribed: bool,
    checked: bool,
    position: Option<Position>,
    moved: bool,
    unwritten: bool,
    unsent: Unsent,
    chain: Chain,
    tail: Tail,
    reads: Reads,
    parked: Parked,
    members: Vec<Member>,
    seats: HashMap<SeatId, usize>,
    people: People,
    roster: Option<(Roster, Instant)>,
    roster_in_flight: bool,
}

impl Room {
    /// Makes a room without members, not yet subscribed.
    #[must_use]
    pub fn new(name: RoomName, metrics: Arc<Metrics>) -> Self {
        Self {
            name,
            metrics,
            subscribed: false,
            checked: false,
            position: None,
            moved: false,
            unwritten: false,
            unsent: Unsent::new(),
            chain: Chain::default(),
            tail: Tail::new(&TAIL),
            reads: Reads::default(),
            parked: Parked::new(MAX_PARKED),
            members: Vec::new(),
            seats: HashMap::new(),
            people: People::default(),
            roster: None,
            roster_in_flight: false,
        }
    }

    /// Returns the delivered position, once it is known.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Returns the epochs as the last read told them.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Returns the delivered position if it changed since the last call.
    pub fn take_delivered(&mut self) -> Option<&Position> {
        std::mem::take(&mut self.moved)
            .then_some(self.position.as_ref())
            .flatten()
    }

    /// Returns true if nobody is a member, nor was within the debounce time.
    #[must_use]
    pub fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.people.is_empty()
    }

    /// Returns the number of members on this node.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Hears that payloads arrive from now on: what came before must be read.
    pub fn subscribed(&mut self) {
        self.subscribed = true;
        self.reads.need();
        self.reads.retry_now();
    }

    /// Hears that payloads may be missing until the next [`Room::subscribed`].
    pub fn unsubscribed(&mut self) {
        self.subscribed = false;
        self.checked = false;
    }

    /// Hears that a payload may be missing.
    pub fn suspect(&mut self) {
        self.reads.need();
    }

    /// Hears where the log ends according to its meta key.
    pub fn probed(&mut self, position: &Position) {
        if self.position.as_ref().is_some_and(|own| own != position) {
            self.reads.need();
        }
    }

    /// Lets a session in: it is answered with `joined` once the room's position is known and checked.
    ///
    /// Returns the change of presence, if there is one.
    pub fn join(
        &mut self,
        seat: Arc<dyn Seat>,
        id: RequestId,
        after: Option<Position>,
        limit: usize,
        now: Instant,
    ) -> Option<PresenceChange> {
        self.spread();
        let user = seat.user();
        let change = self.people.enter(&user);
        let stage = Stage::Joining {
            id,
            after,
            limit,
            fresh: self.reads.next(),
        };
        let index = self.members.len();
        self.seats.insert(seat.id(), index);
        self.members.push(Member {
            seat,
            user: user.id.clone(),
            stage,
        });
        self.advance(index, None, now);
        change
    }

    /// Lets a session out; returns whose last session here it was.
    pub fn leave(&mut self, seat: SeatId, now: Instant) -> Option<UserId> {
        self.spread();
        let index = self.seats.remove(&seat)?;
        let member = self.members.swap_remove(index);
        if let Some(moved) = self.members.get(index) {
            self.seats.insert(moved.seat.id(), index);
        }
        self.people.leave(&member.user, now).then_some(member.user)
    }

    /// Gives up a join that could not be served in time; returns true if it was still waiting.
    pub fn expire(&self, seat: SeatId, request: &RequestId, retry_after_ms: u64) -> bool {
        let Some(member) = self
            .seats
            .get(&seat)
            .and_then(|index| self.members.get(*index))
        else {
            return false;
        };
        let Stage::Joining { id, .. } = &member.stage else {
            return false;
        };
        if id != request {
            return false;
        }
        member.seat.expelled(&self.name);
        member.seat.answer(lines::frame(&Answer::Error {
            id: Some(id),
            room: Some(self.name.as_str()),
            code: ErrorCode::Unavailable,
            field: None,
            message: "the room cannot be read now; join again later",
            retry_after_ms: Some(retry_after_ms),
        }));
        true
    }

    /// Hears that a member's outbox has drained.
    pub fn drained(&mut self, seat: SeatId, now: Instant) {
        let Some(index) = self.seats.get(&seat).copied() else {
            return;
        };
        self.spread();
        self.members[index].stage.resume();
        self.advance(index, None, now);
    }

    /// Returns how far a member's stream has come, once it has been told that it is one.
    #[must_use]
    pub fn standing(&self, seat: SeatId) -> Option<&Position> {
        let member = self
            .seats
            .get(&seat)
            .and_then(|index| self.members.get(*index))?;
        match &member.stage {
            Stage::Joining { .. } => None,
            Stage::Behind { cursor, .. } => Some(cursor),
            Stage::Live => self.unsent.standing().or(self.position.as_ref()),
        }
    }

    /// Gives a frame that may be lost to all who have joined, but not to the user it is about.
    pub fn ephemeral(&mut self, answer: &Answer<'_>, except: Option<&UserId>) {
        self.spread();
        let frame = lines::frame(answer);
        for member in &self.members {
            let is_told = !matches!(member.stage, Stage::Joining { .. });
            if is_told && except != Some(&member.user) {
                member.seat.ephemeral(&frame);
            }
        }
    }

    /// Takes a user's new name; returns the change if it is one.
    pub fn rename(&mut self, seat: SeatId) -> Option<PresenceChange> {
        let member = self
            .seats
            .get(&seat)
            .and_then(|index| self.members.get(*index))?;
        self.people.rename(&member.seat.user())
    }

    /// Removes a user who has been away since `before`; returns the change if it has.
    pub fn sweep(&mut self, user: &UserId, before: Instant) -> Option<PresenceChange> {
        self.people.sweep(user, before)
    }

    /// Returns the presence of all users of this node.
    #[must_use]
    pub fn everybody(&self) -> Vec<PresenceChange> {
        self.people.everybody()
    }
}
