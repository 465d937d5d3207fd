//! The users of this node in one room, counted once however many sessions they have.
//!
//! A user who comes back within the debounce time has neither left nor joined.

use std::collections::HashMap;
use std::time::Instant;

use crate::broker::{PresenceChange, Roster};
use crate::protocol::{User, UserId};

#[derive(Debug)]
struct Person {
    user: User,
    sessions: usize,
    left_at: Option<Instant>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct People(HashMap<UserId, Person>);

impl People {
    /// Counts a session of a user; returns the change if the user was not here or had another name.
    pub(super) fn enter(&mut self, user: &User) -> Option<PresenceChange> {
        if let Some(person) = self.0.get_mut(&user.id) {
            person.sessions += 1;
            person.left_at = None;
            return self.rename(user);
        }
        let person = Person { user: user.clone(), sessions: 1, left_at: None };
        self.0.insert(user.id.clone(), person);
        Some(PresenceChange::Here(user.clone()))
    }

    /// Takes a user's new name; returns the change if it is one.
    pub(super) fn rename(&mut self, user: &User) -> Option<PresenceChange> {
        let person = self.0.get_mut(&user.id)?;
        if person.user == *user {
            return None;
        }
        person.user = user.clone();
        Some(PresenceChange::Here(user.clone()))
    }

    /// Uncounts a session of a user; returns true if it was the user's last.
    pub(super) fn leave(&mut self, id: &UserId, now: Instant) -> bool {
        let Some(person) = self.0.get_mut(id) else { return false };
        person.sessions = person.sessions.saturating_sub(1);
        if person.sessions == 0 {
            person.left_at = Some(now);
        }
        person.sessions == 0
    }

    /// Removes a user that has been away since `before` or longer; returns the change if it has.
    pub(super) fn sweep(&mut self, id: &UserId, before: Instant) -> Option<PresenceChange> {
        let left_at = self.0.get(id)?.left_at?;
        if left_at > before {
            return None;
        }
        self.0.remove(id);
        Some(PresenceChange::Gone(id.clone()))
    }

    /// Returns everybody, for a broker that has lost this node's presence.
    pub(super) fn everybody(&self) -> Vec<PresenceChange> {
        self.0.values().map(|person| PresenceChange::Here(person.user.clone())).collect()
    }

    /// Returns true if nobody is here, nor was a debounce time ago.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds to a page of the fleet's roster the users of this node that it does not know yet.
    pub(super) fn complete(&self, roster: &Roster, limit: usize) -> (Vec<User>, u64) {
        let mut members = roster.members.clone();
        members.truncate(limit);
        let mut count = roster.count;
        // A page that is not whole does not tell whether a user of this node is on another one.
        if roster.cursor.is_none() {
            for person in self.0.values().filter(|person| person.sessions > 0) {
                if !roster.members.iter().any(|user| user.id == person.user.id) {
                    count += 1;
                    if members.len() < limit {
                        members.push(person.user.clone());
                    }
                }
            }
        }
        (members, count)
    }
}
