use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::Options;
use super::super::account::{ByThread, Cpu, Ticks};
use super::super::record::{Record, count};
use super::super::run::{Cost, Memory};
use super::*;

const SECOND: u64 = 1_000_000_000;

/// Makes something of a run different.
type Change<T> = fn(&mut T);

/// Ten seconds in which each of 1,000 deliveries of 100 messages took 2 ms, the server half a core and the bench a
/// tenth.
fn outcome() -> Outcome {
    let mut record = Record {
        opened: 20,
        due: 100,
        sent: 100,
        accepted: 100,
        expected: 1_000,
        received: 1_000,
        reads: 500,
        frames: 1_100,
        ..Record::default()
    };
    for _ in 0..1_000 {
        record.same_node.record(2_000_000);
    }
    record.lateness.record(10_000);
    let server =
        |used: u64| BTreeMap::from([("server".to_owned(), ByThread::from([(1, used), (2, 7)]))]);
    let ticks = |own, kernel| BTreeMap::from([("server".to_owned(), Ticks { own, kernel })]);
    let before = Cpu {
        processes: server(SECOND),
        ticks: ticks(100, 50),
        generator: ByThread::from([(9, SECOND)]),
        busy: 50 * SECOND,
        steal: 0,
        cores: 2,
    };
    let after = Cpu {
        processes: server(6 * SECOND),
        ticks: ticks(250, 400),
        generator: ByThread::from([(9, 2 * SECOND)]),
        busy: 56 * SECOND + SECOND / 10,
        steal: SECOND / 10,
        cores: 2,
    };
    let memory = Memory {
        empty: 1_000,
        idle: Some(1_060),
        after: Some(1_100),
        peak: 2_000,
    };
    Outcome {
        record,
        memory: BTreeMap::from([("server".to_owned(), memory)]),
        cost: Cost {
            before,
            after,
            time: Duration::from_secs(10),
        },
        resumed_in: None,
    }
}

fn measured(outcome: Outcome) -> Measured {
    let options = Options {
        urls: vec!["http://127.0.0.1:1".to_owned()],
        rooms: 2,
        members: 10,
        rate: Some(10.0),
        label: "a <b> & c".to_owned(),
        ..Options::default()
    };
    Measured::new(&Plan::new(options).unwrap(), outcome)
}

fn json(outcome: Outcome) -> Value {
    serde_json::from_str(&measured(outcome).json()).unwrap()
}

fn near(value: &Value, expected: f64) -> bool {
    (value.as_f64().unwrap() - expected).abs() < expected.abs() * 0.002 + 1e-9
}

