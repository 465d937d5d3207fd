//! Nodes that do not reach Redis while others do: who turns unready, and who keeps its sessions.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use madang::broker::Health;
use madang::config::Settings;
use madang::node::Node;
use tokio::time::{sleep, timeout};

use crate::support::cluster::settings;
use crate::support::eventually;
use crate::support::page::Page;
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;

/// In which a node that is cut off alone has handed its sessions over; the suite may run beside others.
const HANDED_OVER: Duration = Duration::from_secs(15);

/// Four nodes, each with a way of its own to one Redis.
struct Fleet {
    redis: RedisServer,
    ways: Vec<Proxy>,
    nodes: Vec<Node>,
    pages: Vec<Vec<Page>>,
}

impl Fleet {
    /// Starts the nodes, with so many sessions on each.
    async fn start(sessions: usize) -> Self {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let (head, port) = url.rsplit_once(':').unwrap();
        let target = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
        let (mut ways, mut nodes, mut pages) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..4 {
            let way = Proxy::start(target).await;
            let url = format!("{head}:{}", way.address().port());
            let loaded = Settings::load(None, [("MADANG_REDIS__URL".to_owned(), url)]);
            let settings = Settings {
                redis: loaded.unwrap().settings.redis,
                ..settings()
            };
            let mut settings = settings;
            settings.fleet.lease = Duration::from_secs(2);
            let node = Node::start(settings).await.unwrap();
            eventually("the node is ready", || async { node.is_ready() }).await;
            ways.push(way);
            nodes.push(node);
        }
        for node in &nodes {
            let mut here = Vec::new();
            for number in 0..sessions {
                here.push(Page::open(node.address(), &format!("page {number}")).await);
            }
            pages.push(here);
        }
        let fleet = Self {
            redis,
            ways,
            nodes,
            pages,
        };
        // Each has looked who there is since the last one came.
        sleep(Duration::from_secs(2)).await;
        fleet
    }

    fn unready(&self) -> Vec<usize> {
        (0..4)
            .filter(|node| !self.nodes[*node].is_ready())
            .collect()
    }

    fn staying(&self, node: usize) -> i64 {
        self.nodes[node].metrics().sessions.get()
    }

    /// Watches for a time who is unready; returns all sets that were seen, in order.
    async fn watch(&self, time: Duration) -> Vec<Vec<usize>> {
        let (mut seen, began) = (vec![self.unready()], Instant::now());
        while began.elapsed() < time {
            sleep(Duration::from_millis(20)).await;
            let now = self.unready();
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_alone_hands_its_sessions_over_and_comes_back() {
    let mut fleet = Fleet::start(20).await;
    let (began, pages) = (Instant::now(), std::mem::take(&mut fleet.pages[0]));
    fleet.ways[0].cut(true);
    let elsewhere = fleet.nodes[1].address();
    let moved = pages.into_iter().map(|mut page| {
        tokio::spawn(async move {
            let told = timeout(
                3 * HANDED_OVER,
                page.find("reconnect", |it| it["type"] == "reconnect"),
            );
            assert_eq!(told.await.unwrap()["reason"], "sick");
            assert_eq!(page.closed().await.0, 1012);
            let again = Page::reopen(elsewhere, "again", &page.token).await;
            assert_eq!(again.user, page.user);
            again
        })
    });
    let mut served = Vec::new();
    for page in moved.collect::<Vec<_>>() {
        served.push(page.await.unwrap());
    }
    let took = began.elapsed();
    assert!(took < 3 * HANDED_OVER, "{took:?}");
    println!("cut off alone: served elsewhere within {took:?}");
    assert_eq!(fleet.unready(), [0]);
    let request = format!("ws://{}/ws", fleet.nodes[0].address());
    let told = tokio_tungstenite::connect_async(request).await;
    assert!(told.unwrap_err().to_string().contains("503"));
    fleet.ways[0].cut(false);
    eventually("it is ready again", || async { fleet.unready().is_empty() }).await;
    served[0].join("yard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_are_cut_off_one_at_most_is_unready() {
    let fleet = Fleet::start(5).await;
    fleet.ways[0].cut(true);
    fleet.ways[1].cut(true);
    let seen = fleet.watch(Duration::from_secs(16)).await;
    assert!(seen.iter().all(|unready| unready.len() <= 1), "{seen:?}");
    let sick = match fleet.unready()[..] {
        [node @ (0 | 1)] => node,
        ref other => panic!("unready are {other:?}, after {seen:?}"),
    };
    assert_eq!(fleet.staying(sick), 0);
    for node in (0..4).filter(|node| *node != sick) {
        assert_eq!(fleet.staying(node), 5, "node {node} keeps its sessions");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_outage_makes_nobody_unready_and_ends_no_session() {
    let fleet = Fleet::start(5).await;
    fleet.redis.pause();
    let seen = fleet.watch(Duration::from_secs(16)).await;
    fleet.redis.resume();
    assert_eq!(seen, [Vec::<usize>::new()]);
    for node in 0..4 {
        assert_eq!(fleet.staying(node), 5);
        let answers = &fleet.nodes[node].metrics().peer_answers;
        assert!(answers.with_label_values(&["does_not"]).get() > 0);
        assert_eq!(answers.with_label_values(&["sees"]).get(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_no_sickness() {
    let mut fleet = Fleet::start(0).await;
    let client = redis::Client::open(fleet.redis.own_url()).unwrap();
    let mut commands = client.get_multiplexed_async_connection().await.unwrap();
    let mut run = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
            .query_async::<redis::Value>(&mut commands)
            .await
            .unwrap()
    };
    run(&[
        "ACL", "SETUSER", "lone", "on", ">secret", "~*", "&*", "+@all",
    ])
    .await;
    let url = format!("redis://lone:secret@{}", fleet.ways[0].address());
    let loaded = Settings::load(None, [("MADANG_REDIS__URL".to_owned(), url)]);
    let lone = Settings {
        redis: loaded.unwrap().settings.redis,
        ..settings()
    };
    fleet.nodes[0] = Node::start(lone).await.unwrap();
    eventually("it is ready", || async { fleet.nodes[0].is_ready() }).await;
    run(&["ACL", "SETUSER", "lone", "resetpass"]).await;
    run(&["CLIENT", "KILL", "USER", "lone"]).await;
    let health = fleet.nodes[0].broker().health();
    eventually("it is told as a fault of the configuration", || async {
        matches!(&*health.borrow(), Health::Down(outage) if outage.is_configuration)
    })
    .await;
    // Before it was known what it is, others may have been asked; those questions end first.
    let nobody = [Vec::<usize>::new()];
    assert_eq!(fleet.watch(Duration::from_secs(2)).await, nobody);
    let answers = fleet.nodes[0].metrics().peer_answers.clone();
    let sees = || answers.with_label_values(&["sees"]).get();
    let before = sees();
    assert_eq!(fleet.watch(Duration::from_secs(9)).await, nobody);
    assert_eq!(sees(), before, "nobody was asked");
}
