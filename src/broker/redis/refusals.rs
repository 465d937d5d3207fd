//! The order of sends across refusals.
//!
//! After a message of a source in a room was refused retryably, every later one is refused with the same code, until
//! one of the refused keys comes again, the source leaves, or ten seconds pass since the last refusal that was not only
//! such a sharing. Otherwise the message behind would be numbered first.
//!
//! Whoever sends a refused key again has heard of the refusal, and begins with the first message that is not settled.
//! That need not be the first refused one: a message whose answer was lost may have been written and come by.
//!
//! The number of latches is bounded; at the bound those that have rested longest go first.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::{Refusal, Source};
use super::call::MAX_MESSAGES;
use crate::protocol::{Key, RoomName};

/// How long after its last refusal a latch holds.
pub const HELD_FOR: Duration = Duration::from_secs(10);

/// Keys that a latch remembers, at most. Those of one call may all have been written; the next one is the first that a
/// sender repeats.
const MAX_KEYS: usize = 2 * MAX_MESSAGES;

/// Latches of one queue, at most; the half of them that rested longest goes when there are more.
const MAX_LATCHES: usize = 65_536;

#[derive(Debug)]
struct Latch {
    room: RoomName,
    /// What was refused, in its order.
    keys: Vec<Key>,
    refusal: Refusal,
    last: Instant,
}

impl Latch {
    fn holds(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < HELD_FOR
    }

    fn remember(&mut self, key: &Key) {
        if self.keys.len() < MAX_KEYS {
            self.keys.push(key.clone());
        }
    }
}

/// Latches of some sources.
#[derive(Debug, Default)]
struct Generation {
    of: HashMap<Source, Vec<Latch>>,
    count: usize,
}

impl Generation {
    fn take(&mut self, source: Source, room: &RoomName) -> Option<Latch> {
        let latches = self.of.get_mut(&source)?;
        let index = latches.iter().position(|latch| latch.room == *room)?;
        let latch = latches.swap_remove(index);
        if latches.is_empty() {
            self.of.remove(&source);
        }
        self.count -= 1;
        Some(latch)
    }

    fn put(&mut self, source: Source, latch: Latch) {
        self.of.entry(source).or_default().push(latch);
        self.count += 1;
    }

    fn drop_source(&mut self, source: Source) {
        self.count -= self.of.remove(&source).map_or(0, |latches| latches.len());
    }
}

/// Who is refused what until which key.
#[derive(Debug)]
pub struct Refusals {
    young: Generation,
    /// Nothing in it was refused since `turned`: it goes as a whole.
    old: Generation,
    turned: Instant,
}