#[test]
fn figures_follow_from_what_was_counted() {
    let json = json(outcome());
    let rows = [
        (&json["messages"]["per_second"], 10.0),
        (&json["deliveries"]["ratio"], 1.0),
        (&json["deliveries"]["per_second"], 100.0),
        (&json["deliveries"]["frames_per_read"], 2.2),
        (&json["latency_ms"]["p99"], 2.0),
        (&json["processes"]["server"]["cpu_s"], 5.0),
        (&json["processes"]["server"]["percent_of_core"], 50.0),
        (&json["processes"]["server"]["us_per_delivery"], 5_000.0),
        (
            &json["processes"]["server"]["kernel_us_per_delivery"],
            3_500.0,
        ),
        (&json["processes"]["server"]["us_per_message"], 50_000.0),
        (&json["memory"]["server"]["idle_per_session_kib"], 3.0),
        (&json["memory"]["server"]["after_per_session_kib"], 5.0),
        (&json["generator"]["percent_of_core"], 10.0),
        (&json["machine"]["other_percent"], 1.0),
        (&json["machine"]["steal_percent"], 1.0),
    ];
    for (index, (value, expected)) in rows.into_iter().enumerate() {
        assert!(
            near(value, expected),
            "row {index}: {value} is not {expected}"
        );
    }
    assert_eq!(json["void"], serde_json::json!([]));
    assert_eq!(json["wrong"], serde_json::json!([]));
    for absent in ["resume", "slow", "same_node_ms", "last_member_ms"] {
        assert!(json.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn what_measures_the_bench_rather_than_the_server_is_void() {
    let changes: [(&str, Change<Outcome>); 4] = [
        ("the generator took 90 % of its core", |outcome| {
            outcome.cost.after.generator = ByThread::from([(9, 10 * SECOND)]);
        }),
        ("others took", |outcome| outcome.cost.after.steal = SECOND),
        ("the generator was late", |outcome| {
            outcome.record.lateness.record(8_000_000);
        }),
        ("1 of 1000 deliveries did not come", |outcome| {
            outcome.record.received -= 1;
        }),
    ];
    for (told, change) in changes {
        let mut outcome = outcome();
        change(&mut outcome);
        let measured = measured(outcome);
        let void = &measured.report.void;
        assert!(
            void.iter().any(|what| what.contains(told)),
            "{told}: {void:?}"
        );
        assert!(measured.table().contains("VOID"), "{told}");
        assert_eq!(measured.verdict(), Ok(()), "void is not wrong");
    }
}

#[test]
fn what_the_server_did_wrong_is_told() {
    let changes: [(&str, Change<Record>); 10] = [
        ("3 deliveries are lost", |record| record.tally.lost = 3),
        ("1 deliveries are doubled", |record| {
            record.tally.doubled = 1
        }),
        ("1 deliveries are out of order", |record| {
            record.tally.reordered = 1
        }),
        ("1 messages were shown that nobody sent", |record| {
            record.tally.foreign = 1
        }),
        ("1 messages have no answer", |record| {
            record.tally.unanswered = 1
        }),
        ("1 numbers of a log", |record| record.jumps = 1),
        ("1 sessions failed (HTTP 503)", |record| {
            count(&mut record.failed, "HTTP 503")
        }),
        ("1 sessions were closed (1012 drain)", |record| {
            count(&mut record.closed, "1012 drain")
        }),
        ("limits.sends_per_second", |record| {
            count(&mut record.refused, "rate_limited")
        }),
        ("2 of 5 sessions did not come back whole", |record| {
            record.resumes.sessions = 5;
            record.resumes.whole = 3;
        }),
    ];
    for (told, change) in changes {
        let mut outcome = outcome();
        change(&mut outcome.record);
        let fault = measured(outcome).verdict().unwrap_err();
        assert!(fault.contains(told), "{told}: {fault}");
    }
    let mut outcome = outcome();
    outcome.record.tally.lost = 3;
    outcome.record.told = 3;
    assert_eq!(
        measured(outcome).verdict(),
        Ok(()),
        "what is told is not lost"
    );
}

#[test]
fn a_run_that_measures_no_time_has_no_figures_of_it() {
    let options = Options {
        urls: vec!["http://127.0.0.1:1".to_owned()],
        time: Duration::ZERO,
        ..Options::default()
    };
    let mut outcome = outcome();
    outcome.cost.time = Duration::from_nanos(1);
    let measured = Measured::new(&Plan::new(options).unwrap(), outcome);
    assert_eq!(measured.report.void, [""; 0]);
    assert!(measured.report.processes.is_empty());
    assert!(!measured.report.memory.is_empty());
}

#[test]
fn the_document_names_every_part_of_the_report() {
    let document = include_str!("../../../../docs/bench.md");
    let mut outcome = outcome();
    outcome.record.slow.sessions = 1;
    outcome.record.last_member.record(1);
    outcome.resumed_in = Some(Duration::from_secs(1));
    let json = json(outcome);
    // What is only with several targets.
    let mut names = vec!["same_node_ms".to_owned(), "other_node_ms".to_owned()];
    let plain = ["label", "version", "protocol", "urls", "seed", "plan"];
    names.extend(json.as_object().unwrap().keys().cloned());
    names.extend(json["deliveries"].as_object().unwrap().keys().cloned());
    names.extend(json["resume"].as_object().unwrap().keys().cloned());
    names.retain(|name| !plain.contains(&name.as_str()));
    // What the table above says of them all: they count loss, doubles and order.
    names.retain(|name| !["lost", "doubled", "reordered"].contains(&name.as_str()));
    for name in names {
        assert!(
            document.contains(&format!("`{name}`")),
            "`{name}` is not in docs/bench.md"
        );
    }
}

#[test]
fn the_table_has_the_figures() {
    let table = measured(outcome()).table();
    for text in [
        "1000 of 1000 (ratio 1.0000)",
        "5000.00 us per delivery",
        "(3.00 per session)",
        "delivery           2.0",
    ] {
        assert!(table.contains(text), "{text} is not in\n{table}");
    }
}

#[test]
fn the_plot_has_a_curve_for_each_kind_of_time() {
    let mut outcome = outcome();
    for time in 1..10_000 {
        outcome.record.accept.record(time * 1_000);
    }
    let plot = measured(outcome).plot();
    assert_eq!(plot.matches("<polyline").count(), 2);
    assert!(plot.contains("a &lt;b> &amp; c"), "{plot}");
    assert!(plot.contains("99.9 %") && !plot.contains("NaN") && !plot.contains("inf"));
    for points in plot.split("points=\"").skip(1) {
        let points = points.split('"').next().unwrap();
        let points: Vec<(f64, f64)> = points
            .split(' ')
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        // Higher percentiles stand to the right, longer times above.
        assert!(
            points
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 >= pair[1].1)
        );
    }
}
