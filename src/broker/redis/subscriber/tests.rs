//! The subscriber against a redis-server that is killed, stopped and started again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::super::{Event, Health};
use super::super::link::Link;
use super::super::options::Options;
use super::super::recorder::Recorder;
use super::super::testing::{RedisServer, eventually};
use super::Subscriber;
use crate::protocol::{Epoch, Position, RoomName};
use crate::telemetry::Metrics;

struct Node {
    link: Arc<Link>,
    subscriber: Arc<Subscriber>,
    seen: Arc<Recorder>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn node(options: &Options) -> Node {
    let (seen, metrics, stop) = (
        Arc::<Recorder>::default(),
        Arc::new(Metrics::new()),
        CancellationToken::new(),
    );
    let link = Link::new(options, Arc::clone(&metrics)).unwrap();
    let sink = Arc::<Recorder>::clone(&seen);
    let subscriber = Subscriber::start(
        &link,
        "n1",
        sink,
        Arc::clone(&metrics),
        &TaskTracker::new(),
        &stop,
    );
    Node {
        link,
        subscriber,
        seen,
        metrics,
        stop,
    }
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn publish(server: &RedisServer, name: &str, seq: u64) {
    server.run(&[
        "PUBLISH",
        &format!("madang:{{{name}}}"),
        &format!("1ee1\n{seq} 1700000000000 2\n{{}}"),
    ]);
}

fn channels(server: &RedisServer) -> Vec<String> {
    let mut names: Vec<String> =
        redis::from_redis_value(server.run(&["PUBSUB", "CHANNELS", "madang:{*"])).unwrap();
    names.sort();
    names
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::Down { .. })
}

/// Returns where the first such event stands.
fn place(node: &Node, matches: impl Fn(&Event) -> bool) -> usize {
    node.seen.events().iter().position(matches).unwrap()
}

#[tokio::test]
async fn payloads_arrive_after_the_confirmation_and_not_after_leaving() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.subscriber.subscribe(room("a {1}"), 7);
    node.seen.expect_subscribed(&room("a {1}"), 7).await;
    server.run(&[
        "PUBLISH",
        "madang:{a %7B1%7D}",
        "1ee1\n5 1700000000000 2\n{}",
    ]);
    eventually("the entry", || node.seen.seqs(&room("a {1}")) == [5]).await;
    assert_eq!(channels(&server), ["madang:{a %7B1%7D}"]);
    assert_eq!(node.metrics.broker_subscriptions.get(), 1);
    assert_eq!(*node.subscriber.way().health().borrow(), Health::Up);

    node.subscriber.unsubscribe(room("a {1}"), 6);
    node.subscriber.unsubscribe(room("a {1}"), 7);
    eventually("no subscription", || channels(&server).is_empty()).await;
    eventually("none counted", || {
        node.metrics.broker_subscriptions.get() == 0
    })
    .await;
}

#[tokio::test]
async fn a_killed_wire_is_told_and_every_room_subscribed_and_probed_again() {
    let server = RedisServer::start();
    let node = node(&server.options());
    for name in ["a", "b"] {
        node.subscriber.subscribe(room(name), 1);
        node.seen.expect_subscribed(&room(name), 1).await;
    }
    server.run(&["HSET", "madang:{a}:meta", "epoch", "e1", "seq", "9"]);
    node.seen.clear();
    server.run(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    node.seen.expect_subscribed(&room("a"), 1).await;
    node.seen.expect_subscribed(&room("b"), 1).await;
    let (down, up) = (
        place(&node, is_down),
        place(&node, |event| *event == Event::Up),
    );
    assert!(down < up && up < place(&node, |event| matches!(event, Event::Subscribed { .. })));
    let since = Instant::now();
    node.seen
        .expect_probed(&room("a"), &Position::new(Epoch::parse("e1").unwrap(), 9))
        .await;
    node.seen.expect_probed(&room("b"), &Position::EMPTY).await;
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "probed only in turn, after {:?}",
        since.elapsed()
    );
    assert_eq!(node.metrics.broker_reconnects.get(), 1);
}

#[tokio::test]
async fn a_crash_of_redis_is_survived() {
    let mut server = RedisServer::start();
    let node = node(&server.options());
    node.subscriber.subscribe(room("a"), 1);
    node.seen.expect_subscribed(&room("a"), 1).await;
    node.seen.clear();
    server.crash();
    node.seen.expect("down", is_down).await;
    assert!(
        matches!(&*node.subscriber.way().health().borrow(), Health::Down(outage) if outage.reason.contains("Redis at")
        || outage.reason.contains("nothing listens") || outage.reason.contains("broke"))
    );
    node.subscriber.subscribe(room("b"), 1);
    server.restart();
    node.seen.expect_subscribed(&room("a"), 1).await;
    node.seen.expect_subscribed(&room("b"), 1).await;
    publish(&server, "b", 3);
    eventually("the entry", || node.seen.seqs(&room("b")) == [3]).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed_within_three_seconds() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.subscriber.subscribe(room("a"), 1);
    let mut taken = Vec::new();
    for _ in 0..5 {
        node.seen.expect_subscribed(&room("a"), 1).await;
        node.seen.clear();
        server.signal("STOP");
        let stopped = Instant::now();
        node.seen.expect("down", is_down).await;
        taken.push(stopped.elapsed());
        server.signal("CONT");
    }
    taken.sort();
    assert!(taken[2] <= Duration::from_secs(3), "{taken:?}");
    node.seen.expect_subscribed(&room("a"), 1).await;
}

