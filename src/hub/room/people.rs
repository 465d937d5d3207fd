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
        let person = Person {
            user: user.clone(),
            sessions: 1,
            left_at: None,
        };
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
        let Some(person) = self.0.get_mut(id) else {
            return false;
        };
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
        self.0
            .values()
            .map(|person| PresenceChange::Here(person.user.clone()))
            .collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::UserName;

    fn user(id: &str, name: &str) -> User {
        User {
            id: UserId::parse(id).unwrap(),
            name: UserName::parse(name).unwrap(),
            bot: None,
        }
    }

    #[test]
    fn a_user_is_here_from_the_first_session_to_the_last() {
        let (mut people, ann, now) = (People::default(), user("u1", "Ann"), Instant::now());
        assert_eq!(people.enter(&ann), Some(PresenceChange::Here(ann.clone())));
        assert_eq!(people.enter(&ann), None);
        assert!(!people.leave(&ann.id, now));
        assert!(people.leave(&ann.id, now));
        assert!(!people.is_empty());
        assert_eq!(
            people.sweep(&ann.id, now),
            Some(PresenceChange::Gone(ann.id.clone()))
        );
        assert!(people.is_empty());
        assert!(!people.leave(&ann.id, now));
    }

    #[test]
    fn who_comes_back_in_time_has_not_left() {
        let (mut people, ann, now) = (People::default(), user("u1", "Ann"), Instant::now());
        people.enter(&ann);
        people.leave(&ann.id, now);
        assert_eq!(people.enter(&ann), None);
        assert_eq!(people.sweep(&ann.id, now), None);
        people.leave(&ann.id, now + Duration::from_secs(2));
        assert_eq!(
            people.sweep(&ann.id, now + Duration::from_secs(1)),
            None,
            "the second time away has just begun"
        );
    }

    #[test]
    fn another_name_is_a_change() {
        let (mut people, ann, anna) = (People::default(), user("u1", "Ann"), user("u1", "Anna"));
        people.enter(&ann);
        assert_eq!(people.rename(&ann), None);
        assert_eq!(
            people.rename(&anna),
            Some(PresenceChange::Here(anna.clone()))
        );
        assert_eq!(people.enter(&ann), Some(PresenceChange::Here(ann.clone())));
        assert_eq!(people.rename(&user("u2", "Bob")), None);
        assert_eq!(people.everybody(), [PresenceChange::Here(ann)]);
    }

    #[test]
    fn a_whole_roster_is_completed_and_a_part_of_one_is_not() {
        let (mut people, ann, bob, eve) = (
            People::default(),
            user("u1", "Ann"),
            user("u2", "Bob"),
            user("u3", "Eve"),
        );
        people.enter(&ann);
        people.enter(&bob);
        people.enter(&eve);
        people.leave(&eve.id, Instant::now());
        let mut roster = Roster {
            members: vec![bob.clone()],
            count: 1,
            cursor: None,
        };
        assert_eq!(people.complete(&roster, 10), (vec![bob.clone(), ann], 2));
        assert_eq!(people.complete(&roster, 1), (vec![bob.clone()], 2));
        roster.cursor = Some("more".to_owned());
        roster.count = 7;
        assert_eq!(people.complete(&roster, 10), (vec![bob], 7));
    }
}
