//! Logs that are rewound, trimmed or lost, and their epochs.

use std::time::Duration;

use super::bench::{Bench, log, position, told};
use crate::hub::seat::Seat;

#[test]
fn a_clean_restart_is_not_told() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.live("b", 6..=6);
    bench.read(&log(&[("a", 1), ("b", 6)], 6));
    let bob = bench.join(Some(("a", 4)));
    bench.read(&log(&[("a", 1), ("b", 6)], 6));
    assert_eq!(told(&ann), ["joined a 5", "b 6"]);
    assert_eq!(told(&bob), ["joined b 6", "a 5", "b 6"]);
}

#[test]
fn a_rewind_is_told_to_all_and_the_stream_goes_on_behind_it() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let (ann, bob) = (bench.join(None), bench.join_with(None, 1000, 1));
    let rewound = log(&[("a", 1), ("b", 4)], 6);
    bench.live("b", 6..=6);
    bench.read(&rewound);
    bench.read(&rewound);
    assert_eq!(
        told(&ann),
        ["joined a 5", "withdrawn from 4, a", "b 4", "b 5", "b 6"]
    );
    let mut shown = Vec::new();
    while shown.len() < 5 {
        shown.extend(bench.drain(&bob));
    }
    assert_eq!(
        shown,
        ["joined a 5", "withdrawn from 4, a", "b 4", "b 5", "b 6"]
    );
    bench.rests();
}

#[test]
fn a_page_for_a_member_may_show_that_the_room_was_rewound() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let (ann, bob) = (bench.join(Some(("a", 2))), bench.join(None));
    let rewound = log(&[("a", 1), ("b", 4)], 6);
    bench.read(&rewound);
    bench.read(&rewound);
    assert_eq!(told(&ann), ["joined a 5", "a 3", "b 4", "b 5", "b 6"]);
    assert_eq!(
        told(&bob),
        ["joined a 5", "withdrawn from 4, a", "b 4", "b 5", "b 6"]
    );
    bench.rests();
}

#[test]
fn a_log_that_has_shrunk_below_what_a_read_began_at_is_read_again() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let (ann, bob) = (bench.join(Some(("a", 4))), bench.join(None));
    assert_eq!(bench.begin(), Some(4));
    bench.room.leave(ann.id(), bench.now);
    bench.live("a", 6..=6);
    bench.answer(&log(&[("a", 1)], 3), 256);
    bench.read(&log(&[("a", 1)], 3));
    assert_eq!(told(&bob), ["joined a 5", "a 6", "withdrawn from 4, a"]);
    bench.rests();
}

#[test]
fn a_log_that_ends_before_the_position_withdraws_what_it_lost() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.room.probed(&position("a", 3));
    bench.read(&log(&[("a", 1)], 3));
    assert_eq!(told(&ann), ["joined a 5", "withdrawn from 4, a"]);
    bench.rests();
}

#[test]
fn after_all_was_lost_everything_is_withdrawn() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.live("b", 1..=1);
    bench.read(&log(&[("b", 1)], 1));
    bench.read(&log(&[("b", 1)], 1));
    assert_eq!(told(&ann), ["joined a 5", "withdrawn from 1, none", "b 1"]);
}

#[test]
fn a_trimmed_gap_is_told_where_it_is() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 2));
    let ann = bench.join(None);
    let trimmed = log(&[("a", 1)], 9).keeping(&[5..=5, 7..=8]);
    bench.live("a", 9..=9);
    bench.read(&trimmed);
    assert_eq!(
        told(&ann)[1..],
        [
            "trimmed a 3-4",
            "a 5",
            "trimmed a 6-6",
            "a 7",
            "a 8",
            "trimmed a 9-9"
        ]
    );
    let bob = bench.join(Some(("a", 1)));
    bench.read(&trimmed);
    assert_eq!(told(&bob)[1..3], ["trimmed a 2-4", "a 5"]);
    bench.rests();
}

