//! The first request: who speaks here.

use super::context::Context;
use crate::hub::lines;
use crate::protocol::{Answer, Frame, SessionId, User, UserId, UserName};

/// What a `hello` led to.
pub(super) struct Greeting {
    /// Who speaks from now on.
    pub(super) user: User,
    /// The `welcome` frame.
    pub(super) welcome: Frame,
}

/// Welcomes the user that the token names, or a new one; `None` while the node knows no key to sign with.
pub(super) fn greet(
    context: &Context,
    session: &SessionId,
    token: Option<&str>,
    name: Option<UserName>,
) -> Option<Greeting> {
    let now_ms = context.broker.now_ms();
    let known = token.and_then(|token| context.identity.verify(token, now_ms));
    let resumed_identity = known.is_some();
    let id = known.unwrap_or_else(UserId::random);
    let name = name.unwrap_or_else(|| guest(&id));
    let token = context.identity.issue(&id, now_ms)?;
    let user = User {
        id,
        name,
        bot: None,
    };
    let welcome = lines::frame(&Answer::Welcome {
        session,
        user: &user,
        token: &token,
        resumed_identity,
        node: &context.node,
        limits: &context.bounds.told,
        features: &[],
    });
    Some(Greeting { user, welcome })
}

/// Returns the name of a user who gave none: the same each time.
fn guest(id: &UserId) -> UserName {
    let tag: String = id
        .as_str()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(4)
        .collect();
    UserName::trusted(&format!("guest-{tag}"))
}
