//! Who is in a room, and what of it the nodes have been told.
//!
//! A user is in the room while any node's lease holds it. Changes are announced together: a batch remembers how each
//! user that changed stood before it, so that who came and went within it is not told at all.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::super::{Ephemeral, PresenceChange, Roster};
use crate::protocol::{User, UserId};

/// Users above which a room's longer changes are told as a count only.
pub(super) const BIG_ROOM: usize = 200;
/// Changes of one batch that are still named in a big room.
pub(super) const LONG_LIST: usize = 32;

#[derive(Debug)]
struct Present {
    user: User,
    leases: Vec<u64>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Presence {
    users: BTreeMap<UserId, Present>,
    /// How users that changed since the last announcement stood before.
    batch: BTreeMap<UserId, Option<User>>,
}

impl Presence {
    /// Applies one change of a lease; returns true if it begins a batch.
    pub(super) fn apply(&mut self, lease: u64, change: PresenceChange) -> bool {
        let is_first = self.batch.is_empty();
        match change {
            PresenceChange::Here(user) => self.here(lease, user),
            PresenceChange::Gone(id) => self.gone(lease, &id),
        }
        is_first && !self.batch.is_empty()
    }

    fn here(&mut self, lease: u64, user: User) {
        let id = user.id.clone();
        let before = self.users.get(&id).map(|present| present.user.clone());
        let present = self.users.entry(id.clone()).or_insert_with(|| Present {
            user: user.clone(),
            leases: Vec::new(),
        });
        if !present.leases.contains(&lease) {
            present.leases.push(lease);
        }
        if before.as_ref() != Some(&user) {
            present.user = user;
            self.batch.entry(id).or_insert(before);
        }
    }

    fn gone(&mut self, lease: u64, id: &UserId) {
        let Some(present) = self.users.get_mut(id) else {
            return;
        };
        present.leases.retain(|other| *other != lease);
        if present.leases.is_empty() {
            let before = self.users.remove(id).map(|present| present.user);
            self.batch.entry(id.clone()).or_insert(before);
        }
    }

    /// Drops an ended lease from every user; returns true if that begins a batch.
    pub(super) fn sweep(&mut self, lease: u64) -> bool {
        let is_first = self.batch.is_empty();
        let held = |(id, present): (&UserId, &Present)| {
            present.leases.contains(&lease).then(|| id.clone())
        };
        let held: Vec<UserId> = self.users.iter().filter_map(held).collect();
        for id in held {
            self.gone(lease, &id);
        }
        is_first && !self.batch.is_empty()
    }

    /// Ends the batch; returns what is to be told, unless it came to nothing.
    pub(super) fn announce(&mut self) -> Option<Ephemeral> {
        let (mut joined, mut left, mut renamed) = (Vec::new(), Vec::new(), Vec::new());
        for (id, before) in std::mem::take(&mut self.batch) {
            let after = self.users.get(&id).map(|present| present.user.clone());
            match (before, after) {
                (None, Some(user)) => joined.push(user),
                (Some(_), None) => left.push(id),
                (Some(before), Some(after)) if before != after => renamed.push(after),
                _ => {}
            }
        }
        let changes = joined.len() + left.len() + renamed.len();
        if changes == 0 {
            return None;
        }
        if self.users.len() > BIG_ROOM && changes > LONG_LIST {
            (joined, left, renamed) = (Vec::new(), Vec::new(), Vec::new());
        }
        Some(Ephemeral::Presence {
            joined,
            left,
            renamed,
            count: self.count(),
        })
    }

    /// Returns a page of the users, ascending by id; the cursor is the last id of the page before.
    pub(super) fn roster(&self, cursor: Option<&str>, limit: usize) -> Roster {
        let begin = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self
            .users
            .range::<str, _>((begin, Bound::Unbounded))
            .map(|(_, present)| &present.user);
        let members: Vec<User> = rest.by_ref().take(limit.max(1)).cloned().collect();
        let last = members.last().map(|user| user.id.as_str().to_owned());
        Roster {
            count: self.count(),
            cursor: rest.next().and(last),
            members,
        }
    }

    /// Returns true if nobody is here and nothing is left to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.batch.is_empty()
    }

