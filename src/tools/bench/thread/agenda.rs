//! What is due when: messages by their pace, and all else by the agenda.

use std::cmp::Reverse;

use super::Thread;
use crate::tools::bench::session::State;

/// Things that are done between two looks at what is to be read.
const AT_ONCE: usize = 64;

/// What is to be done at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Open(u32),
    /// Asks again to be let in, in this attempt.
    Join(u32, u32),
    /// Gives this attempt up, unless it has led to something.
    Expire(u32, u32),
    /// Sends one more message, where so many are kept under way.
    Send(u32),
    /// Lets the slow stop reading.
    Pause,
}

impl Thread {
    /// Returns when the next thing is to be done.
    pub(super) fn next_wake(&self) -> Option<u64> {
        let agenda = self.agenda.peek().map(|Reverse((at, _))| *at);
        match (agenda, self.next_due()) {
            (Some(agenda), Some(due)) => Some(agenda.min(due)),
            (agenda, due) => agenda.or(due),
        }
    }

    /// Does what is due; not all at once if it is much, so that nothing is left unread for long.
    pub(super) fn act(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(wake) = self.next_wake().filter(|wake| *wake <= self.clock) else {
                return;
            };
            if self.next_due() == Some(wake) {
                self.send_due();
            } else if let Some(Reverse((_, action))) = self.agenda.pop() {
                match action {
                    Action::Open(index) => self.open(index as usize, wake),
                    Action::Join(index, attempt) => {
                        let session = &self.sessions[index as usize];
                        if session.attempt == attempt && session.state == State::Joining {
                            self.join(index as usize);
                        }
                    }
                    Action::Expire(index, attempt) => {
                        let session = &self.sessions[index as usize];
                        let is_open = matches!(session.state, State::Live | State::Away);
                        if session.attempt == attempt && !is_open {
                            self.end(index as usize, "no answer in time".to_owned());
                        }
                    }
                    Action::Send(index) => self.send_in_window(index as usize),
                    Action::Pause => self.pause(true),
                }
            }
            self.tick();
        }
    }
}
