//! Whether what happened keeps the promise: pure code over the list of events.
//!
//! Each member has a screen: what it was shown and not told to withdraw, by number. A member whose screen grows by one
//! number after another, where each number of the room stands for one message and each message for one number, shows
//! every message once and in the order of all others. What does not fit is counted; what was told is counted apart. At
//! the end every accepted message must be on the screen of all who were members when it was made, unless they were
//! told; and what they were told must be true of the log that is left.

mod closing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use serde::Serialize;

use crate::checker::history::{Event, Place, RoomIndex, What, Who};

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Messages made, each counted once however often it was sent.
    pub(crate) sends: u64,
    /// Messages whose sender was told that they are kept.
    pub(crate) accepted: u64,
    /// Messages shown, one for each member.
    pub(crate) delivered: u64,
    /// Entries that a member misses without a word, or was told to be gone though the log has them.
    pub(crate) lost: u64,
    /// Messages that stand twice on one screen, or twice in the log.
    pub(crate) doubled: u64,
    /// Messages shown out of the order of their room or of their sender.
    pub(crate) reordered: u64,
    /// Numbers with two texts, and messages that nobody sent, or not so.
    pub(crate) phantom: u64,
    /// Numbers that a member missed and was told of.
    pub(crate) gaps: u64,
    /// Messages that a member showed and was told to withdraw.
    pub(crate) withdrawn: u64,
    /// Messages that their sender has to decide about: too old to be sent again by themselves.
    pub(crate) asked: u64,
    /// Messages that were never answered.
    pub(crate) unanswered: u64,
}

impl Counts {
    /// Returns true if nothing was lost, doubled, reordered, made up or left without an answer.
    pub(crate) const fn is_good(&self) -> bool {
        self.lost == 0
            && self.doubled == 0
            && self.reordered == 0
            && self.phantom == 0
            && self.unanswered == 0
    }
}

/// An entry of the log as it is at the end.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) place: Place,
    pub(crate) key: String,
    pub(crate) text: String,
}

/// What was counted, and a sentence on each of the first things that should not be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) counts: Counts,
    pub(crate) faults: Vec<String>,
}

/// Sentences kept; the counts go on.
const SENTENCES: usize = 8;

#[derive(Debug)]
struct Message {
    from: Who,
    room: RoomIndex,
    number: u64,
    text: String,
    made: Instant,
    accepted: Option<Place>,
    is_asked: bool,
}

/// What a member was told to miss: numbers, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Instant,
    from: u64,
    to: u64,
    /// Whether it was told to be still there for who asks.
    is_kept: bool,
}

impl Told {
    /// Returns true if it can be about a message made at a moment.
    fn covers(&self, made: Instant, seq: u64) -> bool {
        self.at >= made && (self.from..=self.to).contains(&seq)
    }
}

#[derive(Debug, Default)]
struct Member {
    position: u64,
    screen: BTreeMap<u64, (Place, String)>,
    /// Where on the screen a key stands.
    keys: HashMap<String, u64>,
    told: Vec<Told>,
    holes: HashSet<u64>,
    since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Judge {
    verdict: Verdict,
    messages: HashMap<String, Message>,
    places: HashMap<(RoomIndex, Place), String>,
    users: HashMap<Who, String>,
    members: HashMap<(RoomIndex, Who), Member>,
    /// What anybody was told to withdraw. Whoever had not seen it need not be told.
    rewinds: Vec<(RoomIndex, Told)>,
}

/// Judges what happened, given each room's log at the end.
pub(crate) fn judge(events: &[Event], logs: &HashMap<RoomIndex, Vec<Logged>>) -> Verdict {
    let mut judge = Judge::default();
    for event in events {
        judge.follow(event);
    }
    judge.close(logs);
    judge.verdict
}

impl Judge {
    fn follow(&mut self, event: &Event) {
        let (who, room) = (event.who, event.room);
        match &event.what {
            What::Made { key, text, number } => {
                self.verdict.counts.sends += 1;
                let message = Message {
                    from: who,
                    room,
                    number: *number,
                    text: text.clone(),
                    made: event.at,
                    accepted: None,
                    is_asked: false,
                };
                self.messages.insert(key.clone(), message);
            }
            What::Accepted { key, place, .. } => self.accepted(event, key, place),
            What::Asked { key } => {
                self.verdict.counts.asked += 1;
                if let Some(message) = self.messages.get_mut(key) {
                    message.is_asked = true;
                }
            }
            What::Joined { seq } => {
                let member = Member {
                    position: *seq,
                    since: Some(event.at),
                    ..Member::default()
                };
                self.members.insert((room, who), member);
            }
            What::Left => {
                self.members.remove(&(room, who));
            }
            What::Shown {
                key,
                user,
                text,
                place,
            } => self.shown(event, key, user, text, place),
            What::Gap { from, to, reason } => {
                let member = self.members.entry((room, who)).or_default();
                let missing = (*from..=*to)
                    .filter(|seq| !member.screen.contains_key(seq))
                    .count();
                self.verdict.counts.gaps += missing as u64;
                member.told.push(Told {
                    at: event.at,
                    from: *from,
                    to: *to,
                    is_kept: reason == "skipped",
                });
                member.position = *to;
            }
            What::Rewound { from, .. } => {
                let member = self.members.entry((room, who)).or_default();
                let gone = member.screen.split_off(from);
                self.verdict.counts.withdrawn += gone.len() as u64;
                for (_, key) in gone.values() {
                    member.keys.remove(key);
                }
                let told = Told {
                    at: event.at,
                    from: *from,
                    to: u64::MAX,
                    is_kept: false,
                };
                member.told.push(told);
                member.position = from.saturating_sub(1);
                self.rewinds.push((room, told));
            }
            _ => {}
        }
    }

