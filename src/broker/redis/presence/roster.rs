//! Pages of who is in a room.
//!
//! A walk over all pages names everybody who stays at least once, whoever comes and goes meanwhile. Redis scans a small
//! hash in one piece whatever the limit; such a piece is cut in the order of the ids.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::time::Instant;

use redis::Value;
use serde::Deserialize;

use super::super::super::{Roster, Unavailable};
use super::super::fault::LinkError;
use super::Presence;
use crate::protocol::{RoomName, User, UserId, UserName};

/// Scans of one page at most: a scan may find nobody though somebody follows.
const MAX_SCANS: usize = 16;

/// Where a page begins: the cursor of a scan, and in a hash that came in one piece the last id told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cursor {
    scan: u64,
    after: Option<String>,
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('.') {
            Some((scan, after)) => Ok(Self {
                scan: scan.parse()?,
                after: Some(after.to_owned()),
            }),
            None => Ok(Self {
                scan: text.parse()?,
                after: None,
            }),
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.after {
            Some(after) => write!(formatter, "{}.{after}", self.scan),
            None => write!(formatter, "{}", self.scan),
        }
    }
}

/// What a value of the hash says of its user.
#[derive(Deserialize)]
struct About {
    name: UserName,
    #[serde(default)]
    bot: Option<bool>,
}

/// What one scan answered.
struct Scanned {
    next: u64,
    users: BTreeMap<String, String>,
    count: u64,
}

impl Presence {
    /// Reads a page of a room's presence; a cursor that is none begins at the begin.
    ///
    /// # Errors
    /// [`Unavailable`] when no answer came within the setting `limits.send_timeout`.
    pub(in super::super) async fn roster(
        &self,
        room: &RoomName,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Roster, Unavailable> {
        let until = Instant::now() + self.link.options().send_timeout;
        let mut at: Cursor = cursor
            .and_then(|cursor| cursor.parse().ok())
            .unwrap_or_default();
        let mut page = Page {
            members: Vec::new(),
            seen: HashSet::new(),
            limit: limit.max(1),
        };
        let mut asked = page.limit * 3 / 4;
        let mut count = 0;
        for _ in 0..MAX_SCANS {
            let scanned = self.scan(room, &at, asked, until).await;
            let Scanned {
                next,
                users,
                count: counted,
            } = scanned.map_err(|fault| Unavailable(fault.to_string()))?;
            count = counted;
            let is_whole = at.scan == 0 && next == 0;
            if !is_whole && !page.has_room_for(users.len()) {
                if !page.members.is_empty() {
                    break;
                }
                if asked > 1 {
                    asked /= 2;
                    continue;
                }
            }
            at = match page.take(users, at.after.as_deref(), is_whole) {
                Some(after) => Cursor {
                    scan: 0,
                    after: Some(after),
                },
                None if next == 0 => {
                    return Ok(Roster {
                        members: page.members,
                        count,
                        cursor: None,
                    });
                }
                None => Cursor {
                    scan: next,
                    after: None,
                },
            };
            if !page.has_room_for(1) {
                break;
            }
            asked = (page.limit - page.members.len()) * 3 / 4;
        }
        Ok(Roster {
            members: page.members,
            count,
            cursor: Some(at.to_string()),
        })
    }

    /// Scans from a cursor on; Redis ends with a whole bucket and may find some more users than asked for.
    async fn scan(
        &self,
        room: &RoomName,
        at: &Cursor,
        asked: usize,
        until: Instant,
    ) -> Result<Scanned, LinkError> {
        let key = self.link.keys().presence(room);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("HSCAN")
            .arg(&key)
            .arg(at.scan)
            .arg("COUNT")
            .arg(asked.max(1));
        pipeline.cmd("HLEN").arg(&key);
        let mut results = self.link.ask(&mut pipeline, until).await?.into_iter();
        let mut next = || {
            results
                .next()
                .unwrap_or(Ok(Value::Nil))
                .map_err(|error| self.link.fault(&error))
        };
        let read = |error| self.link.fault(&redis::RedisError::from(error));
        let (cursor, users) =
            redis::from_redis_value::<(u64, BTreeMap<String, String>)>(next()?).map_err(read)?;
        let count = redis::from_redis_value(next()?).map_err(read)?;
        Ok(Scanned {
            next: cursor,
            users,
            count,
        })
    }
}

/// A page that is being filled.
struct Page {
    members: Vec<User>,
    seen: HashSet<UserId>,
    limit: usize,
}

impl Page {
    fn has_room_for(&self, users: usize) -> bool {
        self.members.len() + users <= self.limit
    }

    /// Takes the users behind `after`; of a hash that came whole no more than fit, and returns the last one taken.
    ///
    /// A part is taken as a whole: nobody could say later where in a part that has changed its form a page begins.
    fn take(
        &mut self,
        users: BTreeMap<String, String>,
        after: Option<&str>,
        is_whole: bool,
    ) -> Option<String> {
        let mut last = None;
        for (id, value) in users {
            if after.is_some_and(|after| id.as_str() <= after) {
                continue;
            }
            if is_whole && !self.has_room_for(1) {
                return last;
            }
            if let Some(user) = read(&id, &value)
                && self.seen.insert(user.id.clone())
            {
                self.members.push(user);
            }
            last = Some(id);
        }
        None
    }
}

/// Reads one user; what another version wrote and this one cannot read is left out.
fn read(id: &str, value: &str) -> Option<User> {
    let About { name, bot } = serde_json::from_str(value).ok()?;
    Some(User {
        id: UserId::parse(id).ok()?,
        name,
        bot,
    })
}
