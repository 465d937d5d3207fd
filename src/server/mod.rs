//! HTTP of a node: who gets in, and what is answered before a session begins.
//!
//! The public listener is for people: the page, `/ws`, the HTTP API. The internal one is for the
//! cluster: probes and metrics; it is never exposed. Both run on one accept loop, which bounds how
//! many links are open and how long a link may be silent, so that nobody can hold a node by doing
//! nothing. A link that becomes a session leaves this module with its places in the limits.
//!
//! In reading order:
//!
//! | file | idea |
//! | --- | --- |
//! | `listen.rs` | addresses bound, or one sentence that says what to do |
//! | `accept.rs`, `links.rs` | the accept loop, and the bound on links |
//! | `public.rs`, `assets.rs`, `comments.rs`, `headers.rs` | the public router, the page, what every answer carries |
//! | `upgrade.rs`, `door.rs`, `places.rs` | from request to session, and the limits on sessions |
//! | `origin.rs`, `host.rs`, `proxies.rs` | whose pages may open sessions, and which address asks |
//! | `api/` | the HTTP API for bots |
//! | `refusal.rs` | how a refusal looks |
//! | `internal.rs` | probes and metrics |

pub mod accept;
pub mod api;
pub mod door;
pub mod internal;
pub mod listen;
pub mod public;

mod assets;
mod comments;
mod headers;
mod host;
mod links;
mod origin;
mod places;
mod proxies;
mod refusal;
mod upgrade;

pub use accept::Options;
pub use api::Api;
pub use door::{Door, Open, Opened};
pub use listen::ListenError;
pub use places::Permit;
pub use public::Public;

#[cfg(test)]
mod tests;
