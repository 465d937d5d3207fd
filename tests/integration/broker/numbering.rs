use madang::broker::{Accepted, Snapshot, Span, Verdict};
use madang::protocol::{Epoch, Position, RoomName};

use super::bench::{Bench, Draft, Image, Node, room};

on_both!(
    numbers_begin_at_one_and_reading_creates_nothing,
    a_restart_begins_an_epoch_and_leaves_positions_good,
    a_lost_log_goes_on_above_its_meta,
    a_lost_meta_is_rebuilt_from_the_log,
    losing_log_and_meta_begins_anew,
    losing_everything_begins_anew,
    a_rewound_room_begins_an_epoch_if_the_publisher_had_delivered_more,
    a_log_that_ends_below_its_meta_begins_an_epoch,
    a_forgotten_delivery_no_longer_counts,
    the_chain_judges_positions_after_several_rewinds,
    no_number_ever_names_two_entries,
);

/// Publishes messages that every node delivers.
async fn fill(node: &Node, room: &RoomName, keys: std::ops::Range<u64>) -> Vec<Accepted> {
    let mut accepted = Vec::new();
    for key in keys {
        accepted.push(
            node.say_and_deliver(&Draft::new(room, format!("k{key}")))
                .await,
        );
    }
    accepted
}

fn judge(read: &Snapshot, accepted: &Accepted) -> Verdict {
    read.chain.judge(
        read.end,
        &Position::new(accepted.epoch.clone(), accepted.seq),
    )
}

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
    let first = &fill(&node, &room, 0..1).await[0];
    assert_eq!(first.seq, 1);
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!(read.chain.pairs(), [(first.epoch.clone(), 1)]);
    assert_eq!((read.first, read.end, read.more), (1, 1, false));
}

async fn a_restart_begins_an_epoch_and_leaves_positions_good(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let before = fill(&node, &room, 0..3).await;
    bench.restart().await;
    let repeated = node.say(&Draft::new(&room, "k2")).await;
    assert_eq!(
        repeated,
        Accepted {
            duplicate: true,
            ..before[2].clone()
        }
    );
    let after = fill(&node, &room, 3..5).await;
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
    let before = fill(&node, &room, 0..3).await;
    bench.lose_log(&room).await;
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!((read.first, read.end, seqs(&read)), (0, 3, vec![]));
    let after = &fill(&node, &room, 3..4).await[0];
    assert_eq!(after.seq, 4);
    assert_ne!(after.epoch, before[0].epoch);
    let read = node.look(&room, Span::Newest, 10).await;
    assert_eq!((read.first, read.end, seqs(&read)), (4, 4, vec![4]));
    assert_eq!(judge(&read, &before[2]), Verdict::Good);
}

async fn a_lost_meta_is_rebuilt_from_the_log(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let first = fill(&node, &room, 0..2).await;
    bench.restart().await;
    let second = fill(&node, &room, 2..4).await;
    bench.lose_meta(&room).await;
    let rebuilt = [(first[0].epoch.clone(), 1), (second[0].epoch.clone(), 3)];
    assert_eq!(
        node.look(&room, Span::Newest, 10).await.chain.pairs(),
        rebuilt
    );
    let third = &fill(&node, &room, 4..5).await[0];
    assert_eq!(third.seq, 5);
    assert!(third.epoch != second[0].epoch && third.at >= second[1].at);
    let read = node.look(&room, Span::Newest, 10).await;
    let [one, two] = rebuilt;
    assert_eq!(read.chain.pairs(), [one, two, (third.epoch.clone(), 5)]);
    assert_eq!(judge(&read, &first[1]), Verdict::Good);
}

async fn losing_log_and_meta_begins_anew(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let before = fill(&node, &room, 0..3).await;
    bench.lose_log(&room).await;
    bench.lose_meta(&room).await;
    assert_eq!(
        node.look(&room, Span::Newest, 10).await,
        Snapshot::default()
    );
    let after = &fill(&node, &room, 3..4).await[0];
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
    let before = fill(&node, &room, 0..3).await;
    bench.lose_all().await;
    let after = node.say(&Draft::new(&room, "k1")).await;
    assert_eq!((after.seq, after.duplicate), (1, false));
    assert_ne!(after.epoch, before[0].epoch);
}

async fn a_rewound_room_begins_an_epoch_if_the_publisher_had_delivered_more(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    let kept = fill(&a, &room, 0..2).await;
    let image = bench.image(&room).await;
    let lost = fill(&a, &room, 2..5).await;
    b.delivered(&room, Some(&Position::new(lost[2].epoch.clone(), 5)));
    for (round, node) in [(0, &a), (1, &b)] {
        bench.rewind(&room, &image).await;
        assert_eq!(node.look(&room, Span::Newest, 10).await.end, 2);
        let after = node.say(&Draft::new(&room, format!("after{round}"))).await;
        assert_eq!(after.seq, 3);
        assert_ne!(after.epoch, kept[0].epoch);
        let read = node.look(&room, Span::Newest, 10).await;
        assert_eq!(judge(&read, &kept[1]), Verdict::Good);
        assert_eq!(judge(&read, &lost[2]), Verdict::Cut(2));
        assert_eq!(judge(&read, &after), Verdict::Good);
    }
}

