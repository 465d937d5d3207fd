//! Subcommands beside the server.

pub mod check;
pub mod healthcheck;
pub mod key;
pub mod selftest;
