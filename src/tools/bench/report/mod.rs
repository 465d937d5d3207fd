//! What a run brought, for people and for machines.

mod fill;
mod json;
mod plot;
pub(super) mod progress;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use super::plan::Plan;
use super::record::Times;
use super::run::Outcome;
use json::Report;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    report: Report,
    /// Times with their names in the plot.
    curves: Vec<(&'static str, Times)>,
}

impl Measured {
    pub(super) fn new(plan: &Plan, outcome: Outcome) -> Self {
        let report = Report::new(plan, &outcome);
        let record = outcome.record;
        let mut delivery = record.same_node;
        delivery.add(&record.other_node);
        let curves = [
            ("delivery", delivery),
            ("last member", record.last_member),
            ("accept", record.accept),
            ("resume", record.resumes.joined),
        ];
        let curves = curves
            .into_iter()
            .filter(|(_, times)| !times.histogram().is_empty());
        Self {
            report,
            curves: curves.collect(),
        }
    }

    /// Returns the report as one JSON object; `docs/bench.md` says what is in it.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(&self.report).expect("numbers and texts are JSON")
    }

    /// Returns the report for people.
    #[must_use]
    pub fn table(&self) -> String {
        table::table(&self.report)
    }

    /// Returns a plot of the times by percentile, as SVG.
    #[must_use]
    pub fn plot(&self) -> String {
        plot::plot(&plot::title(&self.report), &self.curves)
    }

    /// Says whether all went well.
    ///
    /// # Errors
    /// What was lost, doubled or reordered, and what failed, in one sentence.
    pub fn verdict(&self) -> Result<(), String> {
        if self.report.wrong.is_empty() {
            return Ok(());
        }
        Err(self.report.wrong.join("; "))
    }
}
