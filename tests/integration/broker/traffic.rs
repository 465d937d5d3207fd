use std::cell::Cell;
use std::time::Duration;

use madang::broker::Span;
use madang::protocol::RoomName;

use super::bench::{Bench, Draft, Node, room};
use crate::support::eventually;

on_both!(
    nothing_is_lost_or_doubled_while_connections_are_cut,
    nothing_is_lost_or_doubled_through_a_restart,
);

/// Messages of one source.
const MESSAGES: usize = 300;
const SOURCES: u64 = 4;

/// Sends all messages of a source; returns their numbers.
async fn send_all(node: &Node, room: &RoomName, source: u64) -> Vec<u64> {
    let draft = |number| Draft::new(room, format!("{source}-{number:03}")).from(source);
    node.send_in_order(&(0..MESSAGES).map(draft).collect::<Vec<_>>())
        .await
}

/// Checks that the log holds every message of every source once and in its order.
async fn check(node: &Node, room: &RoomName, answered: Vec<Vec<u64>>) {
    let read = node.look(room, Span::Newest, 10_000).await;
    let total = answered.len() * MESSAGES;
    assert_eq!(
        read.entries
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>(),
        (1..=total as u64).collect::<Vec<_>>()
    );
    for (source, seqs) in (0..).zip(answered) {
        for (number, seq) in seqs.iter().enumerate() {
            let wanted = Draft::new(room, format!("{source}-{number:03}"))
                .from(source)
                .m();
            let index = usize::try_from(*seq).unwrap() - 1;
            assert_eq!(read.entries[index].m, wanted);
        }
        assert!(
            seqs.is_sorted(),
            "source {source} is out of order: {seqs:?}"
        );
    }
}

async fn nothing_is_lost_or_doubled_while_connections_are_cut(mut bench: Bench) {
    let room = room("yard");
    let nodes = [bench.node("a").await, bench.node("b").await];
    let sources = (0..SOURCES)
        .map(|source| send_all(&nodes[usize::try_from(source % 2).unwrap()], &room, source));
    let is_sent = Cell::new(false);
    let sending = async {
        let answered = futures_util::future::join_all(sources).await;
        is_sent.set(true);
        answered
    };
    // Every cut is carried through, so that the way works when the last one is over.
    let cutting = async {
        let mut cuts = 0;
        while !is_sent.get() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            bench.cut().await;
            cuts += 1;
        }
        cuts
    };
    let (answered, cuts) = tokio::join!(sending, cutting);
    assert!(cuts > 1, "{cuts} cuts came in between");
    check(&nodes[0], &room, answered).await;
}

async fn nothing_is_lost_or_doubled_through_a_restart(mut bench: Bench) {
    let room = room("yard");
    let nodes = [bench.node("a").await, bench.node("b").await];
    let sources = (0..SOURCES)
        .map(|source| send_all(&nodes[usize::try_from(source % 2).unwrap()], &room, source));
    let sending = futures_util::future::join_all(sources);
    let restarting = async {
        // Something is written before, much is left to be written after.
        let ledger = bench.ledger.clone();
        eventually("a part is written", || async { ledger.len() >= 100 }).await;
        bench.restart().await;
    };
    let (answered, ()) = tokio::join!(sending, restarting);
    check(&nodes[1], &room, answered).await;
    let chain = nodes[0].look(&room, Span::Newest, 1).await.chain;
    assert_eq!(
        chain.pairs().len(),
        2,
        "the restart came in between and began an epoch: {chain:?}"
    );
}