#[tokio::test]
async fn a_demoted_server_is_given_up_and_named() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.seen.expect_up().await;
    server.run(&["REPLICAOF", "127.0.0.1", "1"]);
    node.seen.expect("down", is_down).await;
    eventually("the reason", || {
        matches!(&*node.subscriber.way().health().borrow(), Health::Down(outage) if outage.reason.contains("replica"))
    })
    .await;
    server.run(&["REPLICAOF", "NO", "ONE"]);
    node.seen.expect_up().await;
}

#[tokio::test]
async fn another_lineage_behind_the_same_wires_drops_them() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.seen.expect_up().await;
    node.seen.clear();
    // A promotion so quick that no round sees the replica.
    let mut promotion = redis::pipe();
    promotion
        .atomic()
        .cmd("REPLICAOF")
        .arg("127.0.0.1")
        .arg(1)
        .cmd("REPLICAOF")
        .arg("NO")
        .arg("ONE");
    promotion.exec(&mut server.connection()).unwrap();
    node.seen
        .expect(
            "down",
            |event| matches!(event, Event::Down { reason } if reason.contains("lineage")),
        )
        .await;
    node.seen.expect_up().await;
}

#[tokio::test]
async fn five_thousand_rooms_are_a_few_round_trips() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.seen.expect_up().await;
    for index in 0..5000 {
        node.subscriber.subscribe(room(&format!("r{index}")), 1);
    }
    let subscribed = |event: &Event| matches!(event, Event::Subscribed { .. });
    eventually("all subscribed", || node.seen.count(subscribed) == 5000).await;
    let stats = server.text(&["INFO", "commandstats"]);
    let calls = stats.split("cmdstat_subscribe:calls=").nth(1).unwrap();
    let calls: u32 = calls.split(',').next().unwrap().parse().unwrap();
    assert!(calls <= 40, "{calls} SUBSCRIBEs");

    node.seen.clear();
    server.run(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    eventually("all subscribed again", || {
        node.seen.count(subscribed) == 5000
    })
    .await;
}

#[tokio::test]
async fn races_of_leaving_and_coming_end_with_the_last_wish() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.seen.expect_up().await;
    for generation in 1..=200 {
        for index in 0..20 {
            let name = room(&format!("r{index}"));
            node.subscriber.subscribe(name.clone(), generation);
            if generation < 200 || index < 10 {
                node.subscriber.unsubscribe(name, generation);
            }
        }
        tokio::task::yield_now().await;
    }
    for index in 10..20 {
        node.seen
            .expect_subscribed(&room(&format!("r{index}")), 200)
            .await;
    }
    eventually("ten rooms", || channels(&server).len() == 10).await;
    let mut last = std::collections::HashMap::new();
    for event in node.seen.events().iter() {
        if let Event::Subscribed { room, generation } = event {
            assert!(
                last.insert(room.clone(), *generation)
                    .is_none_or(|before| before < *generation)
            );
        }
    }
}

#[tokio::test]
async fn what_the_sink_refuses_is_suspected_and_probed() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.subscriber.subscribe(room("a"), 1);
    node.seen.expect_subscribed(&room("a"), 1).await;
    node.seen.clear();
    node.seen.refuse(true);
    publish(&server, "a", 4);
    eventually("the drop is counted", || {
        node.metrics.broker_pushes_dropped.get() == 1
    })
    .await;
    node.seen.refuse(false);
    node.seen
        .expect("suspect", |event| {
            *event == Event::Suspect { room: room("a") }
        })
        .await;

    node.seen.clear();
    server.run(&["PUBLISH", "madang:{a}", "1ee1\nnonsense"]);
    node.seen
        .expect("suspect", |event| {
            *event == Event::Suspect { room: room("a") }
        })
        .await;
    node.seen.expect_probed(&room("a"), &Position::EMPTY).await;
    assert!(node.seen.seqs(&room("a")).is_empty());
}

#[tokio::test]
async fn a_room_without_a_successor_is_probed_in_turn_and_kept_from_expiring() {
    let server = RedisServer::start();
    let node = node(&server.options());
    node.subscriber.subscribe(room("a"), 1);
    node.seen.expect_subscribed(&room("a"), 1).await;
    server.run(&["HSET", "madang:{a}:meta", "epoch", "e1", "seq", "3"]);
    server.run(&["XADD", "madang:{a}:log", "3-0", "e", "e1"]);
    for key in ["log", "meta"] {
        server.run(&["PEXPIRE", &format!("madang:{{a}}:{key}"), "20000"]);
    }
    node.seen
        .expect_probed(&room("a"), &Position::new(Epoch::parse("e1").unwrap(), 3))
        .await;
    let expiry = |key: &str| -> u64 {
        redis::from_redis_value(server.run(&["PEXPIRETIME", &format!("madang:{{a}}:{key}")]))
            .unwrap()
    };
    eventually("both expiries moved alike", || {
        expiry("log") == expiry("meta") && expiry("log") > node.link.clock().now_ms() + 3_600_000
    })
    .await;
    assert!((4.9..5.1).contains(&node.metrics.broker_probe_interval.get()));
}

#[tokio::test]
async fn faults_of_the_configuration_are_named() {
    let server = RedisServer::start();
    server.run(&["CONFIG", "SET", "requirepass", "secret"]);
    let node = node(&server.options());
    eventually("the reason", || {
        matches!(&*node.subscriber.way().health().borrow(),
            Health::Starting(Some(reason)) if reason.contains("redis.password_file"))
    })
    .await;
    assert_eq!(node.seen.count(is_down), 0);
}

#[tokio::test]
async fn a_server_that_may_evict_is_noted() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let node = node(&server.options());
    node.seen.expect_up().await;
    assert_eq!(node.metrics.broker_evicts.get(), 1);
    eventually("a round trip", || {
        node.metrics.broker_round_trip.get_sample_count() > 0
    })
    .await;
}
