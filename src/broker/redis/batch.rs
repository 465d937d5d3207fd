//! What a worker sends at once: one call per room, each room's messages in their order.
//!
//! A room whose call is full waits for the next batch with all that follows, so that two calls of one room are never
//! under way together. Messages that need not be sent are answered here: those whose time is over, and those that
//! share the refusal of one before them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::super::{Publish, Refusal, Source};
use super::call::Call;
use super::refusals::Refusals;
use crate::protocol::RoomName;

/// Something that waits for a worker.
#[derive(Debug)]
pub enum Item {
    /// A message.
    Publish(Publish),
    /// Something without a number: the name to publish under, and the payload.
    Ephemeral(String, Vec<u8>),
    /// The source left the room; what it sent before comes before this.
    Forget(Source, RoomName),
}

/// What goes out in one pipeline.
#[derive(Debug, Default)]
pub struct Batch {
    /// One call per room.
    pub calls: Vec<Call>,
    /// Names and payloads of what has no number.
    pub ephemeral: Vec<(String, Vec<u8>)>,
}

impl Batch {
    /// Returns true if nothing is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.ephemeral.is_empty()
    }

    /// Returns the rooms of its calls.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomName> {
        self.calls.iter().map(|call| call.room.clone()).collect()
    }

    /// Returns true if a room has more than one message in it.
    #[must_use]
    pub fn is_hot(&self) -> bool {
        self.calls.iter().any(|call| call.messages.len() > 1)
    }
}

