use madang::broker::{Snapshot, Span};
use madang::protocol::{MAX_SEQ, RoomName};

use super::bench::{Bench, Draft, Node, room};

on_both!(
    spans_and_limits_leave_holes_out,
    a_log_without_entries_still_has_an_end,
    a_read_asks_for_nothing_and_gets_nothing,
    one_node_reads_what_another_wrote,
);

on_topologies!(
    a_read_asks_for_nothing_and_gets_nothing,
    one_node_reads_what_another_wrote,
);

async fn write(node: &Node, room: &RoomName, count: u64) {
    let drafts: Vec<_> = (1..=count)
        .map(|number| Draft::new(room, format!("k{number}")))
        .collect();
    let pending: Vec<_> = drafts.iter().map(|draft| node.hand(draft)).collect();
    for pending in pending {
        pending.answer().await.expect("nothing is wrong");
    }
}

fn shape(read: &Snapshot) -> (Vec<u64>, bool) {
    (
        read.entries.iter().map(|entry| entry.seq).collect(),
        read.more,
    )
}

async fn spans_and_limits_leave_holes_out(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    write(&node, &room, 20).await;
    bench.trim(&room, 2).await;
    bench.delete(&room, &[3, 4, 9, 10, 20]).await;
    let kept: Vec<u64> = [5, 6, 7, 8].into_iter().chain(11..=19).collect();
    for limit in [1, 2, 3, 4, 12, 13, 14, 100] {
        for edge in [0, 1, 4, 5, 8, 9, 10, 11, 18, 19, 20, 21, MAX_SEQ] {
            for span in [Span::After(edge), Span::Before(edge), Span::Newest] {
                let matching: Vec<u64> = kept
                    .iter()
                    .copied()
                    .filter(|seq| match span {
                        Span::After(edge) => *seq > edge,
                        Span::Before(edge) => *seq < edge,
                        Span::Newest => true,
                    })
                    .collect();
                let count = matching.len().min(limit);
                let wanted = match span {
                    Span::After(_) => matching[..count].to_vec(),
                    Span::Before(_) | Span::Newest => matching[matching.len() - count..].to_vec(),
                };
                let read = node.look(&room, span, limit).await;
                assert_eq!(
                    shape(&read),
                    (wanted, matching.len() > limit),
                    "{span:?}, limit {limit}"
                );
                assert_eq!((read.first, read.end), (5, 20), "{span:?}, limit {limit}");
            }
        }
    }
}

async fn a_log_without_entries_still_has_an_end(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    write(&node, &room, 3).await;
    bench.trim(&room, 3).await;
    let read = node.look(&room, Span::After(0), 10).await;
    assert_eq!(
        (read.first, read.end, shape(&read)),
        (0, 3, (vec![], false))
    );
    assert_eq!(read.chain.pairs().len(), 1);
    let accepted = node.publish(&Draft::new(&room, "next")).await.unwrap();
    assert_eq!(
        (accepted.seq, &accepted.epoch),
        (4, &read.chain.pairs()[0].0),
        "trimming is no rewind"
    );
}

async fn a_read_asks_for_nothing_and_gets_nothing(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    assert_eq!(node.look(&room, Span::Newest, 0).await, Snapshot::default());
    write(&node, &room, 2).await;
    for span in [Span::Newest, Span::After(0), Span::Before(3)] {
        let read = node.look(&room, span, 0).await;
        assert_eq!(
            (read.first, read.end, shape(&read)),
            (1, 2, (vec![], true)),
            "{span:?}"
        );
    }
}

async fn one_node_reads_what_another_wrote(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    write(&a, &room, 5).await;
    let read = b.look(&room, Span::Before(4), 2).await;
    assert_eq!(shape(&read), (vec![2, 3], true));
    assert_eq!(read, a.look(&room, Span::Before(4), 2).await);
}