#[test]
fn a_late_payload_of_an_ended_epoch_costs_one_read() {
    let mut bench = Bench::standing_at(&log(&[("a", 1), ("b", 6)], 7));
    let ann = bench.join(None);
    bench.live("a", 4..=5);
    assert_eq!(bench.begin(), Some(7));
    bench.live("a", 5..=5);
    bench.answer(&log(&[("a", 1), ("b", 6)], 7), 256);
    bench.read(&log(&[("a", 1), ("b", 6)], 7));
    assert_eq!(told(&ann), ["joined b 7"]);
    bench.rests();
}

#[test]
fn a_position_of_an_unknown_epoch_is_withdrawn_after_a_read() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 2));
    let ann = bench.join(Some(("x", 1)));
    assert_eq!(bench.begin(), Some(2));
    bench.answer(&log(&[("a", 1)], 2), 256);
    assert_eq!(told(&ann), ["joined a 2", "withdrawn from 1, none"]);
    bench.read(&log(&[("a", 1)], 2));
    assert_eq!(told(&ann), ["a 1", "a 2"]);
}

#[test]
fn a_read_across_a_rewind_and_live_entries_is_repeated() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(Some(("a", 3)));
    let (bob, eve) = (bench.join(Some(("x", 3))), bench.join(None));
    assert!(bench.begin().is_some());
    bench.live("a", 6..=6);
    let rewound = log(&[("a", 1), ("b", 6)], 7);
    bench.answer(&rewound, 256);
    bench.now += Duration::from_secs(2);
    bench.join(None);
    assert_eq!(told(&bob), [""; 0], "nothing was judged yet");
    bench.read(&rewound);
    bench.read(&rewound);
    bench.read(&rewound);
    assert_eq!(told(&ann)[1..], ["a 4", "a 5", "b 6", "b 7"]);
    assert_eq!(told(&bob)[..2], ["joined b 7", "withdrawn from 1, none"]);
    assert_eq!(
        told(&eve),
        ["joined a 5", "a 6", "withdrawn from 6, a", "b 6", "b 7"]
    );
    bench.rests();
}

#[test]
fn what_comes_after_a_rewind_is_not_skipped() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 9));
    let ann = bench.join_with(Some(("a", 1)), 2, 1);
    assert_eq!(told(&ann), ["joined a 9"], "and her outbox is full");
    bench.room.suspect();
    bench.read(&log(&[("a", 1)], 4));
    bench.live("b", 5..=8);
    bench.read(&log(&[("a", 1), ("b", 5)], 8));
    ann.widen();
    bench.room.drained(ann.id(), bench.now);
    assert_eq!(told(&ann), ["skipped a 2-4", "b 5", "b 6", "b 7", "b 8"]);
    bench.rests();
}

#[test]
fn more_epochs_than_the_chain_keeps_are_no_obstacle() {
    let names: Vec<_> = (1..=12).map(|number| format!("e{number}")).collect();
    let epochs: Vec<_> = names
        .iter()
        .zip((1..).step_by(2))
        .map(|(name, first)| (name.as_str(), first))
        .collect();
    let long = log(&epochs, 24);
    let mut bench = Bench::standing_at(&long);
    let ann = bench.join_with(Some(("none", 0)), 1000, 3);
    let mut shown = bench.drain(&ann);
    for _ in 0..40 {
        if bench.begin().is_some() {
            bench.answer(&long, 2);
        }
        shown.extend(bench.drain(&ann));
    }
    let seqs: Vec<_> = shown
        .iter()
        .map(|told| told.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .collect();
    assert_eq!(seqs[1..], (1..=24).collect::<Vec<_>>(), "{shown:?}");
    bench.rests();
}

#[test]
fn a_log_without_epochs_is_an_empty_room() {
    let mut bench = Bench::standing_at(&log(&[], 7).keeping(&[]));
    let (ann, bob) = (bench.join(None), bench.join_with(Some(("a", 7)), 1, 10));
    bench.read(&log(&[], 7).keeping(&[]));
    assert_eq!(told(&ann), ["joined none 0"]);
    assert_eq!(told(&bob), ["joined none 0", "withdrawn from 1, none"]);
    bench.live("b", 8..=8);
    bench.read(&log(&[("b", 8)], 8).keeping(&[8..=8]));
    assert_eq!(told(&ann), ["trimmed b 1-7", "b 8"]);
    assert_eq!(told(&bob), ["trimmed b 1-7", "b 8"]);
}
