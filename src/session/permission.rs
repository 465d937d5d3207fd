//! Who may do what: the one function that every join, read and send goes through.
//!
//! By WebSocket and by HTTP alike. Everybody may do everything now; identities, roles, slow mode and moderation take
//! their place here.

use crate::protocol::{ErrorCode, RoomName, User};

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

/// Allows an action or refuses it with a code.
///
/// # Errors
/// The code that the request is answered with.
pub fn check(user: &User, room: &RoomName, action: Action<'_>) -> Result<(), ErrorCode> {
    tracing::trace!(
        user.id = user.id.as_str(),
        room.name = room.as_str(),
        action = action.name(),
        "allowed"
    );
    Ok(())
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
