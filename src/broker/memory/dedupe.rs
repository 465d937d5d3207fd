//! Keys of recent publishes, by which a repeat is known.
//!
//! Two windows, taken in turns: a key is remembered for at least one window and at most two.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::Accepted;
use crate::protocol::{Key, UserId};

/// What a first publish was, and what it was answered.
#[derive(Clone, Debug)]
struct First {
    hash: u64,
    accepted: Accepted,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    New,
    /// It was used for this text; the answer says `duplicate`.
    Same(Accepted),
    /// It was used for another text.
    Other,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Dedupe {
    current: HashMap<(UserId, Key), First>,
    previous: HashMap<(UserId, Key), First>,
    /// When the current window began.
    since: Option<Instant>,
}

impl Dedupe {
    /// Begins a new window if the current one is over.
    pub(super) fn rotate(&mut self, now: Instant, window: Duration) {
        let age = now.saturating_duration_since(*self.since.get_or_insert(now));
        if age >= window {
            self.previous = std::mem::take(&mut self.current);
            self.since = Some(now);
        }
        if age >= window * 2 {
            self.previous.clear();
        }
    }

    /// Looks a publish up.
    pub(super) fn look(&self, author: &UserId, key: &Key, hash: u64) -> Seen {
        let name = (author.clone(), key.clone());
        match self.current.get(&name).or_else(|| self.previous.get(&name)) {
            None => Seen::New,
            Some(first) if first.hash == hash => Seen::Same(Accepted {
                duplicate: true,
                ..first.accepted.clone()
            }),
            Some(_) => Seen::Other,
        }
    }

    /// Remembers the answer of a first publish.
    pub(super) fn remember(&mut self, author: UserId, key: Key, hash: u64, accepted: Accepted) {
        self.current.insert((author, key), First { hash, accepted });
    }

    /// Returns true if no key is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty() && self.previous.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Epoch;

    const WINDOW: Duration = Duration::from_secs(300);

    fn id(word: &str) -> (UserId, Key) {
        (UserId::parse(word).unwrap(), Key::parse("k").unwrap())
    }

    fn accepted(seq: u64) -> Accepted {
        Accepted {
            epoch: Epoch::parse("e").unwrap(),
            seq,
            at: 1,
            duplicate: false,
        }
    }

    #[test]
    fn a_key_belongs_to_its_author_and_text() {
        let mut dedupe = Dedupe::default();
        let (ann, key) = id("ann");
        dedupe.remember(ann.clone(), key.clone(), 7, accepted(1));
        assert_eq!(
            dedupe.look(&ann, &key, 7),
            Seen::Same(Accepted {
                duplicate: true,
                ..accepted(1)
            })
        );
        assert_eq!(dedupe.look(&ann, &key, 8), Seen::Other);
        assert_eq!(dedupe.look(&id("bob").0, &key, 7), Seen::New);
    }

    #[test]
    fn a_key_is_known_for_one_window_at_least_and_two_at_most() {
        let start = Instant::now();
        for begun in [0, 100, 299] {
            let mut dedupe = Dedupe::default();
            let (author, key) = id("ann");
            dedupe.rotate(start, WINDOW);
            let at = start + Duration::from_secs(begun);
            dedupe.rotate(at, WINDOW);
            dedupe.remember(author.clone(), key.clone(), 7, accepted(1));
            let mut forgotten = None;
            for second in 0..=700 {
                dedupe.rotate(at + Duration::from_secs(second), WINDOW);
                if dedupe.look(&author, &key, 7) == Seen::New {
                    forgotten.get_or_insert(second);
                }
            }
            let forgotten = forgotten.expect("every key is forgotten");
            assert!((300..=600).contains(&forgotten), "after {forgotten} s");
            assert!(dedupe.is_empty());
        }
    }

    #[test]
    fn long_silence_forgets_both_windows() {
        let start = Instant::now();
        let mut dedupe = Dedupe::default();
        let (author, key) = id("ann");
        dedupe.rotate(start, WINDOW);
        dedupe.remember(author.clone(), key.clone(), 7, accepted(1));
        dedupe.rotate(start + WINDOW * 2, WINDOW);
        assert_eq!(dedupe.look(&author, &key, 7), Seen::New);
    }
}
