//! The matrix: every fault is a row.

mod fleet;
mod network;
mod nodes;
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
    /// Whether nothing else runs beside it: it keeps the whole machine busy.
    pub(crate) is_alone: bool,
    pub(crate) run: Run,
}

/// Makes a row of an async function that takes a seed; `smoke` and `alone` may follow.
macro_rules! row {
    ($group:literal, $name:literal, $run:path) => {
        $crate::rows::Row {
            group: $group,
            name: $name,
            is_smoke: false,
            is_alone: false,
            run: |seed| Box::pin($run(seed)),
        }
    };
    ($group:literal, $name:literal, $run:path, smoke) => {
        $crate::rows::Row {
            is_smoke: true,
            ..row!($group, $name, $run)
        }
    };
    ($group:literal, $name:literal, $run:path, alone) => {
        $crate::rows::Row {
            is_alone: true,
            ..row!($group, $name, $run)
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
        topologies::ROWS,
        fleet::ROWS,
    ]
    .concat()
}
