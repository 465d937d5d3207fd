//! Answers that need the broker first: history and members.

use std::sync::Arc;

use super::{Done, RETRY_AFTER_MS, Shard, as_count};
use crate::broker::{Roster, Snapshot, Span, Unavailable, Verdict};
use crate::hub::seat::Seat;
use crate::hub::{Ticket, lines};
use crate::protocol::{Answer, ErrorCode, Messages, Position, Range, RequestId, RoomName};

/// A request on its way to an answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) room: RoomName,
    pub(super) seat: Arc<dyn Seat>,
    pub(super) id: RequestId,
    /// Dropped with the question, once it is answered.
    pub(super) ticket: Ticket,
}

/// A question with what the broker answered.
#[derive(Debug)]
pub(super) struct Asked {
    question: Question,
    found: Found,
}

#[derive(Debug)]
enum Found {
    History {
        range: Range,
        result: Result<Snapshot, Unavailable>,
    },
    Members(Result<Roster, Unavailable>),
}

impl Shard {
    pub(super) fn ask_history(&self, question: Question, range: Range, limit: usize) {
        let Some(delivered) = self.standing(&question) else {
            return question.refuse_stranger();
        };
        let span = match &range {
            Range::Newest => Span::Before(delivered.seq + 1),
            Range::Before(position) => Span::Before(position.seq.min(delivered.seq + 1)),
            Range::After(position) => Span::After(position.seq),
        };
        let read = self.broker.read(question.room.clone(), span, limit);
        self.waiting.push(Box::pin(async move {
            Done::Asked(Asked {
                question,
                found: Found::History {
                    range,
                    result: read.await,
                },
            })
        }));
    }

    pub(super) fn ask_members(&self, question: Question, cursor: Option<String>, limit: usize) {
        if self.standing(&question).is_none() {
            return question.refuse_stranger();
        }
        let roster = self.broker.roster(question.room.clone(), cursor, limit);
        self.waiting.push(Box::pin(async move {
            Done::Asked(Asked {
                question,
                found: Found::Members(roster.await),
            })
        }));
    }

    /// Returns how far the member's stream has come: history never runs ahead of it.
    fn standing(&self, question: &Question) -> Option<Position> {
        let slot = self.rooms.get(&question.room)?;
        slot.room.standing(question.seat.id()).cloned()
    }

    pub(super) fn answer(&self, asked: Asked) {
        let Asked { question, found } = asked;
        match found {
            Found::History {
                range,
                result: Ok(snapshot),
            } => match self.standing(&question) {
                Some(delivered) => question.tell_history(&range, &snapshot, delivered.seq),
                None => question.refuse_stranger(),
            },
            Found::Members(Ok(roster)) => question.tell_members(&roster),
            Found::History { result: Err(_), .. } | Found::Members(Err(_)) => question.refuse(
                ErrorCode::Unavailable,
                "the broker gave no answer; ask again later",
                Some(RETRY_AFTER_MS),
            ),
        }
    }
}

impl Question {
    /// Answers with what a snapshot holds of a range, never ahead of what the member was delivered.
    fn tell_history(&self, range: &Range, snapshot: &Snapshot, delivered: u64) {
        let verdict = match range {
            Range::Newest => Verdict::Good,
            Range::Before(position) | Range::After(position) => {
                snapshot.chain.judge(snapshot.end, position)
            }
        };
        let (from, top) = match verdict {
            Verdict::Good => (None, delivered),
            Verdict::Cut(cut) => (Some(cut + 1), delivered.min(cut)),
        };
        let shown: Vec<_> = snapshot
            .entries
            .iter()
            .filter(|entry| entry.seq <= top)
            .map(|entry| lines::message(&self.room, entry).0.frame.payload())
            .collect();
        let is_cut_short = matches!(range, Range::After(_)) && shown.len() < snapshot.entries.len();
        let answer = Answer::History {
            id: &self.id,
            room: &self.room,
            epoch: snapshot.chain.epoch_at(snapshot.end),
            messages: Messages(&shown),
            more: snapshot.more || is_cut_short,
            from,
        };
        self.seat.answer(lines::frame(&answer));
    }

    fn tell_members(&self, roster: &Roster) {
        let answer = Answer::Members {
            id: &self.id,
            room: &self.room,
            members: &roster.members,
            count: as_count(roster.count),
            cursor: roster.cursor.as_deref(),
        };
        self.seat.answer(lines::frame(&answer));
    }

    fn refuse_stranger(&self) {
        self.refuse(ErrorCode::NotJoined, "join the room first", None);
    }

    fn refuse(&self, code: ErrorCode, message: &str, retry_after_ms: Option<u64>) {
        tracing::trace!(ticket = ?self.ticket, "refused");
        self.seat.answer(lines::frame(&Answer::Error {
            id: Some(&self.id),
            room: Some(self.room.as_str()),
            code,
            field: None,
            message,
            retry_after_ms,
        }));
    }
}