    fn accepted(&mut self, event: &Event, key: &str, place: &Place) {
        let Some(message) = self.messages.get_mut(key) else {
            self.verdict.counts.phantom += 1;
            return self.complain(format!(
                "{key}, which nobody made, was accepted at {place:?}"
            ));
        };
        if message.accepted.is_none() {
            self.verdict.counts.accepted += 1;
        }
        message.accepted = Some(place.clone());
        self.stands(event.room, key, place);
    }

    /// Notes which message stands at a place; one place never stands for two.
    fn stands(&mut self, room: RoomIndex, key: &str, place: &Place) {
        let stands = self
            .places
            .entry((room, place.clone()))
            .or_insert_with(|| key.to_owned());
        if stands != key {
            let other = stands.clone();
            self.verdict.counts.phantom += 1;
            self.complain(format!(
                "room {room}: {place:?} stands for {other} and for {key}"
            ));
        }
    }

    fn shown(&mut self, event: &Event, key: &str, user: &str, text: &str, place: &Place) {
        let (who, room, seq) = (event.who, event.room, place.seq);
        self.verdict.counts.delivered += 1;
        self.stands(room, key, place);
        let Some(message) = self.messages.get(key) else {
            self.verdict.counts.phantom += 1;
            return self.complain(format!(
                "{who} was shown {key}, which nobody made, at {place:?}"
            ));
        };
        let (from, number) = (message.from, message.number);
        let is_as_said = message.text == text && message.room == room;
        let speaker = self.users.entry(from).or_insert_with(|| user.to_owned());
        if !is_as_said || speaker != user {
            self.verdict.counts.phantom += 1;
            self.complain(format!(
                "{who} was shown {key} of {user} with the text {text:?}, which is another"
            ));
        }
        let member = self.members.entry((room, who)).or_default();
        let before = member.position;
        if let Some(at) = member.keys.get(key).copied() {
            self.verdict.counts.doubled += 1;
            return self.complain(format!(
                "{who} was shown {key} at {at} and again at {place:?}"
            ));
        }
        if seq <= before {
            self.verdict.counts.reordered += 1;
            return self.complain(format!("{who} was shown {place:?} behind {before}"));
        }
        let missing = before + 1..seq;
        let is_missing = !missing.is_empty();
        self.verdict.counts.lost += seq - before - 1;
        member.holes.extend(missing);
        let said_last = member
            .screen
            .values()
            .rev()
            .find_map(|(_, shown)| self.messages.get(shown).filter(|it| it.from == from));
        let is_behind = said_last.is_some_and(|it| it.number > number);
        member.position = seq;
        member.screen.insert(seq, (place.clone(), key.to_owned()));
        member.keys.insert(key.to_owned(), seq);
        if is_missing {
            self.complain(format!(
                "{who} was shown {place:?} after {before} without a word on what is between"
            ));
        }
        if is_behind {
            self.verdict.counts.reordered += 1;
            self.complain(format!(
                "{who} was shown number {number} of {from} behind a later one, at {place:?}"
            ));
        }
    }

    fn complain(&mut self, sentence: String) {
        if self.verdict.faults.len() < SENTENCES {
            self.verdict.faults.push(sentence);
        }
    }
}
