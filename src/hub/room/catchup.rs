//! How a member comes to stand at the room's position, whether it joins, comes back or fell behind.
//!
//! Joining waits until the room's position is known and checked since the last outage. Then `joined` is queued, and a
//! cursor walks from the member's position to the room's: through the tail where that still holds what is missing,
//! else through a page of the log. The last step takes what lies between from the tail and makes the member live,
//! with nothing in between. A full outbox pauses the cursor.

use std::time::{Duration, Instant};

use super::Room;
use super::settle::{Page, place};
use crate::broker::{Roster, Unavailable, Verdict};
use crate::hub::lines;
use crate::hub::seat::Line;
use crate::protocol::{Answer, GapReason, JOINED_MEMBERS, Position, RequestId};

/// How long a roster answers joins.
const ROSTER_LIFE: Duration = Duration::from_secs(1);

/// How far a member has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for `joined`.
    Joining {
        /// Of the request.
        id: RequestId,
        /// Where its page stands; `None` to begin at the room's position.
        after: Option<Position>,
        /// Most messages from there on; what is older is told as skipped.
        limit: usize,
        /// A position that the room does not know is judged after a read with this number or a later one.
        fresh: u64,
    },
    /// Has joined, and everything up to the cursor is in its outbox.
    Behind {
        /// Where it stands.
        cursor: Position,
        /// Entries up to this seq are skipped.
        skip_to: u64,
        /// Whether its outbox was full.
        is_paused: bool,
    },
    /// Stands at the room's position.
    Live,
}

impl Stage {
    /// Returns the stage of a member whose outbox took no more than what led to `cursor`.
    pub(super) fn behind(cursor: Position) -> Self {
        Self::Behind {
            cursor,
            skip_to: 0,
            is_paused: true,
        }
    }

    /// Skips nothing that comes after a rewind to `cut`.
    pub(super) fn rewind(&mut self, cut: u64) {
        if let Self::Behind { skip_to, .. } = self {
            *skip_to = cut.min(*skip_to);
        }
    }

    /// Lets a paused cursor go on.
    pub(super) fn resume(&mut self) {
        if let Self::Behind { is_paused, .. } = self {
            *is_paused = false;
        }
    }
}

impl Room {
    /// Returns true if a join waits for the roster.
    #[must_use]
    pub fn begin_roster(&mut self, now: Instant) -> bool {
        let is_waited_for = self
            .members
            .iter()
            .any(|member| matches!(member.stage, Stage::Joining { .. }));
        let begins = is_waited_for && !self.roster_in_flight && !self.has_roster(now);
        self.roster_in_flight |= begins;
        begins
    }

    /// Takes the roster; without an answer the users of this node stand for it.
    pub fn roster(&mut self, result: Result<Roster, Unavailable>, now: Instant) {
        self.spread();
        self.roster_in_flight = false;
        self.roster = Some((result.unwrap_or_default(), now));
        self.advance_all(None, now);
    }

    fn has_roster(&self, now: Instant) -> bool {
        self.roster
            .as_ref()
            .is_some_and(|(_, read_at)| now.duration_since(*read_at) < ROSTER_LIFE)
    }

    /// Returns true if a read would begin for one who comes back from here, and nobody shares it.
    #[must_use]
    pub fn would_read(&self, after: &Position) -> bool {
        let Some(position) = self.position.as_ref().filter(|_| self.checked) else {
            // The room reads for itself before it lets anybody in.
            return self.lowest_return().is_none();
        };
        let is_shared = self.reads.is_in_flight() || self.wanted_page(position.seq).is_some();
        let is_good = self.chain.judge(position.seq, after) == Verdict::Good;
        let is_kept = is_good && self.tail.reaches(after.seq);
        !is_shared && !is_kept
    }

    /// Returns the lowest position that somebody comes back from.
    pub(super) fn lowest_return(&self) -> Option<u64> {
        let returns = self
            .members
            .iter()
            .filter_map(|member| match &member.stage {
                Stage::Joining {
                    after: Some(after), ..
                } => Some(after.seq),
                _ => None,
            });
        returns.min()
    }

    /// Returns where the page begins that members wait for, if any do, in a room that stands at `end`.
    ///
    /// Cursors wait for what follows them; positions that the room does not know, for what follows its own. Where there
    /// are both, they take turns.
    pub(super) fn wanted_page(&self, end: u64) -> Option<u64> {
        let cursors = self
            .members
            .iter()
            .filter_map(|member| match &member.stage {
                Stage::Behind {
                    cursor,
                    is_paused: false,
                    ..
                } => Some(cursor.seq),
                _ => None,
            });
        // A page must not begin ahead of the room: it would seem to prove a gap.
        let chosen = self.reads.choose(cursors).map(|cursor| cursor.min(end));
        if chosen.is_some() && self.reads.next() % 2 == 1 {
            return chosen;
        }
        let is_unknown = self.members.iter().any(|member| match &member.stage {
            Stage::Joining {
                after: Some(after),
                fresh,
                ..
            } => !self.can_judge(after, *fresh),
            _ => false,
        });
        if is_unknown { Some(end) } else { chosen }
    }

