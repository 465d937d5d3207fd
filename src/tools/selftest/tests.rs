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
        nodes: 1,
    };
    let refused = run(&no_address).await.unwrap_err();
    assert!(refused.contains("http://"), "{refused}");
}
