//! Who may do what: the one function that every join, read and send goes through.
//!
//! By WebSocket and by HTTP alike. A session may do everything now, a key of the HTTP API what its [`Grant`] says;
//! identities, roles, slow mode and moderation take their place here.

use wildmatch::WildMatch;

use crate::protocol::{ErrorCode, NameFault, RoomName, User};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The user that others see.
    pub user: &'a User,
    /// What a key of the HTTP API may do; `None` for a session.
    pub grant: Option<&'a Grant>,
}

/// Something that a user asks for in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// To become a member.
    Join,
    /// To read history or members.
    Read,
    /// To tell that one is typing.
    Type,
    /// To send this text.
    Send(&'a str),
}

/// What a key of the HTTP API may do, and where.
#[derive(Clone, Debug)]
pub struct Grant {
    /// It may read messages, members and rooms.
    pub may_read: bool,
    /// It may send messages.
    pub may_publish: bool,
    /// In which rooms.
    pub rooms: Vec<RoomPattern>,
}

/// Allows an action or refuses it with a code.
///
/// # Errors
/// The code that the request is answered with.
pub fn check(who: Who<'_>, room: &RoomName, action: Action<'_>) -> Result<(), ErrorCode> {
    let is_allowed = who.grant.is_none_or(|grant| grant.allows(room, action));
    tracing::trace!(
        user.id = who.user.id.as_str(),
        room.name = room.as_str(),
        action = action.name(),
        is_allowed,
        "asked for permission"
    );
    if is_allowed {
        Ok(())
    } else {
        Err(ErrorCode::Forbidden)
    }
}

impl<'a> From<&'a User> for Who<'a> {
    /// Returns the user of a session.
    fn from(user: &'a User) -> Self {
        Self { user, grant: None }
    }
}

impl Action<'_> {
    /// Returns the word for logs, which never hold a text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Read => "read",
            Self::Type => "type",
            Self::Send(_) => "send",
        }
    }
}

impl Grant {
    fn allows(&self, room: &RoomName, action: Action<'_>) -> bool {
        let has_right = match action {
            Action::Join | Action::Read => self.may_read,
            Action::Type | Action::Send(_) => self.may_publish,
        };
        has_right && self.rooms.iter().any(|pattern| pattern.matches(room))
    }
}

/// A room's name, or one with `*` for any characters: `deploy-*`, `*`.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomPattern(WildMatch);

impl RoomPattern {
    /// Reads a pattern; what stands between the stars is brought into the form that rooms' names have.
    ///
    /// # Errors
    /// When no room could have such a name.
    pub fn parse(raw: &str) -> Result<Self, NameFault> {
        let raw = raw.trim();
        if raw.chars().all(|character| character == '*') && !raw.is_empty() {
            return Ok(Self(WildMatch::new("*")));
        }
        // A letter may stand where a star does, so the rest is a name if it is one with letters.
        let probe = RoomName::parse(&raw.replace('*', "a"))?;
        let canonical = if raw.contains('*') {
            let pieces: Vec<_> = raw.split('*').map(canonical_piece).collect();
            pieces.join("*")
        } else {
            probe.as_str().to_owned()
        };
        Ok(Self(WildMatch::new(&canonical)))
    }

    /// Returns true if a room has a name of this form.
    #[must_use]
    pub fn matches(&self, room: &RoomName) -> bool {
        self.0.matches(room.as_str())
    }
}

/// Returns what a piece of a name becomes in a name. Spaces at its ends stay: in the name they stand inside.
fn canonical_piece(piece: &str) -> String {
    let whole = format!("a{piece}a");
    RoomName::parse(&whole).map_or_else(
        |_| piece.to_lowercase(),
        |name| {
            let name = name.as_str();
            name[1..name.len() - 1].to_owned()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{UserId, UserName};

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn a_pattern_is_a_name_or_has_stars() {
        for (pattern, matching, other) in [
            ("Ops", "ops", "ops2"),
            ("deploy-*", "deploy-한국", "deploy"),
            ("*-배포", "서울-배포", "배포"),
            ("team * news", "team a b news", "team news"),
            ("*", "anything at all", ""),
            ("**", "anything at all", ""),
            ("ÉCOLE*", "école 2", "ecole"),
        ] {
            let read = RoomPattern::parse(pattern).unwrap();
            assert!(read.matches(&room(matching)), "{pattern} {matching}");
            if !other.is_empty() {
                assert!(!read.matches(&room(other)), "{pattern} {other}");
            }
        }
        for bad in ["", " ", "a/b", "-x", "a/*", "x\u{202e}*"] {
            assert!(RoomPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_grant_needs_the_right_and_the_room() {
        let user = User {
            id: UserId::parse("api:bot").unwrap(),
            name: UserName::parse("bot").unwrap(),
            bot: Some(true),
        };
        let grant = |may_read, may_publish| Grant {
            may_read,
            may_publish,
            rooms: vec![RoomPattern::parse("ops").unwrap()],
        };
        let (read, publish) = (grant(true, false), grant(false, true));
        let ask = |grant, name, action| {
            let who = Who {
                user: &user,
                grant: Some(grant),
            };
            check(who, &room(name), action).is_ok()
        };
        assert!(ask(&read, "ops", Action::Read));
        assert!(!ask(&read, "lobby", Action::Read));
        assert!(!ask(&read, "ops", Action::Send("x")));
        assert!(ask(&publish, "ops", Action::Send("x")));
        assert!(!ask(&publish, "ops", Action::Read));
        assert!(check(Who::from(&user), &room("lobby"), Action::Send("x")).is_ok());
    }
}