    fn count(&self) -> u64 {
        self.users.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::UserName;

    fn user(id: &str, name: &str) -> User {
        User {
            id: UserId::parse(id).unwrap(),
            name: UserName::trusted(name),
            bot: None,
        }
    }

    fn here(id: &str, name: &str) -> PresenceChange {
        PresenceChange::Here(user(id, name))
    }

    fn gone(id: &str) -> PresenceChange {
        PresenceChange::Gone(UserId::parse(id).unwrap())
    }

    fn told(presence: &mut Presence) -> (Vec<String>, Vec<String>, Vec<String>, u64) {
        let names = |users: Vec<User>| {
            users
                .into_iter()
                .map(|user| user.name.to_string())
                .collect()
        };
        match presence.announce() {
            Some(Ephemeral::Presence {
                joined,
                left,
                renamed,
                count,
            }) => (
                names(joined),
                left.iter().map(ToString::to_string).collect(),
                names(renamed),
                count,
            ),
            _ => panic!("nothing was told"),
        }
    }

    #[test]
    fn a_user_is_here_while_any_lease_holds_it() {
        let mut presence = Presence::default();
        assert!(presence.apply(1, here("u", "Ann")));
        assert!(!presence.apply(2, here("u", "Ann")));
        assert_eq!(
            told(&mut presence),
            (vec!["Ann".to_owned()], vec![], vec![], 1)
        );
        presence.apply(1, gone("u"));
        presence.apply(1, gone("u"));
        assert_eq!(presence.announce(), None);
        assert!(presence.sweep(2));
        assert_eq!(
            told(&mut presence),
            (vec![], vec!["u".to_owned()], vec![], 0)
        );
        assert!(presence.is_empty());
    }

    #[test]
    fn a_new_name_is_told_once() {
        let mut presence = Presence::default();
        presence.apply(1, here("u", "Ann"));
        presence.announce();
        presence.apply(1, here("u", "Anna"));
        presence.apply(2, here("u", "Anna"));
        assert_eq!(
            told(&mut presence),
            (vec![], vec![], vec!["Anna".to_owned()], 1)
        );
    }

    #[test]
    fn who_came_and_went_within_a_batch_is_not_told() {
        let mut presence = Presence::default();
        presence.apply(1, here("u", "Ann"));
        presence.apply(1, gone("u"));
        assert_eq!(presence.announce(), None);
        presence.apply(1, here("u", "Ann"));
        presence.announce();
        presence.apply(1, gone("u"));
        presence.apply(2, here("u", "Ann"));
        assert_eq!(presence.announce(), None);
    }

    #[test]
    fn a_big_room_gets_a_count_where_the_list_would_be_long() {
        let mut presence = Presence::default();
        for number in 0..=BIG_ROOM {
            presence.apply(1, here(&format!("u{number}"), "Ann"));
        }
        assert_eq!(
            told(&mut presence),
            (vec![], vec![], vec![], BIG_ROOM as u64 + 1)
        );
        presence.apply(1, gone("u7"));
        presence.apply(1, here("v", "Bo"));
        let (joined, left, ..) = told(&mut presence);
        assert_eq!(
            (joined, left),
            (vec!["Bo".to_owned()], vec!["u7".to_owned()])
        );
    }

    proptest! {
        #[test]
        fn pages_list_everybody_once_and_announcements_add_up(
            changes in prop::collection::vec((1_u64..4, 0_usize..12, any::<bool>(), any::<bool>()), 0..80),
            limit in 0_usize..7,
        ) {
            let mut presence = Presence::default();
            let mut shown: Vec<String> = Vec::new();
            let mut held = std::collections::BTreeSet::new();
            for (lease, number, is_here, is_told) in changes {
                let id = format!("u{number}");
                if is_here { held.insert((id.clone(), lease)); } else { held.remove(&(id.clone(), lease)); }
                presence.apply(lease, if is_here { here(&id, &id) } else { gone(&id) });
                if is_told && let Some(Ephemeral::Presence { joined, left, count, .. }) = presence.announce() {
                    shown.retain(|id| !left.iter().any(|gone| gone.as_str() == id));
                    shown.extend(joined.iter().map(|user| user.id.to_string()));
                    prop_assert_eq!(shown.len() as u64, count);
                }
            }
            let mut wanted: Vec<String> = held.into_iter().map(|(id, _)| id).collect();
            wanted.dedup();
            let (mut listed, mut cursor) = (Vec::new(), None);
            loop {
                let page = presence.roster(cursor.as_deref(), limit);
                prop_assert!(page.members.len() <= limit.max(1));
                prop_assert_eq!(page.count, wanted.len() as u64);
                listed.extend(page.members.iter().map(|user| user.id.to_string()));
                cursor = page.cursor;
                if cursor.is_none() { break; }
            }
            prop_assert_eq!(listed, wanted);
        }
    }
}
