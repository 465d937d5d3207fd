//! Subcommands beside the server.

pub mod bench;
pub mod check;
mod dial;
pub mod healthcheck;
pub mod key;
pub mod selftest;
pub mod soak;
