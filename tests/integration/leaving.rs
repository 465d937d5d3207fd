//! Nodes that leave in order: who is told when, and that nobody loses anything by it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::cluster::{Cluster, settings};
use crate::support::eventually;
use crate::support::page::Page;

/// Sessions of the node that leaves.
const SESSIONS: usize = 160;
/// Time over which they are let go.
const WINDOW: Duration = Duration::from_secs(4);

fn drained_over(window: Duration) -> madang::config::Settings {
    let mut settings = settings();
    settings.drain.window = window;
    settings
}

/// Opens sessions on the first node.
async fn crowd(cluster: &Cluster, sessions: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    for number in 0..sessions {
        pages.push(cluster.page(0, &format!("page {number}")).await);
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_let_go_at_an_even_pace() {
    let cluster = Cluster::memory_with(1, drained_over(WINDOW)).await;
    let pages = crowd(&cluster, SESSIONS).await;
    let began = Instant::now();
    let told = pages.into_iter().map(|mut page| {
        tokio::spawn(async move {
            let told = page.expect("reconnect").await;
            let at = began.elapsed();
            assert_eq!(told["reason"], "drain");
            assert!(told["after_ms"].as_u64().unwrap() <= 200, "{told}");
            assert_eq!(page.closed().await, (1012, "drain".to_owned()));
            at
        })
    });
    let told: Vec<_> = told.collect();
    cluster.nodes[0].drain().await;
    let took = began.elapsed();
    assert!(took < WINDOW + Duration::from_secs(1), "{took:?}");
    let mut halves = [0; 2];
    for page in told {
        let at = page.await.unwrap();
        halves[usize::from(at > WINDOW / 2)] += 1;
    }
    assert!(
        halves.iter().all(|told| 4 * told <= 3 * SESSIONS),
        "{halves:?} are not even"
    );
    let metrics = cluster.nodes[0].metrics();
    let let_go = metrics.sessions_let_go.with_label_values(&["drain"]);
    assert_eq!(let_go.get(), SESSIONS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_while_the_window_is_open_and_the_fleet_knows() {
    let cluster = Cluster::redis_with(
        2,
        crate::support::redis::RedisServer::start().await,
        drained_over(Duration::from_secs(60)),
    )
    .await;
    let _pages = crowd(&cluster, 40).await;
    let (leaving, staying) = (&cluster.nodes[0], &cluster.nodes[1]);
    leaving.withdraw().await;
    assert!(!leaving.is_ready());
    eventually("the lease says that the node leaves", || async {
        let fleet = staying.broker().fleet().await.unwrap();
        fleet
            .iter()
            .any(|node| node.node == *leaving.id() && node.leaving)
    })
    .await;
    let late = Page::open(leaving.address(), "Late").await;
    assert_ne!(late.user, "", "sessions are served during the delay");
    let drain = leaving.drain();
    let knocks = async {
        let metrics = leaving.metrics();
        eventually("the window is told", || async {
            metrics.drain_remaining.get() > 0.0
        })
        .await;
        let refused = metrics.upgrades_refused.with_label_values(&["draining"]);
        let request = format!("ws://{}/ws", leaving.address());
        let knocked = tokio_tungstenite::connect_async(request).await;
        let told = knocked.expect_err("the door is closed").to_string();
        assert!(told.contains("503"), "{told}");
        assert_eq!(refused.get(), 1);
    };
    tokio::select! {
        () = drain => panic!("the window ended early"),
        () = knocks => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_let_go_misses_nothing_and_what_it_sent_is_answered() {
    let mut cluster = Cluster::redis_with(
        2,
        crate::support::redis::RedisServer::start().await,
        drained_over(Duration::from_millis(200)),
    )
    .await;
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    ann.join("yard").await;
    bo.join("yard").await;
    let asked = ann
        .ask(json!({"type": "send", "room": "yard", "text": "last words", "key": "k-0123456789abcdef"}))
        .await;
    let leaving = cluster.nodes.remove(0);
    let left = tokio::spawn(async move {
        leaving.drain().await;
        leaving.stop().await;
    });
    let told = ann.expect("reconnect").await;
    assert_eq!(told["reason"], "drain");
    let answer = ann
        .find("the answer", |frame| frame["id"] == json!(asked))
        .await;
    assert_eq!(answer["type"], "sent", "{answer}");
    ann.closed().await;
    let (epoch, seq) = (
        answer["epoch"].as_str().unwrap(),
        answer["seq"].as_u64().unwrap(),
    );
    bo.say("yard", "while she is away").await;
    let mut again = Page::reopen(cluster.nodes[0].address(), "Ann", &ann.token).await;
    again.join_after("yard", epoch, seq).await;
    assert_eq!(again.message("yard").await.text, "while she is away");
    left.await.unwrap();
}
