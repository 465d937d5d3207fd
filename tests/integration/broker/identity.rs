use bytes::Bytes;

use super::bench::{Bench, Node};

on_both!(
    all_nodes_sign_with_one_key,
    a_lost_key_is_restored_from_a_node
);

async fn key_of(node: &Node, candidate: &'static [u8]) -> Bytes {
    node.identity_key(Bytes::from_static(candidate))
        .await
        .expect("the broker answers")
}

async fn all_nodes_sign_with_one_key(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    let key: &[u8] = b"32 bytes of any kind \x00\r\n\xff\xfe ......";
    assert_eq!(key_of(&a, key).await, key);
    assert_eq!(key_of(&b, b"another").await, key);
    assert_eq!(key_of(&a, b"yet another").await, key);
    bench.restart().await;
    assert_eq!(key_of(&b, b"later").await, key);
}

async fn a_lost_key_is_restored_from_a_node(mut bench: Bench) {
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    let key = key_of(&a, b"first").await;
    bench.lose_identity_key().await;
    assert_eq!(b.identity_key(key.clone()).await.unwrap(), key);
    assert_eq!(key_of(&a, b"second").await, key);
}