async fn a_log_that_ends_below_its_meta_begins_an_epoch(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    let kept = fill(&a, &room, 0..2).await;
    let image = bench.image(&room).await;
    let lost = fill(&a, &room, 2..5).await;
    bench.rewind_log(&room, &image).await;
    assert_eq!(a.look(&room, Span::Newest, 10).await.end, 2);
    let after = b.say(&Draft::new(&room, "after")).await;
    assert_eq!(after.seq, 3);
    assert_ne!(
        after.epoch, kept[0].epoch,
        "this node had delivered nothing, the meta tells"
    );
    let read = a.look(&room, Span::Newest, 10).await;
    assert_eq!(judge(&read, &kept[1]), Verdict::Good);
    assert_eq!(judge(&read, &lost[0]), Verdict::Cut(2));
}

async fn a_forgotten_delivery_no_longer_counts(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let kept = node.say(&Draft::new(&room, "k")).await;
    // As high as this room never was: only what the node says of itself can make the next publish begin an epoch.
    node.delivered(&room, Some(&Position::new(kept.epoch.clone(), 9)));
    node.delivered(&room, Some(&Position::new(kept.epoch.clone(), 1)));
    node.delivered(&room, None);
    assert_eq!(node.say(&Draft::new(&room, "l")).await.epoch, kept.epoch);
    node.delivered(&room, Some(&Position::new(kept.epoch.clone(), 9)));
    node.delivered(&room, Some(&Position::new(kept.epoch.clone(), 2)));
    let after = node.say(&Draft::new(&room, "m")).await;
    assert_eq!(after.seq, 3);
    assert_ne!(after.epoch, kept.epoch, "the highest ever told counts");
}

/// What somebody saw of a room: the epoch of each seq.
type History = Vec<Epoch>;

async fn the_chain_judges_positions_after_several_rewinds(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let mut history = History::new();
    let mut seen: Vec<History> = Vec::new();
    let mut images: Vec<(Image, History)> = Vec::new();
    // Each row: publishes, then which image to go back to.
    for (round, (count, back)) in [
        (4, None),
        (3, Some(0)),
        (5, Some(1)),
        (1, Some(1)),
        (6, Some(2)),
        (2, None),
    ]
    .into_iter()
    .enumerate()
    {
        images.push((bench.image(&room).await, history.clone()));
        for number in 0..count {
            let accepted = node
                .say_and_deliver(&Draft::new(&room, format!("{round}-{number}")))
                .await;
            assert_eq!(accepted.seq, history.len() as u64 + 1);
            history.push(accepted.epoch);
            seen.push(history.clone());
        }
        if let Some(index) = back {
            let (image, then) = &images[index];
            bench.rewind(&room, image).await;
            history.clone_from(then);
        }
    }
    let read = node.look(&room, Span::Newest, 100).await;
    assert_eq!(
        read.entries
            .iter()
            .map(|entry| entry.epoch.clone())
            .collect::<Vec<_>>(),
        history
    );
    for seen in &seen {
        let (end, epoch) = (seen.len() as u64, seen.last().unwrap());
        let common = seen
            .iter()
            .zip(&history)
            .take_while(|(one, other)| one == other)
            .count() as u64;
        let is_known = read.chain.pairs().iter().any(|(known, _)| known == epoch);
        let wanted = match (is_known, common == end) {
            (true, true) => Verdict::Good,
            (true, false) => Verdict::Cut(common),
            (false, _) => Verdict::Cut(0),
        };
        let position = Position::new(epoch.clone(), end);
        assert_eq!(
            read.chain.judge(read.end, &position),
            wanted,
            "{position:?} in {:?}",
            read.chain
        );
    }
}

/// A small generator, so that a walk is the same every time and on both brokers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Faults after which an image is no longer gone back to: a node tells what it delivered of eight epochs only.
const IMAGE_LIFE: u64 = 5;

async fn no_number_ever_names_two_entries(mut bench: Bench) {
    let nodes = [bench.node("a").await, bench.node("b").await];
    for seed in 1..=6_u64 {
        let room = room(&format!("walk {seed}"));
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (mut images, mut faults, mut keys) = (Vec::<(Image, u64)>::new(), 0, 0);
        for _ in 0..100 {
            let step = dice.below(20);
            faults += u64::from(step >= 13);
            images.retain(|(_, taken)| faults - taken < IMAGE_LIFE);
            match step {
                0..10 => {
                    let is_repeat = keys > 0 && dice.below(5) == 0;
                    let key = if is_repeat { dice.below(keys) } else { keys };
                    keys += u64::from(!is_repeat);
                    let node = &nodes[usize::try_from(dice.below(2)).unwrap()];
                    let accepted = node.say(&Draft::new(&room, format!("k{key}"))).await;
                    let position = Position::new(accepted.epoch, accepted.seq);
                    nodes
                        .iter()
                        .for_each(|node| node.delivered(&room, Some(&position)));
                }
                10..13 => images.push((bench.image(&room).await, faults)),
                13 => bench.lose_log(&room).await,
                14 => bench.lose_meta(&room).await,
                15 => {
                    bench.lose_log(&room).await;
                    bench.lose_meta(&room).await;
                }
                16 => {
                    bench
                        .trim(&room, usize::try_from(dice.below(4)).unwrap())
                        .await
                }
                17..20 if !images.is_empty() => {
                    let index = usize::try_from(dice.below(images.len() as u64)).unwrap();
                    bench.rewind(&room, &images[index].0).await;
                }
                _ if seed == 1 => bench.restart().await,
                _ => {}
            }
            let read = nodes[0].look(&room, Span::Newest, 1_000).await;
            for entry in &read.entries {
                let epoch = read.chain.epoch_at(entry.seq);
                assert!(
                    epoch.is_none_or(|epoch| *epoch == entry.epoch),
                    "seed {seed}: {entry:?} in {:?}",
                    read.chain
                );
            }
        }
    }
    assert!(bench.ledger.len() > 200, "the walks have written something");
}
