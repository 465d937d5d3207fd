//! What a member answers that does not have the slot: who does.

use redis::RedisError;

use crate::config::ServerAddress;

/// Where a command is to be sent instead; it did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// The slot belongs to this member now.
    Moved(ServerAddress),
    /// The slot is on its way to this member, and so are these keys: only this command, after ASKING.
    Ask(ServerAddress),
}

impl Redirect {
    /// Returns where the first slot went that has moved, among things that may have been redirected.
    pub(in super::super) fn first_moved<T>(open: &[(T, Option<Self>)]) -> Option<ServerAddress> {
        open.iter().find_map(|(_, redirect)| match redirect {
            Some(Self::Moved(to)) => Some(to.clone()),
            _ => None,
        })
    }

    /// Reads an error that `asked` answered with; `None` if it is none of these.
    #[must_use]
    pub fn of(error: &RedisError, asked: &ServerAddress) -> Option<Self> {
        let (address, _) = error.redirect_node()?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // A member without a known host is behind the same one.
        let host = if host.is_empty() || host == "?" {
            &asked.host
        } else {
            host
        };
        let to = ServerAddress {
            host: host.to_owned(),
            port: port.parse().ok()?,
        };
        match error.code()? {
            "MOVED" => Some(Self::Moved(to)),
            "ASK" => Some(Self::Ask(to)),
            _ => None,
        }
    }
}
