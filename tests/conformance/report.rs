//! What the suite reports, judged.
//!
//! A case passes if its behavior and its closing are both `OK`, or `INFORMATIONAL` where the suite has no opinion.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Cases of text that turns wrong within a frame, where a refusal at the frame's end would still be lawful.
const MAY_BE_NON_STRICT: [&str; 2] = ["6.4.3", "6.4.4"];
/// The suite without compression has 301 cases; a report of fewer is not a pass.
const LEAST_CASES: usize = 301;

/// The judgement of a run.
pub(crate) struct Report {
    /// Number of cases that passed.
    pub(crate) passed: usize,
    /// One line for each case that did not.
    pub(crate) failures: Vec<String>,
}

/// Reads the suite's index of results.
pub(crate) fn read(path: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(path).context("the report cannot be read")?;
    let index: Value = serde_json::from_str(&text).context("the report is not JSON")?;
    let agents = index.as_object().context("the report names no server")?;
    let mut report = Report {
        passed: 0,
        failures: Vec::new(),
    };
    for (case, result) in agents.values().filter_map(Value::as_object).flatten() {
        let judged = ["behavior", "behaviorClose"]
            .map(|field| (field, result[field].as_str().unwrap_or("missing")));
        if judged.iter().all(|(_, behavior)| passes(case, behavior)) {
            report.passed += 1;
        } else {
            report.failures.push(format!(
                "case {case}: {judged:?}, see {}",
                path.with_file_name("").display()
            ));
        }
    }
    let cases = report.passed + report.failures.len();
    ensure!(
        cases >= LEAST_CASES,
        "only {cases} of {LEAST_CASES} cases were run"
    );
    Ok(report)
}

fn passes(case: &str, behavior: &str) -> bool {
    match behavior {
        "OK" | "INFORMATIONAL" => true,
        "NON-STRICT" => MAY_BE_NON_STRICT.contains(&case),
        _ => false,
    }
}
