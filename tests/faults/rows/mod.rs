//! The matrix: every fault is a row.

mod fleet;
mod network;
mod nodes;
mod readers;
mod redis;
mod topologies;

use std::pin::Pin;

use anyhow::Result;

use crate::rig::outcome::Outcome;

/// What a row does, given its seed.
pub(crate) type Run = fn(u64) -> Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

/// A fault under traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    /// Whether it is run by `--smoke` too.
    pub(crate) is_smoke: bool,
    pub(crate) run: Run,
}

/// Makes a row of an async function that takes a seed.
macro_rules! row {
    ($group:literal, $name:literal, $run:path) => {
        $crate::rows::Row {
            group: $group,
            name: $name,
            is_smoke: false,
            run: |seed| Box::pin($run(seed)),
        }
    };
    ($group:literal, $name:literal, $run:path, smoke) => {
        $crate::rows::Row {
            group: $group,
            name: $name,
            is_smoke: true,
            run: |seed| Box::pin($run(seed)),
        }
    };
}
use row;

/// The groups, in the order in which they are run.
pub(crate) const GROUPS: [&str; 5] = ["redis", "nodes", "network", "topologies", "fleet"];

/// Returns all rows.
pub(crate) fn all() -> Vec<Row> {
    [
        redis::ROWS,
        nodes::ROWS,
        network::ROWS,
        readers::ROWS,
        topologies::ROWS,
        fleet::ROWS,
    ]
    .concat()
}
