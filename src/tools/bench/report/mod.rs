//! What a run brought, for people and for machines.

mod json;
mod plot;
pub(super) mod progress;
mod table;
mod verdict;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::plan::Plan;
use super::run::Outcome;
use json::Report;

/// Prints the table, writes what is asked for, and says what went wrong.
///
/// # Errors
/// A file that cannot be written, or what was lost, doubled, reordered, or failed, in one sentence.
pub(super) fn report(plan: &Plan, outcome: &Outcome) -> Result<(), String> {
    let report = Report::new(plan, outcome);
    let table = table::table(&report);
    let mut is_free = true;
    if let Some(path) = &plan.options.json {
        let text = serde_json::to_string(&report).expect("numbers and texts are JSON") + "\n";
        if path == Path::new("-") {
            is_free = false;
            // Whoever read it may be gone; the verdict still counts.
            let _ = std::io::stdout().write_all(text.as_bytes());
        } else {
            write(path, &text)?;
        }
    }
    let _ = if is_free {
        std::io::stdout().write_all(table.as_bytes())
    } else {
        std::io::stderr().write_all(table.as_bytes())
    };
    if let Some(path) = &plan.options.plot {
        write(path, &plot::plot(&report, &outcome.record))?;
    }
    if report.wrong.is_empty() {
        return Ok(());
    }
    Err(report.wrong.join("; "))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