/// Takes from `waiting` what may go now; the rest stays in its order, and with it all of the `busy` rooms, whose calls are
/// under way.
pub fn form(
    waiting: &mut VecDeque<Item>,
    busy: &HashSet<RoomName>,
    refusals: &mut Refusals,
    send_timeout: Duration,
    now: Instant,
) -> Batch {
    let mut batch = Batch::default();
    let mut call_of: HashMap<RoomName, usize> = HashMap::new();
    let mut held: HashSet<RoomName> = HashSet::new();
    for _ in 0..waiting.len() {
        let Some(item) = waiting.pop_front() else {
            break;
        };
        let message = match item {
            Item::Ephemeral(name, payload) => {
                batch.ephemeral.push((name, payload));
                continue;
            }
            Item::Forget(source, room) => {
                // What the source sent before may yet be refused: only then is there something to forget.
                if call_of.contains_key(&room) || held.contains(&room) || busy.contains(&room) {
                    held.insert(room.clone());
                    waiting.push_back(Item::Forget(source, room));
                } else {
                    refusals.forget(source, Some(&room));
                }
                continue;
            }
            Item::Publish(message) => message,
        };
        let call = call_of.get(&message.room).copied();
        let is_full = call.is_some_and(|index| !batch.calls[index].has_space_for(&message));
        if is_full || held.contains(&message.room) || busy.contains(&message.room) {
            held.insert(message.room.clone());
            waiting.push_back(Item::Publish(message));
            continue;
        }
        if let Err(refusal) = refusals.admit(message.source, &message.room, &message.key, now) {
            message.reply.send(Err(refusal));
            continue;
        }
        if now >= message.arrived + send_timeout {
            let refusal = Refusal::Timeout;
            refusals.refused(message.source, &message.room, &message.key, refusal, now);
            message.reply.send(Err(refusal));
            continue;
        }
        if let Some(index) = call {
            batch.calls[index].add(message, send_timeout);
        } else {
            call_of.insert(message.room.clone(), batch.calls.len());
            batch.calls.push(Call::new(message, send_timeout));
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;

    use super::super::super::Reply;
    use super::super::call::{MAX_BYTES, MAX_MESSAGES};
    use super::*;
    use crate::protocol::{Key, UserId};

    const TIMEOUT: Duration = Duration::from_secs(3);

    /// Messages that wait, and what was answered: key and refusal.
    struct Desk {
        waiting: VecDeque<Item>,
        refusals: Refusals,
        answered: Arc<Mutex<Vec<(String, Refusal)>>>,
        now: Instant,
    }

    impl Desk {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                waiting: VecDeque::new(),
                refusals: Refusals::new(now),
                answered: Arc::default(),
                now,
            }
        }

        fn send(&mut self, room: &str, source: u64, key: &str, bytes: usize) {
            let (answered, name) = (Arc::clone(&self.answered), key.to_owned());
            let reply = Reply::new(move |result| {
                answered.lock().unwrap().push((name, result.unwrap_err()))
            });
            self.waiting.push_back(Item::Publish(Publish {
                room: RoomName::trusted(room),
                source: Source(source),
                author: UserId::parse("u").unwrap(),
                key: Key::parse(key).unwrap(),
                hash: 0,
                m: Bytes::from(vec![b'm'; bytes]),
                arrived: self.now,
                reply,
            }));
        }

        fn form(&mut self) -> Batch {
            self.form_beside(&[])
        }

        fn form_beside(&mut self, busy: &[&str]) -> Batch {
            let busy = busy.iter().map(|room| RoomName::trusted(room)).collect();
            form(
                &mut self.waiting,
                &busy,
                &mut self.refusals,
                TIMEOUT,
                self.now,
            )
        }

        fn answered(&self) -> Vec<(String, Refusal)> {
            std::mem::take(&mut self.answered.lock().unwrap())
        }
    }

    fn keys(batch: &Batch) -> Vec<(&str, Vec<&str>)> {
        let mut calls = Vec::new();
        for call in &batch.calls {
            calls.push((
                call.room.as_str(),
                call.messages
                    .iter()
                    .map(|message| message.key.as_str())
                    .collect(),
            ));
        }
        calls
    }

    #[test]
    fn a_call_per_room_keeps_the_order_of_the_room() {
        let mut desk = Desk::new();
        for (room, key) in [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4"), ("a", "5")] {
            desk.send(room, 1, key, 1);
        }
        assert_eq!(
            keys(&desk.form()),
            [("a", vec!["1", "3", "5"]), ("b", vec!["2", "4"])]
        );
        assert!(desk.waiting.is_empty());
    }

    #[test]
    fn a_full_call_holds_back_the_rest_of_its_room_only() {
        let mut desk = Desk::new();
        for number in 0..=MAX_MESSAGES {
            desk.send("a", 1, &number.to_string(), 1);
        }
        desk.send("b", 1, "other", 1);
        desk.send("a", 2, "last", 1);
        let batch = desk.form();
        assert_eq!(batch.calls[0].messages.len(), MAX_MESSAGES);
        assert_eq!(keys(&batch)[1], ("b", vec!["other"]));
        assert_eq!(keys(&desk.form()), [("a", vec!["64", "last"])]);
    }

    #[test]
    fn a_room_whose_call_is_under_way_waits_with_all_that_follows() {
        let mut desk = Desk::new();
        for (room, key) in [("a", "1"), ("b", "2"), ("a", "3")] {
            desk.send(room, 1, key, 1);
        }
        desk.waiting
            .push_back(Item::Forget(Source(1), RoomName::trusted("a")));
        let batch = desk.form_beside(&["a"]);
        assert_eq!(keys(&batch), [("b", vec!["2"])]);
        assert_eq!(batch.rooms(), [RoomName::trusted("b")]);
        assert!(desk.form_beside(&["a", "b"]).is_empty());
        assert_eq!(desk.waiting.len(), 3);
        assert_eq!(keys(&desk.form_beside(&["b"])), [("a", vec!["1", "3"])]);
    }

    #[test]
    fn a_small_message_does_not_overtake_a_big_one() {
        let mut desk = Desk::new();
        for (key, bytes) in [("1", MAX_BYTES - 10), ("2", 11), ("3", 1)] {
            desk.send("a", 1, key, bytes);
        }
        assert_eq!(keys(&desk.form()), [("a", vec!["1"])]);
        assert_eq!(keys(&desk.form()), [("a", vec!["2", "3"])]);
    }

    #[test]
    fn a_message_above_the_limit_goes_alone() {
        let mut desk = Desk::new();
        desk.send("a", 1, "1", MAX_BYTES + 1);
        desk.send("a", 1, "2", 1);
        assert_eq!(keys(&desk.form()), [("a", vec!["1"])]);
    }

    #[test]
    fn what_is_too_late_is_refused_with_all_that_follows_of_its_source() {
        let mut desk = Desk::new();
        desk.send("a", 1, "late", 1);
        desk.now += TIMEOUT;
        desk.send("a", 1, "next", 1);
        desk.send("a", 2, "other", 1);
        let batch = desk.form();
        assert_eq!(keys(&batch), [("a", vec!["other"])]);
        let timeout = |key: &str| (key.to_owned(), Refusal::Timeout);
        assert_eq!(desk.answered(), [timeout("late"), timeout("next")]);
        desk.send("a", 1, "late", 1);
        desk.send("a", 1, "next", 1);
        assert_eq!(keys(&desk.form()), [("a", vec!["late", "next"])]);
    }

    #[test]
    fn who_leaves_is_forgotten_after_what_was_sent_before() {
        let mut desk = Desk::new();
        let room = RoomName::trusted("a");
        desk.send("a", 1, "1", 1);
        desk.waiting
            .push_back(Item::Forget(Source(1), room.clone()));
        desk.send("a", 1, "2", 1);
        let batch = desk.form();
        assert_eq!(keys(&batch), [("a", vec!["1"])]);
        desk.refusals.refused(
            Source(1),
            &room,
            &Key::parse("1").unwrap(),
            Refusal::Timeout,
            desk.now,
        );
        assert_eq!(keys(&desk.form()), [("a", vec!["2"])]);
    }
}
