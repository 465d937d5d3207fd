//! One node: its room, and what the broker still has to tell it.
//!
//! It does what the hub's shard does, one thing at a time, and lets the world decide what comes when.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keys::Keys;
use crate::broker::{Entry, Roster, Snapshot, Unavailable};
use crate::hub::room::live::Parked;
use crate::hub::room::tail::{Bounds, Tail};
use crate::hub::room::{ReadRequest, Room};
use crate::hub::seat::SeatId;
use crate::protocol::{Epoch, Position, RoomName, UserId};
use crate::telemetry::Metrics;

/// Small, so that what members miss is often not in it any more.
const TAIL: Bounds = Bounds {
    rest_lines: 3,
    rest_bytes: 1 << 20,
    held_lines: 8,
    held_bytes: 1 << 20,
};
/// Small, so that it is often full.
const MAX_PARKED: usize = 10;

/// A change of the subscription, on its way to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Subscribed(u64),
    Down,
}

/// A read under way.
#[derive(Debug)]
struct Flight {
    generation: u64,
    request: ReadRequest,
    snapshot: Option<Snapshot>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Node {
    pub(super) room: Option<Room>,
    metrics: Arc<Metrics>,
    generation: u64,
    /// Lineage of the connection that publishes.
    pub(super) lineage: u64,
    /// Whether payloads arrive.
    pub(super) is_up: bool,
    /// Payloads on their way.
    pub(super) payloads: VecDeque<Vec<Entry>>,
    pub(super) changes: VecDeque<Change>,
    pub(super) probes: VecDeque<Position>,
    flights: VecDeque<Flight>,
    answered: Option<(u64, Snapshot)>,
    rosters: VecDeque<u64>,
    /// Users whose last session here has left.
    left: Vec<UserId>,
    /// Seats whose outbox has drained.
    pub(super) drained: VecDeque<SeatId>,
    /// The highest seq delivered of each epoch, as the broker was told.
    pub(super) delivered: HashMap<Epoch, u64>,
    /// Reads begun since the start.
    pub(super) reads: usize,
}

impl Node {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            room: None,
            metrics,
            generation: 0,
            lineage: 0,
            is_up: false,
            payloads: VecDeque::new(),
            changes: VecDeque::new(),
            probes: VecDeque::new(),
            flights: VecDeque::new(),
            answered: None,
            rosters: VecDeque::new(),
            left: Vec::new(),
            drained: VecDeque::new(),
            delivered: HashMap::new(),
            reads: 0,
        }
    }

    /// Returns the room, made and subscribed if there is none.
    pub(super) fn open(&mut self) -> &mut Room {
        self.room.get_or_insert_with(|| {
            self.generation += 1;
            self.is_up = false;
            let mut room = Room::new(RoomName::parse("yard").unwrap(), self.metrics.clone());
            room.tail = Tail::new(&TAIL);
            room.parked = Parked::new(MAX_PARKED);
            room
        })
    }

    /// Gives a deserted room up; what is on its way still arrives.
    pub(super) fn close(&mut self) {
        if self.room.as_ref().is_some_and(Room::is_deserted) {
            self.room = None;
            self.answered = None;
            self.is_up = false;
            self.delivered.clear();
        }
    }

    /// Lets payloads arrive from now on, and tells the room later.
    pub(super) fn come_up(&mut self) {
        if self.room.is_some() && !self.is_up {
            self.is_up = true;
            self.changes.push_back(Change::Subscribed(self.generation));
        }
    }

    /// Lets no payload arrive any more, and tells the room later.
    pub(super) fn go_down(&mut self, lost: usize) {
        if self.is_up {
            self.is_up = false;
            self.payloads
                .truncate(self.payloads.len().saturating_sub(lost));
            self.changes.push_back(Change::Down);
        }
    }

    pub(super) fn leave(&mut self, seat: SeatId, now: Instant) {
        let left = self.room.as_mut().and_then(|room| room.leave(seat, now));
        self.left.extend(left);
    }

    /// Does what the room asks for.
    pub(super) fn serve(&mut self, now: Instant) {
        let Some(room) = &mut self.room else { return };
        if let Some(position) = room.take_delivered()
            && let Some(epoch) = &position.epoch
        {
            let high = self.delivered.entry(epoch.clone()).or_default();
            *high = position.seq.max(*high);
        }
        if let Some(request) = room.begin_read(now) {
            let in_flight = self
                .flights
                .iter()
                .filter(|flight| flight.generation == self.generation);
            assert_eq!(in_flight.count(), 0, "two reads at once");
            assert_eq!(room.begin_read(now), None, "a read is asked for twice");
            self.reads += 1;
            self.flights.push_back(Flight {
                generation: self.generation,
                request,
                snapshot: None,
            });
        }
        if room.begin_roster(now) {
            self.rosters.push_back(self.generation);
        }
    }

    /// Ends a turn: some of the members are written to, the others' tasks woken.
    pub(super) fn write(&mut self) {
        if let Some(room) = &mut self.room {
            room.write(&mut 1, |_| {});
            assert!(!room.is_unwritten());
        }
    }

    /// Returns true if a turn is to end that has not.
    pub(super) fn is_unwritten(&self) -> bool {
        self.room.as_ref().is_some_and(Room::is_unwritten)
    }

    /// Lets the oldest read see the log, at most `limit` entries of it.
    pub(super) fn see(&mut self, keys: &Keys, limit: usize) {
        if let Some(flight) = self
            .flights
            .iter_mut()
            .find(|flight| flight.snapshot.is_none())
        {
            flight.snapshot = Some(keys.read(flight.request.span, limit));
        }
    }

    /// Answers the oldest read that has seen the log.
    pub(super) fn answer(&mut self, fails: bool, now: Instant) {
        let Some(index) = self
            .flights
            .iter()
            .position(|flight| flight.snapshot.is_some())
        else {
            return;
        };
        let flight = self.flights.remove(index).unwrap();
        let Some(room) = self
            .room
            .as_mut()
            .filter(|_| flight.generation == self.generation)
        else {
            return;
        };
        let number = flight.request.number;
        let result = match flight.snapshot {
            Some(snapshot) if !fails => {
                self.answered = Some((number, snapshot.clone()));
                Ok(snapshot)
            }
            _ => Err(Unavailable("no answer".to_owned())),
        };
        let retry_at = room.read(number, result, now);
        assert!(
            retry_at.is_none_or(|at| at <= now + Duration::from_secs(2)),
            "the pause is too long"
        );
    }

    /// Repeats the last answer of a read: the room must ignore it.
    pub(super) fn answer_again(&mut self, now: Instant) {
        if let (Some(room), Some((number, snapshot))) = (&mut self.room, &self.answered) {
            assert_eq!(room.read(*number, Ok(snapshot.clone()), now), None);
        }
    }

    /// Answers the oldest roster read.
    pub(super) fn answer_roster(&mut self, fails: bool, now: Instant) {
        let generation = self.rosters.pop_front();
        if let Some(room) = self
            .room
            .as_mut()
            .filter(|_| generation == Some(self.generation))
        {
            let unavailable = Unavailable("no answer".to_owned());
            room.roster(
                if fails {
                    Err(unavailable)
                } else {
                    Ok(Roster::default())
                },
                now,
            );
        }
    }

    /// Hears the next change of the subscription.
    pub(super) fn change(&mut self) {
        let change = self.changes.pop_front();
        match (change, &mut self.room) {
            (Some(Change::Subscribed(generation)), Some(room)) if generation == self.generation => {
                room.subscribed()
            }
            (Some(Change::Down), Some(room)) => room.unsubscribed(),
            _ => {}
        }
    }

    pub(super) fn probed(&mut self) {
        if let (Some(position), Some(room)) = (self.probes.pop_front(), &mut self.room) {
            room.probed(&position);
        }
    }

    /// Takes a payload.
    pub(super) fn hear(&mut self, entries: Vec<Entry>) {
        if let Some(room) = &mut self.room {
            room.entries(entries);
        }
    }

    /// Lets a drained seat's stream go on.
    pub(super) fn go_on(&mut self, now: Instant) {
        if let (Some(seat), Some(room)) = (self.drained.pop_front(), &mut self.room) {
            room.drained(seat, now);
        }
    }

    /// Forgets the users who have left.
    pub(super) fn sweep(&mut self, now: Instant) {
        let left = std::mem::take(&mut self.left);
        if let Some(room) = &mut self.room {
            left.iter().for_each(|user| drop(room.sweep(user, now)));
        }
    }

    /// Returns true if there is a room whose payloads do not arrive.
    pub(super) fn is_cut_off(&self) -> bool {
        self.room.is_some() && !self.is_up
    }

    /// Returns true if a read has not seen the log yet.
    pub(super) fn is_read_unseen(&self) -> bool {
        self.flights.iter().any(|flight| flight.snapshot.is_none())
    }

    /// Returns true if a read has seen the log, and its answer is on its way.
    pub(super) fn is_read_seen(&self) -> bool {
        self.flights.iter().any(|flight| flight.snapshot.is_some())
    }

    /// Returns true if a roster is on its way.
    pub(super) fn is_roster_read(&self) -> bool {
        !self.rosters.is_empty()
    }

    /// Returns true if nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.flights.is_empty()
            && self.rosters.is_empty()
            && self.payloads.is_empty()
            && self.changes.is_empty()
            && self.drained.is_empty()
            && self.probes.is_empty()
    }

    /// Returns where the room stands, if there is one that knows.
    pub(super) fn position(&self) -> Option<&Position> {
        self.room.as_ref().and_then(Room::position)
    }
}
