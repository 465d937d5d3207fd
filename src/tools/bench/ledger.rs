//! What was said in a room and who has it: the judge of loss, doubles and order.
//!
//! The first member that shows a message at some place fixes the room's order there; all others must show the same.
//! Messages that all have are forgotten.

use std::collections::{HashSet, VecDeque};

/// How often what all members have passed is dropped from the order: each time it is so long.
const PRUNE: usize = 1024;

/// Names a message in its room: who sent it, and its number among those of its sender.
type Id = (u32, u32);

/// The answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    None,
    Accepted,
    /// It is not expected anywhere, unless somebody has it.
    Refused,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    due: u64,
    answer: Answer,
    /// Members who must have it, and who do.
    expected: u32,
    shown: u32,
    /// Its place in the room's order.
    place: Option<u64>,
}

/// The messages of a sender, from the first that is not settled.
#[derive(Debug, Default)]
struct Sender {
    first: u32,
    messages: VecDeque<Sent>,
    /// The number after the last one in the room's order.
    next: u32,
}

#[derive(Debug)]
struct Member {
    /// Where it is in the room's order.
    place: u64,
    /// False for those who read too slowly to be waited for.
    counts: bool,
    /// True for those who show nothing any more.
    is_gone: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Ledger {
    senders: Vec<Sender>,
    members: Vec<Member>,
    counting: u32,
    /// The place of the first message in `order`.
    base: u64,
    order: VecDeque<Id>,
    /// What members passed over, and may yet show.
    passed: HashSet<(u32, Id)>,
    tally: Tally,
}

/// What was found wrong, in deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Accepted, or shown by another member, and never shown.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// Shown in another order than by the first to show it, or not in the order of its sender.
    pub(super) reordered: u64,
    /// Shown, and never sent.
    pub(super) foreign: u64,
    /// Messages without an answer.
    pub(super) unanswered: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
        self.unanswered += other.unanswered;
    }
}

/// What the bench learns from a message shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// For the first time; with how many members still lack it.
    New { lacking: u32 },
    /// By a member that is not counted.
    Uncounted,
    /// Again, or never sent.
    Bad,
}

/// What the bench learns from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) due: u64,
    /// Deliveries that are no longer expected.
    pub(super) spared: u32,
}

impl Ledger {
    /// A room of so many members.
    pub(super) fn new(members: u32) -> Self {
        Self {
            senders: (0..members).map(|_| Sender::default()).collect(),
            members: (0..members)
                .map(|_| Member {
                    place: 0,
                    counts: true,
                    is_gone: false,
                })
                .collect(),
            counting: members,
            base: 0,
            order: VecDeque::new(),
            passed: HashSet::new(),
            tally: Tally::default(),
        }
    }

    /// From now on nothing is expected of this member.
    pub(super) fn uncount(&mut self, member: u32) {
        let member = &mut self.members[member as usize];
        if member.counts {
            member.counts = false;
            self.counting -= 1;
        }
    }

    /// This member shows nothing any more; returns when what it lacks was due.
    pub(super) fn leave(&mut self, member: u32) -> Vec<u64> {
        let counted = self.members[member as usize].counts;
        self.uncount(member);
        self.members[member as usize].is_gone = true;
        if !counted {
            return Vec::new();
        }
        let at = self.members[member as usize].place;
        let mut lacking = Vec::new();
        for (who, sender) in (0_u32..).zip(&mut self.senders) {
            for (n, sent) in (sender.first..).zip(&mut sender.messages) {
                let is_passed = || self.passed.contains(&(member, (who, n)));
                let is_shown = sent.place.is_some_and(|place| place < at) && !is_passed();
                if !is_shown && sent.answer != Answer::Refused {
                    sent.expected -= 1;
                    lacking.push(sent.due);
                }
            }
            sender.forget();
        }
        lacking
    }

    /// This member is told that so many messages do not come.
    pub(super) fn skip(&mut self, member: u32, count: u64) {
        let end = self.base + self.order.len() as u64;
        let member = &mut self.members[member as usize];
        member.place = (member.place + count).min(end);
    }

    /// Notes a message; returns its number and how many members must show it.
    pub(super) fn send(&mut self, sender: u32, due: u64) -> (u32, u32) {
        let sender = &mut self.senders[sender as usize];
        let n = sender.first + u32::try_from(sender.messages.len()).expect("32 bits name them");
        sender.messages.push_back(Sent {
            due,
            answer: Answer::None,
            expected: self.counting,
            shown: 0,
            place: None,
        });
        (n, self.counting)
    }

    /// Notes the answer to a message; returns nothing if there is no such message without an answer.
    pub(super) fn answer(&mut self, sender: u32, n: u64, is_accepted: bool) -> Option<Answered> {
        let sender = &mut self.senders[sender as usize];
        let index = u32::try_from(n).ok()?.checked_sub(sender.first)? as usize;
        let sent = sender.messages.get_mut(index)?;
        if sent.answer != Answer::None {
            return None;
        }
        let is_spared = !is_accepted && sent.shown == 0;
        sent.answer = if is_accepted || sent.shown > 0 {
            Answer::Accepted
        } else {
            Answer::Refused
        };
        let answered = Answered {
            due: sent.due,
            spared: if is_spared { sent.expected } else { 0 },
        };
        sender.forget();
        Some(answered)
    }

