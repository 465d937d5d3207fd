//! Every setting of a node, with default and variable; all faults of a configuration at once.
//!
//! A setting is `section.name` in a TOML file and `MADANG_SECTION__NAME` in the environment. A
//! variable comes before the file, the file before the default; lists are written with commas, or
//! as an array in the file. No secret is printed: not in the listing, not in a fault, not by
//! `Debug`.
//!
//! In reading order: `sections` (every setting), `table` (how a row becomes struct, table and
//! reader), `kinds`, `amounts`, `words`, `network`, `redis_url` (what values can be), `rules` (what
//! must hold between settings), `sources`, `load` (from file and environment to [`Settings`]),
//! `faults`, `nearest` (how a mistake is told).

mod amounts;
mod faults;
mod kinds;
mod load;
mod nearest;
mod network;
mod redis_url;
mod rules;
mod secret;
mod sections;
mod sources;
mod table;
mod words;

pub use faults::Faults;
pub use load::{Effective, Loaded};
pub use network::Origins;
pub use redis_url::{RedisUrl, ServerAddress, Topology};
pub use secret::{HIDDEN, Secret};
pub use sections::{
    Drain, Fleet, History, Identity, Limits, Log, LogFormat, PasswordFileError, Redis, Server,
    Session, Settings,
};
pub use sources::process_variables;
pub use table::markdown_table;

#[cfg(test)]
mod tests;
