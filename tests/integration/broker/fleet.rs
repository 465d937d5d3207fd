use std::time::Instant;

use madang::broker::{FleetNode, Grant};
use madang::protocol::NodeId;

use super::bench::{Bench, Node, as_lease};
use crate::support::eventually;

on_both!(
    nodes_are_listed_with_what_they_tell,
    a_node_that_stopped_leaves,
    a_node_that_died_leaves_with_its_lease,
    a_fleet_that_cannot_be_read_is_told_as_such,
    lost_leases_are_listed_again,
    a_node_that_drains_says_so,
    few_may_be_unready_at_a_time,
);

on_topologies!(
    nodes_are_listed_with_what_they_tell,
    a_node_that_stopped_leaves,
    a_node_that_died_leaves_with_its_lease,
    a_node_that_drains_says_so,
);

async fn fleet(node: &Node) -> Vec<FleetNode> {
    node.fleet().await.expect("the broker answers")
}

async fn until_listed(node: &Node, names: &[&str]) {
    eventually(&format!("the fleet is {names:?}"), || async {
        let Ok(fleet) = node.fleet().await else {
            return false;
        };
        fleet
            .iter()
            .map(|node| node.node.as_str())
            .eq(names.iter().copied())
    })
    .await;
}

async fn nodes_are_listed_with_what_they_tell(mut bench: Bench) {
    // Neither the order in which they came nor the order of their leases' ids is that of their names.
    let mut nodes = Vec::new();
    for name in ["c", "a", "d", "b"] {
        nodes.push(bench.node(name).await);
    }
    for node in &nodes {
        until_listed(node, &["a", "b", "c", "d"]).await;
    }
    let wanted = ["a", "b", "c", "d"].map(as_lease);
    assert_eq!(fleet(&nodes[0]).await, wanted);
    nodes[3].metrics.sessions.set(7);
    eventually("b has seven sessions", || async {
        fleet(&nodes[0]).await[1].sessions == 7
    })
    .await;
    let mut wanted = wanted;
    wanted[1].sessions = 7;
    assert_eq!(fleet(&nodes[1]).await, wanted);
}

async fn a_node_that_stopped_leaves(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    until_listed(&b, &["a", "b"]).await;
    a.stop().await;
    for node in fleet(&b).await {
        assert_eq!(node.leaving, node.node.as_str() == "a", "{node:?}");
    }
    until_listed(&b, &["b"]).await;
    assert_eq!(fleet(&b).await, [as_lease("b")]);
}

async fn a_node_that_died_leaves_with_its_lease(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    until_listed(&b, &["a", "b"]).await;
    let died = Instant::now();
    drop(a);
    let listed = fleet(&b).await;
    // The lease was renewed less than half of its time ago.
    if died.elapsed() < bench.lease() / 2 {
        assert_eq!(listed, ["a", "b"].map(as_lease), "nobody knows yet");
    }
    until_listed(&b, &["b"]).await;
    let gone = died.elapsed();
    assert!(gone < 2 * bench.lease(), "listed for {gone:?}");
}

async fn a_fleet_that_cannot_be_read_is_told_as_such(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    until_listed(&a, &["a", "b"]).await;
    bench.pause();
    for node in [&a, &b] {
        let asked = Instant::now();
        node.fleet().await.expect_err("nobody answers");
        let waited = asked.elapsed();
        assert!(waited < 3 * bench.send_timeout(), "waited for {waited:?}");
    }
    bench.resume().await;
    until_listed(&b, &["a", "b"]).await;
    bench.take_down().await;
    let told = a.fleet().await.expect_err("nobody is there");
    assert!(!told.0.is_empty());
    bench.bring_up().await;
    until_listed(&a, &["a", "b"]).await;
}

async fn lost_leases_are_listed_again(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    until_listed(&a, &["a", "b"]).await;
    bench.lose_all().await;
    until_listed(&b, &["a", "b"]).await;
    assert_eq!(fleet(&a).await, ["a", "b"].map(as_lease));
}

async fn a_node_that_drains_says_so(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    until_listed(&b, &["a", "b"]).await;
    a.leaving();
    eventually("a leaves", || async { fleet(&b).await[0].leaving }).await;
    assert!(!fleet(&a).await[1].leaving);
}

async fn few_may_be_unready_at_a_time(mut bench: Bench) {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        nodes.push(bench.node(name).await);
        if name == "d" {
            // It has taken its lease, and so was seen.
            until_listed(&nodes[0], &["a", "b", "c", "d"]).await;
        }
        if name == "d" {
            let asked = |node: &str| nodes[1].grant(&NodeId::parse(node).unwrap());
            assert_eq!(asked("a").await, Ok(Grant::Given));
            let refused = Grant::Refused { given: 1, most: 1 };
            assert_eq!(asked("c").await, Ok(refused));
            assert_eq!(asked("a").await, Ok(Grant::Given), "it is renewed");
        }
    }
    until_listed(&nodes[0], &["a", "b", "c", "d", "e", "f", "g", "h"]).await;
    let asked = |node: &str| nodes[7].grant(&NodeId::parse(node).unwrap());
    eventually("two of eight may", || async {
        asked("c").await == Ok(Grant::Given)
    })
    .await;
    let refused = Grant::Refused { given: 2, most: 2 };
    assert_eq!(asked("d").await, Ok(refused));
    let again = NodeId::parse("c").unwrap();
    assert_eq!(nodes[2].give_back(&again).await, Ok(()));
    assert_eq!(asked("d").await, Ok(Grant::Given), "one was given back");
    assert_eq!(nodes[6].sees().await, Ok(()));
    bench.take_down().await;
    asked("c").await.expect_err("nobody is there");
    nodes[6].sees().await.expect_err("nobody is there");
}
