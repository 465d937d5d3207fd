//! Subcommands beside the server.

pub mod healthcheck;
