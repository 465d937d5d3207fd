//! Nodes that come to a fleet get their share of its sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::support::cluster::{Cluster, settings};
use crate::support::eventually;

/// Sessions on each of the two nodes that are there first.
const SESSIONS: usize = 60;

/// Where pages come back to: all nodes, or the one that they were on.
struct Balancer {
    nodes: Vec<std::net::SocketAddr>,
    is_sticky: bool,
    turn: AtomicUsize,
    moves: AtomicUsize,
}

impl Balancer {
    /// Lives as a page does that is let go again and again.
    async fn live(self: Arc<Self>, first: usize) {
        let mut address = self.nodes[first];
        let mut moved_at: Option<Instant> = None;
        loop {
            let url = format!("ws://{address}/ws");
            let (mut stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
            let moved_ms = moved_at.map(|at| at.elapsed().as_millis());
            let hello = json!({"type": "hello", "moved_ms": moved_ms}).to_string();
            stream.send(Message::text(hello)).await.unwrap();
            let mut after = Duration::ZERO;
            while let Some(Ok(message)) = stream.next().await {
                let Message::Text(text) = message else {
                    continue;
                };
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "reconnect" {
                    assert_eq!(frame["reason"], "rebalance");
                    assert!(moved_at.is_none(), "nobody is moved twice");
                    after = Duration::from_millis(frame["after_ms"].as_u64().unwrap());
                    moved_at = Some(Instant::now());
                    self.moves.fetch_add(1, Ordering::Relaxed);
                }
            }
            sleep(after).await;
            if !self.is_sticky {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                address = self.nodes[turn % self.nodes.len()];
            }
        }
    }
}

/// Two nodes with sessions and two more without; the sessions live on behind a balancer.
async fn scaled_up(is_sticky: bool) -> (Cluster, Arc<Balancer>, JoinSet<()>) {
    let mut settings = settings();
    settings.fleet.lease = Duration::from_secs(2);
    settings.fleet.rebalance_percent = 10;
    let cluster = Cluster::memory_with(4, settings).await;
    let balancer = Arc::new(Balancer {
        nodes: cluster.nodes.iter().map(|node| node.address()).collect(),
        is_sticky,
        turn: AtomicUsize::new(0),
        moves: AtomicUsize::new(0),
    });
    let mut pages = JoinSet::new();
    for number in 0..2 * SESSIONS {
        pages.spawn(balancer.clone().live(number % 2));
    }
    (cluster, balancer, pages)
}

/// Waits until as many nodes have stopped with this reason; fails if a page does.
async fn until_stopped(cluster: &Cluster, pages: &mut JoinSet<()>, reason: &str, nodes: u64) {
    let stops = || {
        let stops = cluster.nodes.iter().map(|node| {
            let stops = &node.metrics().rebalance_stops;
            stops.with_label_values(&[reason]).get()
        });
        stops.sum::<u64>()
    };
    let began = Instant::now();
    while stops() < nodes {
        assert!(began.elapsed() < Duration::from_secs(120), "not {reason}");
        if let Some(ended) = pages.try_join_next() {
            ended.unwrap();
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn sessions(cluster: &Cluster) -> Vec<i64> {
    let nodes = cluster.nodes.iter();
    nodes.map(|node| node.metrics().sessions.get()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_nodes_get_their_share_and_then_it_is_quiet() {
    let (cluster, balancer, mut pages) = scaled_up(false).await;
    until_stopped(&cluster, &mut pages, "balanced", 2).await;
    let moves = balancer.moves.load(Ordering::Relaxed);
    let told = cluster.nodes.iter().map(|node| {
        let let_go = &node.metrics().sessions_let_go;
        let_go.with_label_values(&["rebalance"]).get()
    });
    assert_eq!(told.sum::<u64>(), moves as u64);
    let counts = sessions(&cluster);
    assert_eq!(counts.iter().sum::<i64>(), 2 * SESSIONS as i64);
    assert!(counts.iter().all(|count| *count <= 36), "{counts:?}");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(balancer.moves.load(Ordering::Relaxed), moves);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_sticky_balancer_it_stops_and_says_so() {
    let (cluster, balancer, mut pages) = scaled_up(true).await;
    until_stopped(&cluster, &mut pages, "sticky", 2).await;
    let moves = balancer.moves.load(Ordering::Relaxed);
    assert!(moves <= SESSIONS, "{moves} of {} were moved", 2 * SESSIONS);
    let here = i64::try_from(SESSIONS).unwrap();
    eventually("all are back where they were", || async {
        sessions(&cluster) == [here, here, 0, 0]
    })
    .await;
    assert!(
        cluster
            .nodes
            .iter()
            .all(|node| node.metrics().rebalancing.get() == 0)
    );
}
