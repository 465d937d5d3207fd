//! Refused publishes whose successors must be refused too.
//!
//! After a retryable refusal every later publish of the same source and room gets the same code, so that a retry in
//! order keeps the order: until one of the refused keys comes again, the source is forgotten, or [`HOLD`] passes. The
//! first key need not come again: a message whose answer was lost may have been written and come by.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::{Refusal, Source};
use crate::protocol::{Key, RoomName};

/// How long the successors are refused after the last refusal.
pub(super) const HOLD: Duration = Duration::from_secs(10);

/// Held sources above which ended ones are looked for.
const MANY: usize = 256;

/// Keys that are remembered of a source in a room, at most.
const KEYS: usize = 128;

#[derive(Clone, Debug)]
struct Held {
    /// What was refused, in its order.
    keys: Vec<Key>,
    refusal: Refusal,
    last: Instant,
}

/// The refusals of one node. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Refusals {
    held: HashMap<(Source, RoomName), Held>,
    purge_above: usize,
}

impl Refusals {
    /// Returns what a publish must be refused with; if it was refused before, its successors may go on.
    pub(super) fn check(
        &mut self,
        source: Source,
        room: &RoomName,
        key: &Key,
        now: Instant,
    ) -> Option<Refusal> {
        if self.held.is_empty() {
            return None;
        }
        let place = (source, room.clone());
        let held = self.held.get_mut(&place)?;
        if held.keys.contains(key) || now.saturating_duration_since(held.last) >= HOLD {
            self.held.remove(&place);
            return None;
        }
        if held.keys.len() < KEYS {
            held.keys.push(key.clone());
        }
        // What is only held back does not prolong it, so that it ends by itself.
        Some(held.refusal)
    }

    /// Notes a refusal of a publish that [`Refusals::check`] let pass.
    pub(super) fn note(
        &mut self,
        source: Source,
        room: &RoomName,
        key: &Key,
        refusal: Refusal,
        now: Instant,
    ) {
        if !refusal.is_retryable() {
            return;
        }
        self.held.insert(
            (source, room.clone()),
            Held {
                keys: vec![key.clone()],
                refusal,
                last: now,
            },
        );
        // Looked for at each doubling only: a long outage with many sources must not cost a walk per refusal.
        if self.held.len() > self.purge_above.max(MANY) {
            self.held
                .retain(|_, held| now.saturating_duration_since(held.last) < HOLD);
            self.purge_above = self.held.len() * 2;
        }
    }

    /// Forgets a source in one room, or in all.
    pub(super) fn forget(&mut self, source: Source, room: Option<&RoomName>) {
        match room {
            _ if self.held.is_empty() => {}
            Some(room) => {
                self.held.remove(&(source, room.clone()));
            }
            None => self.held.retain(|(other, _), _| *other != source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> RoomName {
        RoomName::trusted("r")
    }

    fn key(word: &str) -> Key {
        Key::parse(word).unwrap()
    }

    fn with_first_refused(start: Instant) -> Refusals {
        let mut refusals = Refusals::default();
        refusals.note(Source(1), &room(), &key("a"), Refusal::RedisFull, start);
        refusals
    }

    #[test]
    fn successors_are_refused_with_the_same_code_until_the_first_key_comes_again() {
        let now = Instant::now();
        let mut refusals = with_first_refused(now);
        for word in ["b", "c"] {
            assert_eq!(
                refusals.check(Source(1), &room(), &key(word), now),
                Some(Refusal::RedisFull),
                "{word}"
            );
        }
        for word in ["a", "b"] {
            assert_eq!(
                refusals.check(Source(1), &room(), &key(word), now),
                None,
                "{word}"
            );
        }
    }

    #[test]
    fn a_first_message_that_came_by_is_not_waited_for() {
        let now = Instant::now();
        let mut refusals = with_first_refused(now);
        assert!(refusals.check(Source(1), &room(), &key("b"), now).is_some());
        for word in ["b", "c"] {
            assert_eq!(refusals.check(Source(1), &room(), &key(word), now), None);
        }
    }

    #[test]
    fn other_sources_and_rooms_go_on() {
        let now = Instant::now();
        let mut refusals = with_first_refused(now);
        assert_eq!(refusals.check(Source(2), &room(), &key("b"), now), None);
        assert_eq!(
            refusals.check(Source(1), &RoomName::trusted("s"), &key("b"), now),
            None
        );
    }

    #[test]
    fn the_hold_ends_ten_seconds_after_the_last_refusal() {
        let start = Instant::now();
        let mut refusals = with_first_refused(start);
        let (middle, nearly) = (start + HOLD / 2, start + HOLD - Duration::from_millis(1));
        for (word, held_back) in [("b", middle), ("c", nearly)] {
            assert!(
                refusals
                    .check(Source(1), &room(), &key(word), held_back)
                    .is_some()
            );
        }
        // Whoever tries again and again gets through too.
        assert!(
            refusals
                .check(Source(1), &room(), &key("d"), start + HOLD)
                .is_none()
        );
    }

    #[test]
    fn forgetting_a_source_ends_its_holds() {
        let now = Instant::now();
        for place in [None, Some(room())] {
            let mut refusals = with_first_refused(now);
            refusals.forget(Source(2), place.as_ref());
            assert!(refusals.check(Source(1), &room(), &key("b"), now).is_some());
            refusals.forget(Source(1), place.as_ref());
            assert!(refusals.check(Source(1), &room(), &key("b"), now).is_none());
        }
    }

    #[test]
    fn a_final_refusal_holds_nothing() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        refusals.note(Source(1), &room(), &key("a"), Refusal::KeyReused, now);
        assert_eq!(refusals.check(Source(1), &room(), &key("b"), now), None);
    }

    #[test]
    fn ended_holds_do_not_pile_up() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for source in 0..20_000_u64 {
            let now = start + Duration::from_millis(source * 20);
            refusals.note(
                Source(source),
                &room(),
                &key("a"),
                Refusal::Unavailable,
                now,
            );
        }
        assert!(refusals.held.len() <= 1_100, "{}", refusals.held.len());
    }
}
