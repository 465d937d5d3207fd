//! `madang bench` against a node, and against servers that do wrong.

/// A small server that does one thing wrong.
mod broken;

use std::time::Duration;

use madang::tools::bench::dialect::Dialect;
use madang::tools::bench::{Measured, Options, measure};
use serde_json::Value;

use self::broken::{Broken, Fault};
use crate::support::cluster::{Cluster, settings};

/// A short run of 4 rooms with 3 members each.
fn options(urls: Vec<String>) -> Options {
    Options {
        urls,
        rooms: 4,
        members: 3,
        rate: Some(200.0),
        settle: Duration::ZERO,
        warmup: Duration::from_millis(200),
        time: Duration::from_secs(1),
        is_quiet: true,
        ..Options::default()
    }
}

fn urls(cluster: &Cluster) -> Vec<String> {
    let addresses = cluster.nodes.iter().map(|node| node.address());
    addresses
        .map(|address| format!("http://{address}"))
        .collect()
}

async fn run(options: Options) -> Measured {
    let measured = tokio::task::spawn_blocking(move || measure(options)).await;
    measured.unwrap().expect("the bench runs")
}

fn json(measured: &Measured) -> Value {
    serde_json::from_str(&measured.json()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_node_delivers_is_counted() {
    let cluster = Cluster::memory(1).await;
    let measured = run(Options {
        hold: Duration::from_millis(100),
        processes: vec![std::process::id().to_string().parse().unwrap()],
        ..options(urls(&cluster))
    })
    .await;
    assert_eq!(measured.verdict(), Ok(()));
    let json = json(&measured);
    assert_eq!(json["sessions"]["opened"], 12);
    let sent = json["messages"]["sent"].as_u64().unwrap();
    assert!(sent > 100, "{json}");
    assert_eq!(json["messages"]["accepted"], sent);
    assert_eq!(json["deliveries"]["expected"], 3 * sent);
    assert_eq!(json["deliveries"]["received"], 3 * sent);
    assert_eq!(json["latency_ms"]["count"], 3 * sent);
    assert_eq!(json["last_member_ms"]["count"], sent);
    assert!(json["memory"]["server"]["idle_kib"].as_u64().unwrap() > 1_000);
    assert!(json["processes"]["server"]["cpu_s"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_alternate_over_nodes_and_are_told_apart() {
    let cluster = Cluster::redis(2).await;
    let measured = run(Options {
        threads: 2,
        ..options(urls(&cluster))
    })
    .await;
    assert_eq!(measured.verdict(), Ok(()));
    let json = json(&measured);
    let count = |name: &str| json[name]["count"].as_u64().unwrap();
    // Two members are at the first node and one at the second.
    assert_eq!(
        count("latency_ms"),
        count("same_node_ms") + count("other_node_ms")
    );
    assert!(count("other_node_ms") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_keeps_so_many_under_way() {
    let cluster = Cluster::memory(1).await;
    let measured = run(Options {
        rate: None,
        window: Some(2),
        senders: Some(1),
        ..options(urls(&cluster))
    })
    .await;
    assert_eq!(measured.verdict(), Ok(()));
    let json = json(&measured);
    assert!(json["messages"]["accepted"].as_u64().unwrap() > 8, "{json}");
    assert_eq!(json["deliveries"]["ratio"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_those_who_come_back_is_whole() {
    let cluster = Cluster::redis(2).await;
    let measured = run(Options {
        storm: Some(Duration::from_secs(2)),
        ..options(urls(&cluster))
    })
    .await;
    assert_eq!(measured.verdict(), Ok(()));
    let json = json(&measured);
    assert_eq!(json["resume"]["sessions"], 12);
    assert_eq!(json["resume"]["whole"], 12);
    assert_eq!(json["resume"]["joined_ms"]["count"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_read_are_not_waited_for() {
    let cluster = Cluster::memory(1).await;
    let measured = run(Options {
        slow: 25.0,
        ..options(urls(&cluster))
    })
    .await;
    assert_eq!(measured.verdict(), Ok(()));
    let json = json(&measured);
    assert_eq!(json["slow"]["sessions"], 3);
    assert!(json["slow"]["received"].as_u64().unwrap() > 0, "{json}");
    assert_eq!(json["deliveries"]["ratio"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_target_are_named() {
    let mut settings = settings();
    settings.limits.sends_per_second = 1;
    settings.limits.send_burst = 1;
    let cluster = Cluster::memory_with(1, settings).await;
    let measured = run(options(urls(&cluster))).await;
    let fault = measured.verdict().unwrap_err();
    assert!(fault.contains("limits.sends_per_second"), "{fault}");
    let json = json(&measured);
    let refused = json["messages"]["refused"]["rate_limited"]
        .as_u64()
        .unwrap();
    let sent = json["messages"]["sent"].as_u64().unwrap();
    assert_eq!(json["deliveries"]["expected"], 3 * (sent - refused));
    assert_eq!(
        json["deliveries"]["ratio"], 1.0,
        "what is refused is not expected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_wrong_is_found() {
    let rows = [
        (None, [0, 0]),
        (Some(Fault::Loses), [1, 0]),
        (Some(Fault::Doubles), [0, 1]),
        (Some(Fault::Swaps), [0, 0]),
    ];
    for (fault, lost_and_doubled) in rows {
        let server = Broken::start(fault).await;
        let measured = run(Options {
            dialect: Dialect::Plain,
            drain: Duration::from_secs(if fault == Some(Fault::Loses) { 1 } else { 10 }),
            ..options(vec![server.url()])
        })
        .await;
        let json = json(&measured);
        let deliveries = &json["deliveries"];
        let found = [&deliveries["lost"], &deliveries["doubled"]];
        assert_eq!(found, lost_and_doubled, "{fault:?}: {json}");
        let is_reordered = deliveries["reordered"] != 0;
        assert_eq!(
            is_reordered,
            fault == Some(Fault::Swaps),
            "{fault:?}: {json}"
        );
        assert_eq!(
            measured.verdict().is_err(),
            fault.is_some(),
            "{fault:?}: {json}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_a_server_closes_are_told_with_the_reason() {
    let server = Broken::start(Some(Fault::Closes)).await;
    let measured = run(Options {
        dialect: Dialect::Plain,
        ..options(vec![server.url()])
    })
    .await;
    let fault = measured.verdict().unwrap_err();
    assert!(
        fault.contains("1 sessions were closed (1001 enough)"),
        "{fault}"
    );
}

/// Makes options that cannot be used.
type Change = fn(&mut Options);

#[test]
fn options_that_cannot_be_used_are_told_in_a_sentence() {
    let rows: [(&str, Change); 10] = [
        ("--payload must be from 31 to 65536 bytes", |options| {
            options.payload = 10
        }),
        ("--rate and --window exclude each other", |options| {
            options.window = Some(1)
        }),
        ("open files allow", |options| options.members = 100_000_000),
        ("TLS is not spoken", |options| {
            options.urls = vec!["https://chat".to_owned()]
        }),
        ("must begin with http:// or ws://", |options| {
            options.urls = vec!["chat".to_owned()]
        }),
        (
            "--threads must be from 1 to the number of rooms, 4",
            |options| options.threads = 5,
        ),
        ("has nothing to resume from", |options| {
            options.dialect = Dialect::SocketIo;
            options.storm = Some(Duration::from_secs(1));
        }),
        (
            "--senders must be from 1 to the members of a room, 3",
            |options| options.senders = Some(4),
        ),
        ("--slow must be from 0 to below 100 percent", |options| {
            options.slow = 100.0
        }),
        ("/proc/4294967295/", |options| {
            options.processes = vec!["4294967295".parse().unwrap()]
        }),
    ];
    for (told, change) in rows {
        let mut options = options(vec!["http://127.0.0.1:1".to_owned()]);
        change(&mut options);
        let fault = measure(options).unwrap_err();
        assert!(fault.contains(told), "{told}: {fault}");
    }
}

#[test]
fn a_target_where_nobody_listens_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let fault = measure(options(vec![format!("http://{free}")])).unwrap_err();
    assert_eq!(fault, "no session could be opened: nobody listens there");
}
