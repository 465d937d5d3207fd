//! The report for people.

use std::fmt::Write as _;

use super::json::{Quantiles, Report};
use crate::tools::bench::record::Words;

/// Columns of the names.
const NAME: usize = 14;

/// Returns the table.
pub(super) fn table(report: &Report) -> String {
    let mut table = Table(String::new());
    let plan = &report.plan;
    let load = match (plan.rate, plan.window) {
        (_, Some(window)) => format!("{window} of each sender under way"),
        (Some(rate), None) if rate > 0.0 => format!("{rate} messages/s"),
        _ => "idle".to_owned(),
    };
    table.line(
        "plan",
        &format!(
            "{} rooms x {} members, {load}, {} bytes, {} s, seed {}",
            plan.rooms, plan.members, plan.payload, plan.seconds, report.seed
        ),
    );
    let sessions = &report.sessions;
    table.line(
        "sessions",
        &format!(
            "{} opened, {} failed, {} closed",
            sessions.opened, sessions.failed, sessions.closed
        ),
    );
    table.words("", &sessions.failed_why);
    table.words("", &sessions.closed_why);
    table.traffic(report);
    table.times(report);
    table.resume(report);
    table.cost(report);
    for what in &report.void {
        table.line("VOID", what);
    }
    for what in &report.wrong {
        table.line("WRONG", what);
    }
    table.0
}

#[derive(Debug)]
struct Table(String);

impl Table {
    fn line(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "{name:<NAME$}{text}");
    }

    fn words(&mut self, name: &str, words: &Words) {
        for (word, count) in words {
            self.line(name, &format!("{count} x {word}"));
        }
    }

    fn traffic(&mut self, report: &Report) {
        if let Some(messages) = &report.messages {
            let text = format!(
                "{} due, {} sent, {} accepted, {:.0}/s",
                messages.due, messages.sent, messages.accepted, messages.per_second
            );
            self.line("messages", &text);
            self.words("  refused", &messages.refused);
        }
        if let Some(deliveries) = &report.deliveries {
            let text = format!(
                "{} of {} (ratio {:.4}), {:.0}/s, {:.2} frames per read",
                deliveries.received,
                deliveries.expected,
                deliveries.ratio,
                deliveries.per_second,
                deliveries.frames_per_read
            );
            self.line("deliveries", &text);
            let text = format!(
                "{} lost, {} doubled, {} out of order, {} told as gaps",
                deliveries.lost, deliveries.doubled, deliveries.reordered, deliveries.told
            );
            self.line("", &text);
        }
    }

    fn times(&mut self, report: &Report) {
        let rows = [
            ("open", &report.sessions.open_ms),
            (
                "accept",
                &report
                    .messages
                    .as_ref()
                    .and_then(|messages| messages.accept_ms),
            ),
            ("delivery", &report.latency_ms),
            ("  same node", &report.same_node_ms),
            ("  other node", &report.other_node_ms),
            ("last member", &report.last_member_ms),
            ("lateness", &report.lateness_ms),
            (
                "resume",
                &report.resume.as_ref().and_then(|resume| resume.joined_ms),
            ),
        ];
        let rows: Vec<_> = rows
            .into_iter()
            .filter_map(|(name, times)| Some((name, (*times)?)))
            .collect();
        if rows.is_empty() {
            return;
        }
        let heads = ["p50", "p90", "p99", "p99.9", "max", "mean"].map(|head| format!("{head:>10}"));
        self.line("times in ms", &heads.concat());
        for (name, times) in rows {
            let Quantiles {
                p50,
                p90,
                p99,
                p999,
                max,
                mean,
                ..
            } = times;
            let cells = [p50, p90, p99, p999, max, mean].map(|time| format!("{time:>10.3}"));
            self.line(name, &cells.concat());
        }
    }

    fn resume(&mut self, report: &Report) {
        if let Some(resume) = &report.resume {
            let text = format!(
                "{} of {} whole after {:.1} s; refused for now {}, without a hint {}",
                resume.whole,
                resume.sessions,
                resume.seconds,
                resume.refused,
                resume.refused_without_hint
            );
            self.line("resumed", &text);
            self.words("", &resume.refused_without_hint_why);
        }
        if let Some(slow) = &report.slow {
            let text = format!(
                "{} sessions, {} closed, {} deliveries, {} told as gaps",
                slow.sessions, slow.closed, slow.received, slow.told
            );
            self.line("slow readers", &text);
        }
    }

    fn cost(&mut self, report: &Report) {
        for (name, memory) in &report.memory {
            let mut text = format!("{} KiB empty", memory.empty_kib);
            let steps = [
                ("idle", memory.idle_kib, memory.idle_per_session_kib),
                ("after", memory.after_kib, memory.after_per_session_kib),
            ];
            for (step, kib, each) in steps {
                if let (Some(kib), Some(each)) = (kib, each) {
                    let _ = write!(text, ", {kib} {step} ({each:.2} per session)");
                }
            }
            let _ = write!(text, ", {} at most", memory.peak_kib);
            self.line("memory", &format!("{name}: {text}"));
        }
        for (name, cost) in &report.processes {
            let mut text = format!("{name}: {:.1} % of a core", cost.percent_of_core);
            if let (Some(delivery), Some(message)) = (cost.us_per_delivery, cost.us_per_message) {
                let _ = write!(text, ", {delivery:.2} us per delivery");
                if let Some(kernel) = cost.kernel_us_per_delivery {
                    let _ = write!(text, " ({kernel:.2} in the kernel)");
                }
                let _ = write!(text, ", {message:.1} us per message");
            }
            self.line("cpu", &text);
        }
        let generator = &report.generator;
        let mut text = format!(
            "this bench: {:.1} % of each of its cores",
            generator.percent_of_core
        );
        if let Some(each) = generator.us_per_delivery {
            let _ = write!(text, ", {each:.2} us per delivery");
        }
        self.line("", &text);
        let machine = &report.machine;
        let text = format!(
            "others: {:.1} %, steal {:.1} %, of {} cores",
            machine.other_percent, machine.steal_percent, machine.cores
        );
        self.line("", &text);
    }
}