impl Refusals {
    /// Begins without a refusal.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            turned: now,
        }
    }

    /// Returns the number of latches, some of which may have ended by time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.count + self.old.count
    }

    /// Returns true if nothing is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets a message pass, or refuses it as one before it was. Messages are asked about in their order.
    ///
    /// # Errors
    /// The refusal that it shares.
    pub fn admit(
        &mut self,
        source: Source,
        room: &RoomName,
        key: &Key,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.is_empty() {
            return Ok(());
        }
        match self.take(source, room) {
            Some(mut latch) if latch.holds(now) && !latch.keys.contains(key) => {
                let refusal = latch.refusal;
                latch.remember(key);
                // What is only held back does not prolong it, so that it ends by itself.
                self.put(source, latch, now);
                Err(refusal)
            }
            _ => Ok(()),
        }
    }

    /// Notes that a message which [`Refusals::admit`] let pass was refused; a final refusal holds back nobody.
    pub fn refused(
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
        let latch = match self.take(source, room) {
            Some(mut latch) if latch.holds(now) => {
                latch.remember(key);
                Latch { last: now, ..latch }
            }
            _ => Latch {
                room: room.clone(),
                keys: vec![key.clone()],
                refusal,
                last: now,
            },
        };
        self.put(source, latch, now);
    }

    /// Forgets a source in a room, or in all.
    pub fn forget(&mut self, source: Source, room: Option<&RoomName>) {
        if self.is_empty() {
            return;
        }
        if let Some(room) = room {
            self.take(source, room);
        } else {
            self.young.drop_source(source);
            self.old.drop_source(source);
        }
    }

    fn take(&mut self, source: Source, room: &RoomName) -> Option<Latch> {
        self.young
            .take(source, room)
            .or_else(|| self.old.take(source, room))
    }

    fn put(&mut self, source: Source, latch: Latch, now: Instant) {
        let is_full = self.young.count >= MAX_LATCHES / 2;
        if is_full || now.saturating_duration_since(self.turned) >= HELD_FOR {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        self.young.put(source, latch);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCE: Source = Source(1);

    fn room() -> RoomName {
        RoomName::trusted("lobby")
    }

    fn key(name: &str) -> Key {
        Key::parse(name).unwrap()
    }

    fn after(refusal: Refusal) -> (Refusals, Instant) {
        let now = Instant::now();
        let mut refusals = Refusals::new(now);
        refusals.refused(SOURCE, &room(), &key("a"), refusal, now);
        (refusals, now)
    }

    #[test]
    fn a_first_message_that_came_by_is_not_waited_for() {
        let (mut refusals, now) = after(Refusal::Timeout);
        refusals.refused(SOURCE, &room(), &key("b"), Refusal::Timeout, now);
        assert!(refusals.admit(SOURCE, &room(), &key("c"), now).is_err());
        // The first two were written after all: the sender begins with the third.
        for name in ["c", "d"] {
            assert_eq!(refusals.admit(SOURCE, &room(), &key(name), now), Ok(()));
        }
    }

    #[test]
    fn later_messages_share_the_refusal_until_the_first_key_comes_again() {
        let (mut refusals, now) = after(Refusal::RedisFull);
        assert_eq!(
            refusals.admit(SOURCE, &room(), &key("b"), now),
            Err(Refusal::RedisFull)
        );
        assert_eq!(
            refusals.admit(SOURCE, &room(), &key("c"), now),
            Err(Refusal::RedisFull)
        );
        for name in ["a", "b", "c"] {
            assert_eq!(
                refusals.admit(SOURCE, &room(), &key(name), now),
                Ok(()),
                "{name}"
            );
        }
        assert!(refusals.is_empty());
    }

    #[test]
    fn a_second_refusal_changes_not_the_code() {
        let (mut refusals, now) = after(Refusal::Timeout);
        refusals.refused(SOURCE, &room(), &key("b"), Refusal::RedisFull, now);
        assert_eq!(
            refusals.admit(SOURCE, &room(), &key("c"), now),
            Err(Refusal::Timeout)
        );
        assert_eq!(refusals.admit(SOURCE, &room(), &key("a"), now), Ok(()));
    }

    #[test]
    fn others_are_not_held_back() {
        let (mut refusals, now) = after(Refusal::Unavailable);
        assert_eq!(refusals.admit(Source(2), &room(), &key("b"), now), Ok(()));
        assert_eq!(
            refusals.admit(SOURCE, &RoomName::trusted("other"), &key("b"), now),
            Ok(())
        );
        assert_eq!(
            refusals.admit(SOURCE, &room(), &key("b"), now),
            Err(Refusal::Unavailable)
        );
    }

    #[test]
    fn a_final_refusal_holds_nobody_back() {
        let (refusals, _) = after(Refusal::KeyReused);
        assert!(refusals.is_empty());
    }

    #[test]
    fn ten_seconds_without_a_refusal_end_it() {
        let (mut refusals, now) = after(Refusal::Unavailable);
        let nearly = HELD_FOR - Duration::from_millis(1);
        assert!(
            refusals
                .admit(SOURCE, &room(), &key("b"), now + nearly)
                .is_err()
        );
        // Whoever tries again and again gets through too.
        assert_eq!(
            refusals.admit(SOURCE, &room(), &key("b"), now + HELD_FOR),
            Ok(())
        );
        refusals.refused(
            SOURCE,
            &room(),
            &key("c"),
            Refusal::Timeout,
            now + 3 * HELD_FOR,
        );
        assert_eq!(
            refusals.admit(SOURCE, &room(), &key("c"), now + 3 * HELD_FOR),
            Ok(())
        );
    }

    #[test]
    fn a_source_that_leaves_starts_anew() {
        let (mut refusals, now) = after(Refusal::Unavailable);
        refusals.refused(
            SOURCE,
            &RoomName::trusted("other"),
            &key("a"),
            Refusal::Timeout,
            now,
        );
        refusals.forget(SOURCE, Some(&room()));
        assert_eq!(refusals.admit(SOURCE, &room(), &key("b"), now), Ok(()));
        assert_eq!(refusals.len(), 1);
        refusals.forget(SOURCE, None);
        assert!(refusals.is_empty());
    }

    #[test]
    fn the_number_of_latches_is_bounded() {
        let now = Instant::now();
        let mut refusals = Refusals::new(now);
        for source in 0..200_000 {
            refusals.refused(Source(source), &room(), &key("a"), Refusal::Overloaded, now);
            assert!(refusals.len() <= MAX_LATCHES);
        }
        let newest = Source(199_999);
        assert_eq!(
            refusals.admit(newest, &room(), &key("b"), now),
            Err(Refusal::Overloaded)
        );
    }

    /// A sender by the protocol's rules: it sends on without waiting for answers, and repeats all that is not settled
    /// from a refused message on, in order and before anything new.
    #[derive(Default)]
    struct Sender {
        unsettled: Vec<u32>,
        /// The latest time that each message was sent; a refusal of an earlier one means nothing any more.
        attempts: HashMap<u32, usize>,
        sent: usize,
        way: std::collections::VecDeque<(u32, usize)>,
    }

    impl Sender {
        fn send(&mut self, number: u32) {
            self.sent += 1;
            self.attempts.insert(number, self.sent);
            self.way.push_back((number, self.sent));
        }

        fn hear(&mut self, number: u32, attempt: usize, is_written: bool) {
            let Some(index) = self.unsettled.iter().position(|other| *other == number) else {
                return;
            };
            if is_written {
                self.unsettled.remove(index);
            } else if self.attempts[&number] == attempt {
                let later = self.unsettled[index..].to_vec();
                for number in later {
                    self.send(number);
                }
            }
        }
    }

    proptest! {
        /// A broker that writes, refuses, or refuses what it has written, and answers late: what is written keeps its
        /// order, and all of it is written in the end.
        #[test]
        fn what_passes_keeps_its_order(steps in prop::collection::vec((0..4_u8, 0..6_u8), 1..400)) {
            let now = Instant::now();
            let mut refusals = Refusals::new(now);
            let mut sender = Sender::default();
            let (mut written, mut answers) = (Vec::new(), std::collections::VecDeque::new());
            let mut next = 0;
            let calm = std::iter::repeat_n([(1, 0), (2, 0)], 4_000).flatten();
            for (step, verdict) in steps.into_iter().chain(calm) {
                match step {
                    0 => {
                        sender.unsettled.push(next);
                        sender.send(next);
                        next += 1;
                    }
                    1 => {
                        let Some((number, attempt)) = sender.way.pop_front() else { continue };
                        let name = key(&number.to_string());
                        let admitted = refusals.admit(SOURCE, &room(), &name, now);
                        if admitted.is_ok() && verdict != 1 && !written.contains(&number) {
                            written.push(number);
                        }
                        if admitted.is_ok() && (1..=2).contains(&verdict) {
                            refusals.refused(SOURCE, &room(), &name, Refusal::Timeout, now);
                        }
                        // Refused though written, it comes by after its refusal.
                        answers.push_back((number, attempt, admitted.is_ok() && verdict == 0));
                        if admitted.is_ok() && verdict != 1 {
                            answers.push_back((number, attempt, true));
                        }
                    }
                    _ => {
                        if let Some((number, attempt, is_written)) = answers.pop_front() {
                            sender.hear(number, attempt, is_written);
                        }
                    }
                }
            }
            prop_assert_eq!(written, (0..next).collect::<Vec<_>>());
        }
    }
}
