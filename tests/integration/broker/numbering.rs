use madang::broker::{Accepted, Snapshot, Span, Verdict};
use madang::protocol::Position;

use super::bench::{Bench, Draft, judge, room};

on_both!(
    numbers_begin_at_one_and_reading_creates_nothing,
    a_restart_begins_an_epoch_and_leaves_positions_good,
    a_lost_log_goes_on_above_its_meta,
    a_lost_meta_is_rebuilt_from_the_log,
    losing_log_and_meta_begins_anew,
    losing_everything_begins_anew,
);

on_topologies!(numbers_begin_at_one_and_reading_creates_nothing,);

fn seqs(read: &Snapshot) -> Vec<u64> {
    read.entries.iter().map(|entry| entry.seq).collect()
}

async fn numbers_begin_at_one_and_reading_creates_nothing(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.enter(&room, 1).await;
    let empty = node.look(&room, Span::Newest, 10).await;
    assert_eq!(empty, Snapshot::default());
    assert_eq!(
        empty.chain.judge(empty.end, &Position::EMPTY),
        Verdict::Good
    );
    let first = &node.fill(&room, 0..1).await[0];
    assert_eq!(first.seq, 1);
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!(read.chain.pairs(), [(first.epoch.clone(), 1)]);
    assert_eq!((read.first, read.end, read.more), (1, 1, false));
}

async fn a_restart_begins_an_epoch_and_leaves_positions_good(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let before = node.fill(&room, 0..3).await;
    bench.restart().await;
    let repeated = node.say(&Draft::new(&room, "k2")).await;
    assert_eq!(
        repeated,
        Accepted {
            duplicate: true,
            ..before[2].clone()
        }
    );
    let after = node.fill(&room, 3..5).await;
    assert_eq!((after[0].seq, after[1].seq), (4, 5));
    assert_ne!(after[0].epoch, before[0].epoch);
    assert_eq!(after[0].epoch, after[1].epoch);
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!(seqs(&read), [1, 2, 3, 4, 5]);
    assert_eq!(
        read.chain.pairs(),
        [(before[0].epoch.clone(), 1), (after[0].epoch.clone(), 4)]
    );
    for accepted in before.iter().chain(&after) {
        assert_eq!(judge(&read, accepted), Verdict::Good);
    }
}

async fn a_lost_log_goes_on_above_its_meta(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let before = node.fill(&room, 0..3).await;
    bench.lose_log(&room).await;
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!((read.first, read.end, seqs(&read)), (0, 3, vec![]));
    let after = &node.fill(&room, 3..4).await[0];
    assert_eq!(after.seq, 4);
    assert_ne!(after.epoch, before[0].epoch);
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!((read.first, read.end, seqs(&read)), (4, 4, vec![4]));
    assert_eq!(judge(&read, &before[2]), Verdict::Good);
}

async fn a_lost_meta_is_rebuilt_from_the_log(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let first = node.fill(&room, 0..2).await;
    bench.restart().await;
    let second = node.fill(&room, 2..4).await;
    bench.lose_meta(&room).await;
    let rebuilt = [(first[0].epoch.clone(), 1), (second[0].epoch.clone(), 3)];
    assert_eq!(
        node.look(&room, Span::Newest, 10).await.chain.pairs(),
        rebuilt
    );
    let third = &node.fill(&room, 4..5).await[0];
    assert_eq!(third.seq, 5);
    assert!(third.epoch != second[0].epoch && third.at >= second[1].at);
    let read = node.look(&room, Span::Newest, 10).await;
    let [one, two] = rebuilt;
    assert_eq!(read.chain.pairs(), [one, two, (third.epoch.clone(), 5)]);
    assert_eq!(judge(&read, &first[1]), Verdict::Good);
}

async fn losing_log_and_meta_begins_anew(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let before = node.fill(&room, 0..3).await;
    bench.lose_log(&room).await;
    bench.lose_meta(&room).await;
    assert_eq!(
        node.look(&room, Span::Newest, 10).await,
        Snapshot::default()
    );
    let after = &node.fill(&room, 3..4).await[0];
    assert_eq!(after.seq, 1);
    assert_ne!(after.epoch, before[0].epoch);
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!(judge(&read, &before[0]), Verdict::Cut(0));
    assert!(
        node.say(&Draft::new(&room, "k1")).await.duplicate,
        "keys of repeats are kept apart"
    );
}

async fn losing_everything_begins_anew(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let before = node.fill(&room, 0..3).await;
    bench.lose_all().await;
    let after = node.say(&Draft::new(&room, "k1")).await;
    assert_eq!((after.seq, after.duplicate), (1, false));
    assert_ne!(after.epoch, before[0].epoch);
}
