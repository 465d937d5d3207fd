//! One WebSocket: its handshake, its frames, its limits, its outbox.
//!
//! A session is one task. It reads requests while its outbox has room for the answers, hands them to hub and broker
//! without waiting for what they say, and writes what is queued with one system call; what rooms have for it they write
//! themselves. In reading order: `task` (the loop and how a session ends), `requests` (what a page may ask), `hello` (who
//! speaks), `place` and `outbox` (what others see of a session), `company` (answers that wait a moment), `roll` (who stays
//! and who is told to leave), `link` and `codec` (bytes).

mod bucket;
pub mod codec;
mod company;
mod context;
pub mod handshake;
mod hello;
mod identity;
mod link;
mod outbox;
pub mod permission;
mod place;
mod requests;
mod resumes;
mod roll;
mod task;

pub use bucket::Bucket;
pub use context::{Context, SessionBounds};
pub use identity::Identity;
pub use outbox::{Bounds, Outbox, Wire};
pub use resumes::Resumes;
pub use roll::Roll;
pub use task::open;
