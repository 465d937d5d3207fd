//! What the stories are told with: one room, whose log and live entries come as the story says.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::keys::entry;
use super::told::Told;
use crate::broker::{Chain, Entry, Roster, Snapshot, Span, Unavailable};
use crate::hub::room::Room;
use crate::hub::seat::Seat;
use crate::protocol::{Epoch, Position, RequestId, RoomName};
use crate::telemetry::Metrics;

/// A log as a story writes it: its epochs with their first seqs, its entries and its end.
pub(super) struct Log {
    chain: Chain,
    epochs: Vec<(Epoch, u64)>,
    kept: Vec<RangeInclusive<u64>>,
    end: u64,
}

/// Returns the log of these epochs that keeps all entries from 1 to `end`.
pub(super) fn log(epochs: &[(&str, u64)], end: u64) -> Log {
    let epochs: Vec<_> = epochs
        .iter()
        .map(|(name, first)| (epoch(name), *first))
        .collect();
    Log {
        chain: Chain::new(epochs.clone()),
        epochs,
        kept: vec![1..=end],
        end,
    }
}

impl Log {
    /// Keeps only these entries.
    pub(super) fn keeping(mut self, kept: &[RangeInclusive<u64>]) -> Self {
        self.kept = kept.to_vec();
        self
    }

    fn read(&self, span: Span, limit: usize) -> Snapshot {
        let Span::After(after) = span else {
            panic!("a room reads forward")
        };
        let epoch_at = |seq| {
            self.epochs
                .iter()
                .rev()
                .find(|(_, first)| *first <= seq)
                .map(|(epoch, _)| epoch)
        };
        let kept = self
            .kept
            .iter()
            .cloned()
            .flatten()
            .filter(|seq| *seq > after);
        let mut entries: Vec<_> = kept
            .map(|seq| entry(epoch_at(seq).unwrap(), seq, 0))
            .collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        Snapshot {
            chain: self.chain.clone(),
            first: 0,
            end: self.end,
            entries,
            more,
        }
    }
}

/// See the [module](self).
pub(super) struct Bench {
    pub(super) room: Room,
    pub(super) now: Instant,
    request: Option<(u64, Span)>,
    seats: u64,
}

impl Bench {
    /// Makes a room that is subscribed and has read nothing yet.
    pub(super) fn new() -> Self {
        let mut room = Room::new(RoomName::parse("yard").unwrap(), Arc::new(Metrics::new()));
        room.subscribed();
        Self {
            room,
            now: Instant::now(),
            request: None,
            seats: 0,
        }
    }

    /// Makes a room that stands at the end of a log.
    pub(super) fn standing_at(log: &Log) -> Self {
        let mut bench = Self::new();
        bench.read(log);
        bench
    }

    /// Lets somebody join with an outbox that takes all.
    pub(super) fn join(&mut self, after: Option<(&str, u64)>) -> Arc<Desk> {
        self.join_with(after, 1000, usize::MAX)
    }

    pub(super) fn join_with(
        &mut self,
        after: Option<(&str, u64)>,
        limit: usize,
        bound: usize,
    ) -> Arc<Desk> {
        let desk = self.knock(after, limit, bound);
        if self.room.begin_roster(self.now) {
            self.room.roster(Ok(Roster::default()), self.now);
        }
        desk
    }

    /// Lets somebody join without answering the roster.
    pub(super) fn knock(
        &mut self,
        after: Option<(&str, u64)>,
        limit: usize,
        bound: usize,
    ) -> Arc<Desk> {
        self.seats += 1;
        let desk = Desk::new(self.seats, bound);
        let after = after.map(|(name, seq)| position(name, seq));
        self.room.join(
            desk.clone(),
            RequestId::from(self.seats),
            after,
            limit,
            self.now,
        );
        desk
    }

    /// Begins a read if the room asks for one; returns after which seq.
    pub(super) fn begin(&mut self) -> Option<u64> {
        let request = self.room.begin_read(self.now)?;
        self.request = Some((request.number, request.span));
        let Span::After(after) = request.span else {
            panic!("a room reads forward")
        };
        Some(after)
    }

    /// Answers the read under way with at most `limit` entries.
    pub(super) fn answer(&mut self, log: &Log, limit: usize) {
        let (number, span) = self.request.take().expect("a read is under way");
        assert_eq!(
            self.room.read(number, Ok(log.read(span, limit)), self.now),
            None
        );
        self.write();
    }

    /// Fails the read under way; returns after how long the next may begin.
    pub(super) fn fail(&mut self) -> Duration {
        let (number, _) = self.request.take().expect("a read is under way");
        let result = Err(Unavailable("no answer".to_owned()));
        self.room
            .read(number, result, self.now)
            .expect("a read that failed is repeated")
            - self.now
    }

    /// Answers the read that the room asks for.
    pub(super) fn read(&mut self, log: &Log) {
        assert!(self.begin().is_some(), "the room asks for no read");
        self.answer(log, 256);
    }

    /// Delivers live entries.
    pub(super) fn live(&mut self, name: &str, seqs: RangeInclusive<u64>) {
        self.hear(name, seqs);
        self.write();
    }

    /// Ends a turn of the room's shard.
    pub(super) fn write(&mut self) {
        let mut most = usize::MAX;
        self.room.write(&mut most, |_| {});
    }

    /// Lets entries come while the turn goes on.
    pub(super) fn hear(&mut self, name: &str, seqs: RangeInclusive<u64>) {
        let epoch = epoch(name);
        let entries: Vec<Entry> = seqs.map(|seq| entry(&epoch, seq, 0)).collect();
        self.room.entries(entries);
    }

    /// Lets the stream of a seat go on that has been read up to here.
    pub(super) fn drain(&mut self, desk: &Desk) -> Vec<String> {
        let (told, goes_on) = take(desk);
        if goes_on {
            self.room.drained(desk.id(), self.now);
        }
        told
    }

    /// Asserts that the room asks for nothing.
    pub(super) fn rests(&mut self) {
        assert_eq!(
            self.begin(),
            None,
            "the room asks for a read that nobody needs"
        );
    }
}

/// Returns what a seat was told since the last call, in short words.
pub(super) fn told(desk: &Desk) -> Vec<String> {
    take(desk).0
}

fn take(desk: &Desk) -> (Vec<String>, bool) {
    let (frames, goes_on) = desk.take(usize::MAX);
    (
        frames
            .iter()
            .map(|frame| words(&Told::read(frame)))
            .collect(),
        goes_on,
    )
}

fn words(told: &Told) -> String {
    let name = |epoch: &Option<Epoch>| {
        epoch
            .as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    match told {
        Told::Joined { epoch, seq } => format!("joined {} {seq}", name(epoch)),
        Told::Message { epoch, seq, .. } => format!("{epoch} {seq}"),
        Told::Gap {
            epoch,
            from,
            to,
            reason,
        } => format!("{reason} {epoch} {from}-{to}"),
        Told::Epoch { epoch, from } => format!("withdrawn from {from}, {}", name(epoch)),
        Told::Error { code } => format!("error {code}"),
    }
}

fn epoch(name: &str) -> Epoch {
    Epoch::parse(name).unwrap()
}

/// Returns a position; the epoch `none` is null.
pub(super) fn position(name: &str, seq: u64) -> Position {
    Position {
        epoch: (name != "none").then(|| epoch(name)),
        seq,
    }
}
