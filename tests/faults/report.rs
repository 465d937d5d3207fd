//! The lines and the table.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::outcome::Outcome;

/// A row that was run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

const HEAD: &str = "                                                sends accepted delivered doubled lost reordered phantom  gaps withdrawn asked   whole  result";

impl Run {
    /// Returns its line.
    pub(crate) fn line(&self) -> String {
        let counts = &self.outcome.counts;
        let whole = self.outcome.timings.whole().map_or_else(
            || "-".to_owned(),
            |whole| format!("{:.2} s", whole.as_secs_f64()),
        );
        let result = if self.outcome.is_good() {
            "ok"
        } else {
            "FAILED"
        };
        format!(
            "{:<10} {:<35} {:>6} {:>8} {:>9} {:>7} {:>4} {:>9} {:>7} {:>5} {:>9} {:>5} {whole:>7}  {result}",
            self.group,
            self.name,
            counts.sends,
            counts.accepted,
            counts.delivered,
            counts.doubled,
            counts.lost,
            counts.reordered,
            counts.phantom,
            counts.gaps,
            counts.withdrawn,
            counts.asked,
        )
    }
}

/// Returns the table of all rows, with what failed below.
pub(crate) fn table(runs: &[Run]) -> String {
    let mut lines = vec![HEAD.to_owned()];
    lines.extend(runs.iter().map(Run::line));
    for run in runs.iter().filter(|run| !run.outcome.is_good()) {
        lines.push(format!("{} {}:", run.group, run.name));
        lines.extend(run.outcome.faults.iter().map(|fault| format!("  {fault}")));
    }
    lines.join("\n")
}

/// Returns the head of the lines.
pub(crate) const fn head() -> &'static str {
    HEAD
}

/// Returns everything that is known of a run, for documents.
pub(crate) fn to_json(seed: u64, runs: &[Run]) -> Value {
    let rows: Vec<Value> = runs
        .iter()
        .map(|run| {
            let mut row = run.outcome.to_json();
            row["group"] = json!(run.group);
            row["row"] = json!(run.name);
            row["seconds"] = json!(run.took.as_secs_f64());
            row
        })
        .collect();
    json!({"version": madang::VERSION, "seed": seed, "rows": rows})
}
