use madang::broker::{Span, Verdict};
use madang::protocol::{Epoch, Position};

use super::bench::{Bench, Draft, Image, judge, room};

on_both!(
    a_rewound_room_begins_an_epoch_if_the_publisher_had_delivered_more,
    a_log_that_ends_below_its_meta_begins_an_epoch,
    a_forgotten_delivery_no_longer_counts,
    the_chain_judges_positions_after_several_rewinds,
    no_number_ever_names_two_entries,
);

async fn a_rewound_room_begins_an_epoch_if_the_publisher_had_delivered_more(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    let kept = a.fill(&room, 0..2).await;
    let image = bench.image(&room).await;
    let lost = a.fill(&room, 2..5).await;
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
    let kept = a.fill(&room, 0..2).await;
    let image = bench.image(&room).await;
    let lost = a.fill(&room, 2..5).await;
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
