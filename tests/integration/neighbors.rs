//! Nodes that should not be there: beside one without Redis, and of another fleet under one's prefix.

use std::net::TcpListener;

use crate::support::eventually;
use crate::support::program::Running;
use crate::support::redis::RedisServer;

/// Addresses that stand for the pods of a headless Service.
const PODS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// Starts a node without Redis in the place of a pod.
async fn without_redis(pod: &str, port: u16) -> Running {
    Running::start(&[
        ("MADANG_SERVER__INTERNAL_LISTEN", &format!("{pod}:{port}")),
        ("MADANG_FLEET__PEERS", &PODS.join(",")),
    ])
    .await
}

/// Returns a port that is free on all addresses of this machine.
fn free_port() -> u16 {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    taken.local_addr().unwrap().port()
}

async fn conflicts(node: &Running, reason: &str) -> Option<String> {
    let name = format!("madang_fleet_conflicts{{reason=\"{reason}\"}}");
    node.metric(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_node_without_redis_others_stay_unready_and_say_why() {
    let port = free_port();
    let first = without_redis(PODS[1], port).await;
    eventually("the first is ready", || first.is_ready()).await;

    // One address below and one above, so that the order of addresses decides nothing; both at once.
    let (one, other) = tokio::join!(without_redis(PODS[0], port), without_redis(PODS[2], port));
    eventually("the first has seen both", || async {
        conflicts(&first, "peers").await.as_deref() == Some("2")
    })
    .await;
    assert!(first.is_ready().await, "who was there first goes on");
    assert!(first.log().contains("without Redis there can be one only"));
    for extra in [&one, &other] {
        let (status, why) = extra.ask("/readyz").await;
        assert_eq!(status, 503);
        for words in [
            "peers: ",
            PODS[1],
            "serves",
            "set redis.url",
            "scale to one",
        ] {
            assert!(why.contains(words), "{words:?} is not in {why}");
        }
        eventually("it says so in its log", || async {
            extra.log().contains("\"reason\":\"peers\"") && extra.log().contains(PODS[1])
        })
        .await;
    }

    assert_eq!(first.end("KILL").await, None);
    eventually("one of the two serves instead", || async {
        one.is_ready().await != other.is_ready().await
    })
    .await;
    let (serves, waits) = if one.is_ready().await {
        (one, other)
    } else {
        (other, one)
    };
    eventually("it has seen the other one", || async {
        conflicts(&serves, "peers").await.as_deref() == Some("1")
    })
    .await;
    assert!(serves.is_ready().await && !waits.is_ready().await);
    assert_eq!(waits.end("INT").await, Some(0));
    eventually("it is alone", || async {
        conflicts(&serves, "peers").await.as_deref() == Some("0")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_without_redis_that_begin_together_one_becomes_ready() {
    let port = free_port();
    let nodes = futures_util::future::join_all(PODS.map(|pod| without_redis(pod, port))).await;
    eventually("one has found the others", || async {
        for node in &nodes {
            if conflicts(node, "peers").await.as_deref() == Some("2") && node.is_ready().await {
                return true;
            }
        }
        false
    })
    .await;
    let mut ready = 0;
    for node in &nodes {
        ready += u32::from(node.is_ready().await);
    }
    assert_eq!(ready, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_redis_waits_until_names_lead_to_it() {
    let port = free_port();
    let node = Running::start(&[
        (
            "MADANG_SERVER__INTERNAL_LISTEN",
            &format!("{}:{port}", PODS[0]),
        ),
        ("MADANG_FLEET__PEERS", PODS[1]),
    ])
    .await;
    eventually("it says what it waits for", || async {
        let (status, why) = node.ask("/readyz").await;
        status == 503 && why.contains("does not lead to this node yet")
    })
    .await;
    let node = Running::start(&[("MADANG_FLEET__PEERS", "no-such-host.invalid")]).await;
    eventually("it names what leads nowhere", || async {
        let (status, why) = node.ask("/readyz").await;
        status == 503 && why.contains("no-such-host.invalid of fleet.peers")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fleets_under_one_prefix_say_so_and_go_on() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let start = async |fleet: &str| {
        Running::start(&[
            ("MADANG_REDIS__URL", &url),
            ("MADANG_FLEET__NAME", fleet),
            ("MADANG_FLEET__LEASE", "2s"),
            ("MADANG_FLEET__DEBOUNCE", "200ms"),
            ("MADANG_DRAIN__DELAY", "0s"),
        ])
        .await
    };
    let (one, same, other) = tokio::join!(start("yard/one"), start("yard/one"), start("yard/two"));
    for (node, stranger, count) in [
        (&one, "yard/two", "1"),
        (&same, "yard/two", "1"),
        (&other, "yard/one", "2"),
    ] {
        eventually("it has counted the others", || async {
            conflicts(node, "prefix").await.as_deref() == Some(count)
        })
        .await;
        let told = format!("the fleet {stranger} (");
        eventually("it says so", || async { node.log().contains(&told) }).await;
        assert!(node.log().contains("set another redis.prefix"));
        assert!(node.is_ready().await);
    }
    assert_eq!(other.end("TERM").await, Some(0));
    for node in [&one, &same] {
        eventually("it is over", || async {
            conflicts(node, "prefix").await.as_deref() == Some("0")
        })
        .await;
        eventually("it says so too", || async {
            node.log().contains("no other fleet uses redis.prefix")
        })
        .await;
    }
}
