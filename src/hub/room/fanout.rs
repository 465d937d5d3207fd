//! How lines get from the room to its live members: they wait until the turn ends, and then each member takes and is
//! written all of them at once, so that what a delivery touches of a session is touched once.
//!
//! While lines wait, live members stand before the first of them. Whatever looks at where members stand, or tells them
//! anything else, has the lines [spread](Room::spread) first.

use super::catchup::Stage;
use super::{Member, Room};
use crate::hub::seat::{Line, Run};
use crate::protocol::Position;
use crate::telemetry::Metrics;

/// Lines that wait, and where live members stand meanwhile.
#[derive(Debug)]
pub(super) struct Unsent {
    lines: Vec<Line>,
    before: Position,
    /// How many of the lines are messages.
    messages: usize,
}

impl Unsent {
    pub(super) fn new() -> Self {
        Self {
            lines: Vec::new(),
            before: Position::EMPTY,
            messages: 0,
        }
    }

    /// Returns where live members stand, if that is not the room's position.
    pub(super) fn standing(&self) -> Option<&Position> {
        (!self.lines.is_empty()).then_some(&self.before)
    }

    fn add(&mut self, mut lines: Vec<Line>, before: Position) {
        self.messages += messages(&lines);
        if self.lines.is_empty() {
            (self.lines, self.before) = (lines, before);
        } else {
            self.lines.append(&mut lines);
        }
    }

    /// Takes the lines out; no memory stays behind.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new())
    }

    /// Notes what a member has taken and returns how many messages that is; who could not take all catches up from the
    /// last line taken.
    fn taken(&self, member: &mut Member, taken: usize, metrics: &Metrics) -> usize {
        if taken == self.lines.len() {
            return self.messages;
        }
        metrics.outbox_overflows.inc();
        let cursor = taken
            .checked_sub(1)
            .map_or(&self.before, |index| &self.lines[index].position);
        member.stage = Stage::behind(cursor.clone());
        messages(&self.lines[..taken])
    }
}

impl Room {
    /// Moves the room's position over lines, which wait for its live members.
    pub(super) fn queue(&mut self, lines: Vec<Line>) {
        let Some(last) = lines.last() else { return };
        let before = self
            .position
            .replace(last.position.clone())
            .unwrap_or(Position::EMPTY);
        self.moved = true;
        self.unwritten = true;
        self.unsent.add(lines, before);
    }

    /// Has all live members take the lines that wait: now they stand at the room's position.
    pub(super) fn spread(&mut self) {
        let unsent = self.unsent.take();
        if unsent.lines.is_empty() {
            return;
        }
        let mut delivered = 0;
        for member in self.members.iter_mut().filter(|member| member.is_live()) {
            let taken = member.seat.stream(&self.name, &unsent.lines);
            delivered += unsent.taken(member, taken, &self.metrics);
        }
        self.metrics.messages_delivered.inc_by(delivered as u64);
    }

    /// Returns true if there are frames for members that nobody has written or was woken for: call [`Room::write`]
    /// before the turn ends.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.unwritten
    }

    /// Writes to the members what the turn brought them, or wakes their tasks once `writes` are used up; tells `written`
    /// the `at` of the oldest message of each write.
    pub fn write(&mut self, writes: &mut usize, mut written: impl FnMut(u64)) {
        self.unwritten = false;
        let unsent = self.unsent.take();
        let run = Run::new(&unsent.lines);
        let mut delivered = 0;
        for member in &mut self.members {
            let takes = !unsent.lines.is_empty() && member.is_live();
            let (taken, oldest) = match (takes, *writes > 0) {
                (true, true) => member.seat.deliver(&self.name, &run),
                (false, true) => (0, member.seat.write()),
                (true, false) => (member.seat.stream(&self.name, &unsent.lines), None),
                (false, false) => (0, None),
            };
            if takes {
                delivered += unsent.taken(member, taken, &self.metrics);
            }
            if *writes == 0 {
                member.seat.wake();
            }
            if let Some(at) = oldest {
                *writes -= 1;
                written(at);
            }
        }
        self.metrics.messages_delivered.inc_by(delivered as u64);
    }
}

fn messages(lines: &[Line]) -> usize {
    lines.iter().filter(|line| line.at.is_some()).count()
}