    /// Returns true if a position can be judged now: the room knows it, or has come to its log's end since it was told.
    fn can_judge(&self, position: &Position, fresh: u64) -> bool {
        let end = self.position.as_ref().map(|own| own.seq);
        let is_known = end.is_some_and(|end| self.chain.judge(end, position) == Verdict::Good);
        is_known || self.reads.has_applied(fresh)
    }

    pub(super) fn advance_all(&mut self, page: Option<&Page>, now: Instant) {
        for index in 0..self.members.len() {
            self.advance(index, page, now);
        }
    }

    /// Takes a member as far as it can go now.
    pub(super) fn advance(&mut self, index: usize, page: Option<&Page>, now: Instant) {
        if matches!(self.members[index].stage, Stage::Joining { .. }) {
            self.admit(index, now);
        }
        while matches!(
            self.members[index].stage,
            Stage::Behind {
                is_paused: false,
                ..
            }
        ) {
            if !self.step(index, page) {
                break;
            }
        }
    }

    /// Answers a join if all that `joined` tells is known.
    fn admit(&mut self, index: usize, now: Instant) {
        let (Some(position), true, true) = (&self.position, self.checked, self.has_roster(now))
        else {
            return;
        };
        let Stage::Joining {
            id,
            after,
            limit,
            fresh,
        } = &self.members[index].stage
        else {
            return;
        };
        if after
            .as_ref()
            .is_some_and(|after| !self.can_judge(after, *fresh))
        {
            return;
        }
        let (members, count) = match &self.roster {
            Some((roster, _)) => self.people.complete(roster, JOINED_MEMBERS),
            None => return,
        };
        let joined = lines::frame(&Answer::Joined {
            id,
            room: &self.name,
            epoch: position.epoch.as_ref(),
            seq: position.seq,
            members: &members,
            count: usize::try_from(count).unwrap_or(usize::MAX),
        });
        let stage = match after {
            None => Stage::Live,
            Some(after) => Stage::Behind {
                cursor: after.clone(),
                skip_to: position.seq.saturating_sub(*limit as u64),
                is_paused: false,
            },
        };
        let member = &mut self.members[index];
        member.stage = stage;
        member.seat.answer(joined);
    }

    /// Takes a cursor one step on; returns false if it has arrived, is paused, or waits for a page.
    fn step(&mut self, index: usize, page: Option<&Page>) -> bool {
        let Some(end) = self.position.as_ref().map(|position| position.seq) else {
            return false;
        };
        let Stage::Behind {
            cursor, skip_to, ..
        } = &self.members[index].stage
        else {
            return false;
        };
        let (at, skip_to) = (cursor.seq, *skip_to);
        if let Verdict::Cut(cut) = self.chain.judge(end, cursor) {
            let line = lines::rewind(&self.name, place(&self.chain, cut));
            return self.give(index, &[line]);
        }
        if at >= end {
            self.members[index].stage = Stage::Live;
            return false;
        }
        if at < skip_to {
            let line = self.gap(at + 1, skip_to, GapReason::Skipped);
            return self.give(index, line.as_slice());
        }
        if let Some(missed) = self.tail.after(at).map(<[Line]>::to_vec) {
            return self.give(index, &missed);
        }
        let missed = page
            .filter(|page| page.after <= at)
            .map(|page| self.bridge(page, at, end));
        missed.is_some_and(|missed| !missed.is_empty() && self.give(index, &missed))
    }

    /// Gives lines to a member behind; returns false if its outbox did not take all of them.
    fn give(&mut self, index: usize, given: &[Line]) -> bool {
        let member = &mut self.members[index];
        let taken = member.seat.stream(&self.name, given);
        member.seat.wake();
        let messages = given[..taken]
            .iter()
            .filter(|line| line.at.is_some())
            .count();
        self.metrics.messages_delivered.inc_by(messages as u64);
        if let Stage::Behind {
            cursor, is_paused, ..
        } = &mut member.stage
        {
            if let Some(last) = taken.checked_sub(1).and_then(|last| given.get(last)) {
                *cursor = last.position.clone();
            }
            *is_paused = taken < given.len();
        }
        taken == given.len()
    }
}
