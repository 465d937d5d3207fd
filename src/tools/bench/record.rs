//! What the threads count and time; it adds up.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::ledger::Tally;

/// The shortest time that is told apart, in nanoseconds.
const SHORTEST: u64 = 1_000;
/// The longest: an hour.
const LONGEST: u64 = 3_600_000_000_000;
/// Decimal digits that are kept of a time.
const DIGITS: u8 = 3;

/// Times in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(SHORTEST, LONGEST, DIGITS);
        Self(histogram.expect("the bounds are in order"))
    }

    pub(super) fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    pub(super) const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// Words and how often they came.
pub(super) type Words = BTreeMap<String, u64>;

/// See the [module](self). Messages and their deliveries are those of the measured phase, except in `tally`.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) opened: u64,
    /// Why sessions were not opened.
    pub(super) failed: Words,
    /// Why sessions ended that should not have.
    pub(super) closed: Words,
    pub(super) open: Times,

    pub(super) due: u64,
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) refused: Words,
    pub(super) accept: Times,
    pub(super) lateness: Times,

    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) frames: u64,
    pub(super) reads: u64,
    pub(super) same_node: Times,
    pub(super) other_node: Times,
    pub(super) last_member: Times,

    /// Of the whole run.
    pub(super) tally: Tally,
    /// Numbers of a room's log that did not follow each other.
    pub(super) jumps: u64,
    /// Entries of which sessions were told that they do not come.
    pub(super) told: u64,
    /// Times a room's log was replaced.
    pub(super) rewound: u64,
    /// Messages of another room, or frames that make no sense.
    pub(super) nonsense: Words,

    pub(super) resumes: Resumes,
    pub(super) slow: Slow,
}

/// What became of sessions that came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Resumes {
    pub(super) sessions: u64,
    /// Members again that have all that they missed.
    pub(super) whole: u64,
    /// Attempts that were refused with a time to come back.
    pub(super) refused: u64,
    /// Attempts that were refused without one, or broken off.
    pub(super) refused_without_hint: Words,
    /// From the time to come back until it was a member.
    pub(super) joined: Times,
    /// When the last one was whole, in nanoseconds since the run began.
    pub(super) last: u64,
}

/// What became of sessions that did not read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slow {
    pub(super) sessions: u64,
    pub(super) received: u64,
    pub(super) closed: u64,
}

impl Record {
    pub(super) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        add_words(&mut self.failed, &other.failed);
        add_words(&mut self.closed, &other.closed);
        self.open.add(&other.open);
        self.due += other.due;
        self.sent += other.sent;
        self.accepted += other.accepted;
        add_words(&mut self.refused, &other.refused);
        self.accept.add(&other.accept);
        self.lateness.add(&other.lateness);
        self.expected += other.expected;
        self.received += other.received;
        self.frames += other.frames;
        self.reads += other.reads;
        self.same_node.add(&other.same_node);
        self.other_node.add(&other.other_node);
        self.last_member.add(&other.last_member);
        self.tally.add(&other.tally);
        self.jumps += other.jumps;
        self.told += other.told;
        self.rewound += other.rewound;
        add_words(&mut self.nonsense, &other.nonsense);
        self.resumes.sessions += other.resumes.sessions;
        self.resumes.whole += other.resumes.whole;
        self.resumes.refused += other.resumes.refused;
        add_words(
            &mut self.resumes.refused_without_hint,
            &other.resumes.refused_without_hint,
        );
        self.resumes.joined.add(&other.resumes.joined);
        self.resumes.last = self.resumes.last.max(other.resumes.last);
        self.slow.sessions += other.slow.sessions;
        self.slow.received += other.slow.received;
        self.slow.closed += other.slow.closed;
    }
}

/// Counts a word once more; only so many are told apart.
pub(super) fn count(words: &mut Words, word: impl Into<String>) {
    const DIFFERENT: usize = 32;
    let word = word.into();
    if words.len() < DIFFERENT || words.contains_key(&word) {
        *words.entry(word).or_default() += 1;
    } else {
        *words.entry("other".to_owned()).or_default() += 1;
    }
}

pub(super) fn sum(words: &Words) -> u64 {
    words.values().sum()
}

fn add_words(to: &mut Words, from: &Words) {
    for (word, times) in from {
        *to.entry(word.clone()).or_default() += times;
    }
}
