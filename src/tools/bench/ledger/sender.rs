//! The messages of one sender, until they are settled: answered, and shown by all who must.

use std::collections::VecDeque;

/// Messages after which the effect of one that was refused is not waited for any more.
const KEPT_REFUSED: usize = 64;

/// The answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    Accepted,
    /// It is not expected anywhere, unless somebody has it.
    Refused,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) due: u64,
    pub(super) answer: Answer,
    /// Members who must have it, and who do.
    pub(super) expected: u32,
    pub(super) shown: u32,
    /// Its place in the room's order.
    pub(super) place: Option<u64>,
}

/// The messages of a sender, from the first that is not settled.
#[derive(Debug, Default)]
pub(super) struct Sender {
    pub(super) first: u32,
    pub(super) messages: VecDeque<Sent>,
    /// The number after the last one in the room's order.
    pub(super) next: u32,
}

impl Sender {
    /// Gives a message that is not settled its place in the room's order.
    pub(super) fn place(&mut self, n: u32, place: u64) {
        let index = (n - self.first) as usize;
        self.messages[index].place = Some(place);
    }

    /// Drops what is settled.
    pub(super) fn forget(&mut self) {
        while let Some(first) = self.messages.front() {
            let is_settled = match first.answer {
                Answer::None => false,
                Answer::Accepted => first.shown >= first.expected,
                // Its effect may yet be seen.
                Answer::Refused => self.messages.len() > KEPT_REFUSED,
            };
            if !is_settled {
                return;
            }
            self.messages.pop_front();
            self.first += 1;
        }
    }
}
