//! Answers that need the broker first: history and members.

use std::sync::Arc;

use super::{Done, RETRY_AFTER_MS, Shard, as_count};
use crate::broker::{Roster, Snapshot, Span, Unavailable, Verdict};
use crate::hub::lines;
use crate::hub::seat::Seat;
use crate::protocol::{Answer, ErrorCode, Messages, Position, Range, RequestId, RoomName};

/// A question of a member with the broker's answer.
#[derive(Debug)]
pub(super) struct Asked {
    room: RoomName,
    seat: Arc<dyn Seat>,
    id: RequestId,
    answer: Found,
}

#[derive(Debug)]
enum Found {
    History { range: Range, result: Result<Snapshot, Unavailable> },
    Members(Result<Roster, Unavailable>),
}

impl Shard {
    pub(super) fn ask_history(
        &self,
        room: RoomName,
        seat: Arc<dyn Seat>,
        id: RequestId,
        range: Range,
        limit: usize,
    ) {
        let Some(delivered) = self.standing(&room, &seat) else { return refuse_stranger(&room, &seat, &id) };
        let span = match &range {
            Range::Newest => Span::Before(delivered.seq + 1),
            Range::Before(position) => Span::Before(position.seq.min(delivered.seq + 1)),
            Range::After(position) => Span::After(position.seq),
        };
        let read = self.broker.read(room.clone(), span, limit);
        self.waiting.push(Box::pin(async move {
            Done::Asked(Asked { room, seat, id, answer: Found::History { range, result: read.await } })
        }));
    }

    pub(super) fn ask_members(
        &self,
        room: RoomName,
        seat: Arc<dyn Seat>,
        id: RequestId,
        cursor: Option<String>,
        limit: usize,
    ) {
        if self.standing(&room, &seat).is_none() {
            return refuse_stranger(&room, &seat, &id);
        }
        let roster = self.broker.roster(room.clone(), cursor, limit);
        self.waiting.push(Box::pin(async move {
            Done::Asked(Asked { room, seat, id, answer: Found::Members(roster.await) })
        }));
    }

    /// Returns where the room stands, if the session is a member of it that has been answered `joined`.
    fn standing(&self, room: &RoomName, seat: &Arc<dyn Seat>) -> Option<Position> {
        let room = &self.rooms.get(room)?.room;
        room.has_joined(seat.id()).then(|| room.position().cloned()).flatten()
    }

    pub(super) fn answer(&self, asked: Asked) {
        let Asked { room, seat, id, answer } = asked;
        match answer {
            Found::History { range, result: Ok(snapshot) } => {
                let Some(delivered) = self.standing(&room, &seat) else { return refuse_stranger(&room, &seat, &id) };
                tell_history(&room, &seat, &id, &range, &snapshot, delivered.seq);
            }
            Found::Members(Ok(Roster { members, count, cursor })) => {
                let answer =
                    Answer::Members { id: &id, room: &room, members: &members, count: as_count(count), cursor: cursor.as_deref() };
                seat.answer(lines::frame(&answer));
            }
            Found::History { result: Err(_), .. } | Found::Members(Err(_)) => refuse(
                &room,
                &seat,
                &id,
                ErrorCode::Unavailable,
                "the broker gave no answer; ask again later",
                Some(RETRY_AFTER_MS),
            ),
        }
    }
}

/// Answers with what a snapshot holds of a range, never ahead of what the member was delivered.
fn tell_history(
    room: &RoomName,
    seat: &Arc<dyn Seat>,
    id: &RequestId,
    range: &Range,
    snapshot: &Snapshot,
    delivered: u64,
) {
    let verdict = match range {
        Range::Newest => Verdict::Good,
        Range::Before(position) | Range::After(position) => snapshot.chain.judge(snapshot.end, position),
    };
    let (from, top) = match verdict {
        Verdict::Good => (None, delivered),
        Verdict::Cut(cut) => (Some(cut + 1), delivered.min(cut)),
    };
    let shown: Vec<_> = snapshot
        .entries
        .iter()
        .filter(|entry| entry.seq <= top)
        .map(|entry| lines::message(room, entry).0.frame.payload())
        .collect();
    let is_cut_short = matches!(range, Range::After(_)) && shown.len() < snapshot.entries.len();
    let answer = Answer::History {
        id,
        room,
        epoch: snapshot.chain.epoch_at(snapshot.end),
        messages: Messages(&shown),
        more: snapshot.more || is_cut_short,
        from,
    };
    seat.answer(lines::frame(&answer));
}

fn refuse_stranger(room: &RoomName, seat: &Arc<dyn Seat>, id: &RequestId) {
    refuse(room, seat, id, ErrorCode::NotJoined, "join the room first", None);
}

fn refuse(
    room: &RoomName,
    seat: &Arc<dyn Seat>,
    id: &RequestId,
    code: ErrorCode,
    message: &str,
    retry_after_ms: Option<u64>,
) {
    seat.answer(lines::frame(&Answer::Error {
        id: Some(id),
        room: Some(room.as_str()),
        code,
        field: None,
        message,
        retry_after_ms,
    }));
}
