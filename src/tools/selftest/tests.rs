use super::*;
use crate::config::Settings;
use crate::node::Node;

async fn node() -> Node {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.server.internal_listen = ([127, 0, 0, 1], 0).into();
    Node::start(settings).await.unwrap()
}

fn options(node: &Node, nodes: usize) -> Options {
    Options {
        url: format!("http://{}", node.address()),
        nodes,
        patience: Duration::ZERO,
        internal: Some(node.internal_address().to_string()),
    }
}

#[tokio::test]
async fn a_node_alone_passes_if_one_is_asked_for() {
    let node = node().await;
    assert_eq!(run(&options(&node, 1)).await, Ok(()));
    let refused = run(&options(&node, 2)).await.unwrap_err();
    assert!(refused.contains("--nodes 1"), "{refused}");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let node = node().await;
    let gone = options(&node, 1);
    node.stop().await;
    let refused = run(&gone).await.unwrap_err();
    assert!(refused.contains(&gone.url["http".len()..]), "{refused}");
    let no_address = Options {
        url: "chat:8080".to_owned(),
        // It is no matter of time.
        patience: Duration::from_secs(3600),
        ..gone
    };
    let refused = run(&no_address).await.unwrap_err();
    assert!(refused.contains("http://"), "{refused}");
}

#[tokio::test]
async fn nodes_that_start_are_waited_for() {
    let node = node().await;
    let mut settings = Settings::default();
    settings.server.listen = node.address();
    settings.server.internal_listen = node.internal_address();
    let options = Options {
        patience: Duration::from_secs(30),
        ..options(&node, 1)
    };
    node.stop().await;
    // The first session is asked for before the node has begun to listen.
    let (tested, node) = tokio::join!(run(&options), Node::start(settings));
    assert_eq!(tested, Ok(()));
    node.unwrap().stop().await;
}

#[tokio::test]
async fn metrics_that_count_nothing_are_a_fault() {
    let (node, other) = (node().await, node().await);
    let elsewhere = Options {
        internal: Some(other.internal_address().to_string()),
        ..options(&node, 1)
    };
    let refused = run(&elsewhere).await.unwrap_err();
    assert!(refused.contains("have counted 0 messages"), "{refused}");
    let public = Options {
        internal: Some(node.address().to_string()),
        ..options(&node, 1)
    };
    let refused = run(&public).await.unwrap_err();
    assert!(
        refused.contains("has no madang_messages_accepted_total"),
        "{refused}"
    );
    for node in [node, other] {
        node.stop().await;
    }
}
