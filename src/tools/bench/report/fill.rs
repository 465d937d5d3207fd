//! The report from what the threads counted and what the machine told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::json::{
    CostOf, Deliveries, Generator, Machine, MemoryOf, Messages, Planned, Quantiles, Report, Resume,
    Sessions, SlowReaders,
};
use super::verdict;
use crate::tools::bench::account::{ByThread, Cpu, used};
use crate::tools::bench::plan::{Load, Plan};
use crate::tools::bench::record::{Record, Times, sum};
use crate::tools::bench::run::{Cost, Memory, Outcome};

const MILLISECOND: f64 = 1e6;

impl Report {
    pub(super) fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let (options, record) = (&plan.options, &outcome.record);
        let has_traffic = plan.load != Load::Idle;
        let seconds = outcome.cost.time.as_secs_f64();
        let mut latency = record.same_node.clone();
        latency.add(&record.other_node);
        let has_nodes = plan.targets.len() > 1;
        let mut report = Self {
            label: options.label.clone(),
            version: crate::VERSION,
            protocol: options.dialect.to_string(),
            urls: options.urls.clone(),
            seed: plan.seed,
            plan: Planned {
                rooms: options.rooms,
                members: options.members,
                sessions: plan.sessions,
                senders: plan.senders,
                rate: options.rate,
                window: options.window,
                arrivals: options.arrivals,
                payload: options.payload,
                seconds: options.time.as_secs_f64(),
            },
            sessions: Sessions {
                opened: record.opened,
                failed: sum(&record.failed),
                closed: sum(&record.closed),
                failed_why: record.failed.clone(),
                closed_why: record.closed.clone(),
                open_ms: quantiles(&record.open),
            },
            messages: has_traffic.then(|| messages(record, seconds)),
            deliveries: has_traffic.then(|| deliveries(record, seconds)),
            latency_ms: quantiles(&latency),
            last_member_ms: quantiles(&record.last_member),
            same_node_ms: quantiles(&record.same_node).filter(|_| has_nodes),
            other_node_ms: quantiles(&record.other_node).filter(|_| has_nodes),
            lateness_ms: quantiles(&record.lateness),
            resume: outcome.resumed_in.map(|time| resume(record, time)),
            slow: (record.slow.sessions > 0).then_some(SlowReaders {
                sessions: record.slow.sessions,
                closed: record.slow.closed,
                received: record.slow.received,
                told: record.slow.told,
            }),
            memory: memory(&outcome.memory, record.opened),
            processes: if options.time.is_zero() {
                BTreeMap::new()
            } else {
                processes(&outcome.cost, record)
            },
            generator: generator(plan, &outcome.cost, record),
            machine: machine(&outcome.cost),
            void: Vec::new(),
            wrong: verdict::wrong(record),
        };
        report.void = verdict::void(&report);
        report
    }
}

fn messages(record: &Record, seconds: f64) -> Messages {
    Messages {
        due: record.due,
        sent: record.sent,
        accepted: record.accepted,
        refused: record.refused.clone(),
        per_second: float(record.accepted) / seconds,
        accept_ms: quantiles(&record.accept),
    }
}

fn deliveries(record: &Record, seconds: f64) -> Deliveries {
    let ratio = if record.expected == 0 {
        1.0
    } else {
        float(record.received) / float(record.expected)
    };
    Deliveries {
        expected: record.expected,
        received: record.received,
        ratio,
        lost: record.tally.lost.saturating_sub(record.told),
        doubled: record.tally.doubled,
        reordered: record.tally.reordered,
        told: record.told,
        per_second: float(record.received) / seconds,
        frames_per_read: float(record.frames) / float(record.reads.max(1)),
    }
}

fn resume(record: &Record, time: Duration) -> Resume {
    let resumes = &record.resumes;
    Resume {
        sessions: resumes.sessions,
        whole: resumes.whole,
        refused: resumes.refused,
        refused_without_hint: sum(&resumes.refused_without_hint),
        refused_without_hint_why: resumes.refused_without_hint.clone(),
        joined_ms: quantiles(&resumes.joined),
        seconds: time.as_secs_f64(),
    }
}

fn memory(memory: &BTreeMap<String, Memory>, sessions: u64) -> BTreeMap<String, MemoryOf> {
    let of = |memory: &Memory| {
        let per_session = |kib: u64| (float(kib) - float(memory.empty)) / float(sessions.max(1));
        MemoryOf {
            empty_kib: memory.empty,
            idle_kib: memory.idle,
            peak_kib: memory.peak,
            after_kib: memory.after,
            idle_per_session_kib: memory.idle.map(per_session),
            after_per_session_kib: memory.after.map(per_session),
        }
    };
    memory
        .iter()
        .map(|(name, memory)| (name.clone(), of(memory)))
        .collect()
}

fn processes(cost: &Cost, record: &Record) -> BTreeMap<String, CostOf> {
    let of = |(name, after): (&String, &ByThread)| {
        let nothing = ByThread::new();
        let before = cost.before.processes.get(name).unwrap_or(&nothing);
        let used = float(used(before, after));
        let each = |count: u64| (count > 0).then(|| used / 1e3 / float(count));
        let ticks = |cpu: &Cpu| cpu.ticks.get(name).copied().unwrap_or_default();
        let kernel = ticks(&cost.after).kernel_part(ticks(&cost.before));
        let cost = CostOf {
            cpu_s: used / 1e9,
            percent_of_core: percent(used, cost.time),
            us_per_delivery: each(record.received),
            kernel_us_per_delivery: each(record.received)
                .zip(kernel)
                .map(|(us, part)| us * part),
            us_per_message: each(record.accepted),
        };
        (name.clone(), cost)
    };
    cost.after.processes.iter().map(of).collect()
}

fn generator(plan: &Plan, cost: &Cost, record: &Record) -> Generator {
    let used = float(used(&cost.before.generator, &cost.after.generator));
    Generator {
        percent_of_core: percent(used, cost.time) / f64::from(plan.options.threads),
        threads: plan.options.threads,
        us_per_delivery: (record.received > 0).then(|| used / 1e3 / float(record.received)),
    }
}

fn machine(cost: &Cost) -> Machine {
    let (before, after) = (&cost.before, &cost.after);
    let nothing = ByThread::new();
    let named = after.processes.iter().map(|(name, after)| {
        let before = before.processes.get(name).unwrap_or(&nothing);
        used(before, after)
    });
    let known = named.sum::<u64>() + used(&before.generator, &after.generator);
    let busy = after.busy.saturating_sub(before.busy);
    Machine {
        cores: after.cores,
        other_percent: percent(float(busy.saturating_sub(known)), cost.time),
        steal_percent: percent(float(after.steal.saturating_sub(before.steal)), cost.time),
    }
}

/// Returns which part of a core some nanoseconds are.
fn percent(nanoseconds: f64, time: Duration) -> f64 {
    let time = time.as_secs_f64() * 1e9;
    if time > 0.0 {
        100.0 * nanoseconds / time
    } else {
        0.0
    }
}

/// Returns what is told of some times, or nothing if there are none.
pub(super) fn quantiles(times: &Times) -> Option<Quantiles> {
    let histogram = times.histogram();
    if histogram.is_empty() {
        return None;
    }
    let at = |quantile: f64| float(histogram.value_at_quantile(quantile)) / MILLISECOND;
    Some(Quantiles {
        count: histogram.len(),
        min: float(histogram.min()) / MILLISECOND,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: float(histogram.max()) / MILLISECOND,
        mean: histogram.mean() / MILLISECOND,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times are far below 2⁵³"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
