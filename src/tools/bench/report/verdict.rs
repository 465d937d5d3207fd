//! What went wrong, and why a run says nothing about the server.

use super::json::Report;
use crate::tools::bench::record::{Record, Words, sum};

/// The most that the bench may use of each of its cores, in percent.
const GENERATOR: f64 = 85.0;
/// The most that others may use of a core, in percent.
const OTHERS: f64 = 5.0;
/// The longest that one message in a hundred may be late, in milliseconds: latency runs from when it was due, but who is
/// later than that sends bursts where steady work was asked for. On a core that the bench shares, the slices of the
/// system's scheduler alone are about 3 ms.
const LATENESS: f64 = 5.0;

/// Returns what makes the run void.
pub(super) fn void(report: &Report) -> Vec<String> {
    let mut void = Vec::new();
    if report.plan.seconds == 0.0 {
        return void;
    }
    let used = report.generator.percent_of_core;
    if used > GENERATOR {
        void.push(format!(
            "the generator took {used:.0} % of its core ({GENERATOR:.0} at most)"
        ));
    }
    let others = report.machine.other_percent + report.machine.steal_percent;
    if others > OTHERS {
        void.push(format!(
            "others took {others:.1} % of a core ({OTHERS:.0} at most)"
        ));
    }
    if let Some(late) = report.lateness_ms.filter(|late| late.p99 > LATENESS) {
        void.push(format!(
            "the generator was late: {:.1} ms at the 99th percentile ({LATENESS:.0} at most)",
            late.p99
        ));
    }
    if let Some(deliveries) = &report.deliveries
        && deliveries.received < deliveries.expected
    {
        void.push(format!(
            "{} of {} deliveries did not come",
            deliveries.expected - deliveries.received,
            deliveries.expected
        ));
    }
    void
}

/// Returns what went wrong.
pub(super) fn wrong(record: &Record) -> Vec<String> {
    let tally = &record.tally;
    let lost = tally.lost.saturating_sub(record.told);
    let counts = [
        (lost, "deliveries are lost"),
        (tally.doubled, "deliveries are doubled"),
        (tally.reordered, "deliveries are out of order"),
        (
            record.jumps,
            "numbers of a log do not follow the one before",
        ),
        (tally.foreign, "messages were shown that nobody sent"),
        (tally.unanswered, "messages have no answer"),
        (record.rewound, "times a log was replaced"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let mut wrong: Vec<String> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let resumes = &record.resumes;
    let words = [
        ("sessions failed", &record.failed),
        ("sessions were closed", &record.closed),
        (
            "resumes were refused without a time to come back",
            &resumes.refused_without_hint,
        ),
        ("frames make no sense", &record.nonsense),
    ];
    let told = words.into_iter().filter(|(_, words)| !words.is_empty());
    wrong.extend(told.map(|(what, words)| format!("{} {what} ({})", sum(words), most(words))));
    if resumes.whole < resumes.sessions {
        wrong.push(format!(
            "{} of {} sessions did not come back whole",
            resumes.sessions - resumes.whole,
            resumes.sessions
        ));
    }
    if record.refused.contains_key("rate_limited") {
        wrong.push(
            "the target refused messages as rate_limited: raise its limits.sends_per_second, \
             or spread the rate over more senders"
                .to_owned(),
        );
    }
    wrong
}

/// Returns the most frequent of some words.
fn most(words: &Words) -> &str {
    let most = words.iter().max_by_key(|(_, count)| **count);
    most.map_or("", |(word, _)| word.as_str())
}