    /// Notes that no answers come any more; returns the messages that had none, as if they were refused.
    pub(super) fn give_up(&mut self, sender: u32) -> Vec<Answered> {
        let numbers: Vec<u64> = {
            let sender = &self.senders[sender as usize];
            let numbered = (u64::from(sender.first)..).zip(&sender.messages);
            let open = numbered.filter(|(_, sent)| sent.answer == Answer::None);
            open.map(|(n, _)| n).collect()
        };
        let given_up = numbers.into_iter();
        given_up
            .filter_map(|n| self.answer(sender, n, false))
            .collect()
    }

    /// Notes that a member shows a message; `revived` is told how many deliveries are expected after all.
    pub(super) fn show(&mut self, member: u32, id: Id, revived: &mut u32) -> Shown {
        let (who, n) = id;
        let counts = self.members[member as usize].counts;
        let Some(sender) = self.senders.get_mut(who as usize) else {
            self.tally.foreign += 1;
            return Shown::Bad;
        };
        let Some(index) = n.checked_sub(sender.first) else {
            // It was settled: everybody who counts has it.
            if counts {
                self.tally.doubled += 1;
                return Shown::Bad;
            }
            return Shown::Uncounted;
        };
        let Some(sent) = sender.messages.get_mut(index as usize) else {
            self.tally.foreign += 1;
            return Shown::Bad;
        };
        let place = sent.place;
        let is_new = self.put(member, id, place);
        if !is_new {
            self.tally.doubled += 1;
            return Shown::Bad;
        }
        if !counts {
            return Shown::Uncounted;
        }
        let sender = &mut self.senders[who as usize];
        let sent = &mut sender.messages[index as usize];
        if sent.answer == Answer::Refused {
            sent.answer = Answer::Accepted;
            *revived = sent.expected;
        }
        sent.shown += 1;
        let lacking = sent.expected.saturating_sub(sent.shown);
        if lacking == 0 {
            sender.forget();
        }
        Shown::New { lacking }
    }

    /// Moves a member over a message; returns false if it has shown it before.
    fn put(&mut self, member: u32, id: Id, place: Option<u64>) -> bool {
        let at = self.members[member as usize].place;
        let end = self.base + self.order.len() as u64;
        match place {
            Some(place) if place == at => {}
            Some(place) if place > at => {
                for passed in at..place {
                    let index = usize::try_from(passed - self.base).expect("it is in memory");
                    self.passed.insert((member, self.order[index]));
                }
            }
            Some(_) => {
                if !self.passed.remove(&(member, id)) {
                    return false;
                }
                self.tally.reordered += 1;
                return true;
            }
            None if at == end => self.append(id),
            None => {
                self.insert(at, id);
                self.members[member as usize].place = at + 1;
                return true;
            }
        }
        self.members[member as usize].place = place.unwrap_or(at) + 1;
        true
    }

    /// Puts a message at the end of the room's order.
    fn append(&mut self, (who, n): Id) {
        let end = self.base + self.order.len() as u64;
        self.order.push_back((who, n));
        self.place((who, n), end);
        if self.order.len() >= PRUNE && self.order.len().is_power_of_two() {
            self.prune();
        }
    }

    /// Puts a message where a member shows it, though others are past that: those have passed it.
    fn insert(&mut self, at: u64, id: Id) {
        let index = usize::try_from(at - self.base).expect("it is in memory");
        self.order.insert(index, id);
        for (member, state) in (0_u32..).zip(&mut self.members) {
            if state.place > at {
                state.place += 1;
                self.passed.insert((member, id));
            }
        }
        self.place(id, at);
        for index in index + 1..self.order.len() {
            let (who, n) = self.order[index];
            let sender = &mut self.senders[who as usize];
            if let Some(index) = n.checked_sub(sender.first) {
                let place = &mut sender.messages[index as usize].place;
                *place = place.map(|place| place + 1);
            }
        }
    }

    /// Gives a message its place, and compares it with the order of its sender.
    fn place(&mut self, (who, n): Id, place: u64) {
        let sender = &mut self.senders[who as usize];
        if n < sender.next {
            self.tally.reordered += 1;
        }
        sender.next = sender.next.max(n + 1);
        let index = (n - sender.first) as usize;
        sender.messages[index].place = Some(place);
    }

    fn prune(&mut self) {
        let present = self.members.iter().filter(|member| !member.is_gone);
        let passed = present.map(|member| member.place).min();
        let Some(passed) = passed else { return };
        let count = usize::try_from(passed.saturating_sub(self.base)).unwrap_or(0);
        self.order.drain(..count.min(self.order.len()));
        self.base = self.base.max(passed);
    }

    /// Returns what was found wrong so far, and what is lost if nothing more comes.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = self.tally;
        for sent in self.senders.iter().flat_map(|sender| &sender.messages) {
            let lacking = sent.expected.saturating_sub(sent.shown);
            match sent.answer {
                Answer::Accepted => tally.lost += u64::from(lacking),
                Answer::None => {
                    tally.unanswered += 1;
                    if sent.shown > 0 {
                        tally.lost += u64::from(lacking);
                    }
                }
                Answer::Refused => {}
            }
        }
        tally
    }
}

impl Sender {
    /// Drops what is settled.
    fn forget(&mut self) {
        while let Some(first) = self.messages.front() {
            let is_settled = match first.answer {
                Answer::None => false,
                Answer::Accepted => first.shown >= first.expected,
                // Its effect may yet be seen, so it is kept until something later is settled.
                Answer::Refused => self.messages.get(1).is_some_and(|next| {
                    next.answer == Answer::Accepted && next.shown >= next.expected
                }),
            };
            if !is_settled {
                return;
            }
            self.messages.pop_front();
            self.first += 1;
        }
    }
}
