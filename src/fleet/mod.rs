//! How nodes know of each other, and when a node takes part.
//!
//! In reading order: `readiness` (the latches that decide), `pace` (how sessions are let go), `doubt` (a node
//! that does not reach the broker), `witness` (what it hears from others), `balance` (a node
//! with too many sessions), `peers` (a node without
//! Redis that finds another one), `strangers` (nodes of another fleet on the same part of Redis), `ask` (how a node is
//! asked).

pub(crate) mod ask;
pub mod balance;
pub mod doubt;
pub mod pace;
pub mod peers;
pub mod readiness;
pub mod strangers;
pub mod witness;

pub use pace::{Crowd, Letter};
pub use peers::{Peer, Standing};
pub use readiness::{Readiness, Unready};
