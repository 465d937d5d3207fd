//! Subcommands beside the server.

pub mod check;
pub mod healthcheck;
mod http;
pub mod key;
pub mod selftest;
