//! Lost payloads, outages, logs that lose something.

use std::time::Duration;

use super::bench::{Bench, log, position, told};
use crate::hub::room::catchup::Stage;
use crate::hub::room::live::MAX_PARKED;
use crate::hub::seat::Seat;

#[test]
fn after_a_lost_payload_nothing_is_delivered_before_a_read() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.live("a", 7..=7);
    assert_eq!(told(&ann), ["joined a 5"]);
    assert_eq!(bench.begin(), Some(5));
    bench.live("a", 8..=8);
    bench.answer(&log(&[("a", 1)], 7), 256);
    assert_eq!(told(&ann), ["a 6", "a 7", "a 8"]);
    bench.rests();
}

#[test]
fn what_came_before_the_position_is_ignored() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.live("a", 3..=4);
    bench.live("a", 4..=6);
    bench.live("a", 6..=6);
    assert_eq!(told(&ann), ["joined a 5", "a 6"]);
    bench.rests();
}

#[test]
fn a_probe_finds_a_lost_last_entry_and_a_stale_one_does_no_harm() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.room.probed(&position("a", 5));
    bench.rests();
    bench.room.probed(&position("a", 6));
    bench.read(&log(&[("a", 1)], 6));
    bench.room.probed(&position("a", 5));
    bench.read(&log(&[("a", 1)], 6));
    assert_eq!(told(&ann), ["joined a 5", "a 6"]);
    bench.rests();
}

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
    assert_eq!(told(&ann), ["joined a 5", "withdrawn from 4, a", "b 4", "b 5", "b 6"]);
    let mut shown = Vec::new();
    while shown.len() < 5 {
        shown.extend(bench.drain(&bob));
    }
    assert_eq!(shown, ["joined a 5", "withdrawn from 4, a", "b 4", "b 5", "b 6"]);
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
    assert_eq!(told(&bob), ["joined a 5", "withdrawn from 4, a", "b 4", "b 5", "b 6"]);
    bench.rests();
}

#[test]
fn a_log_that_has_shrunk_below_what_a_read_began_at_is_read_again() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let (ann, bob) = (bench.join(Some(("a", 4))), bench.join(None));
    assert_eq!(bench.begin(), Some(4));
    bench.live("a", 6..=6);
    bench.answer(&log(&[("a", 1)], 3), 256);
    bench.read(&log(&[("a", 1)], 3));
    assert_eq!(told(&ann), ["joined a 5", "withdrawn from 4, a"]);
    assert_eq!(told(&bob), ["joined a 5", "a 6", "withdrawn from 4, a"]);
    bench.rests();
}

#[test]
fn a_page_never_begins_ahead_of_the_room() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.room.members[0].stage = Stage::Behind { cursor: position("a", 8), skip_to: 0, is_paused: false };
    assert_eq!(bench.begin(), Some(5));
    bench.answer(&log(&[("a", 1)], 9), 256);
    assert_eq!(told(&ann), ["joined a 5", "a 9"], "nothing is told to be trimmed");
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
    assert_eq!(told(&ann)[1..], ["trimmed a 3-4", "a 5", "trimmed a 6-6", "a 7", "a 8", "trimmed a 9-9"]);
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
fn after_an_outage_a_join_waits_until_the_log_was_read() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    bench.room.unsubscribed();
    let ann = bench.join(None);
    bench.rests();
    bench.room.subscribed();
    assert_eq!(told(&ann), [""; 0]);
    bench.read(&log(&[("a", 1)], 8));
    assert_eq!(told(&ann), ["joined a 8"]);
}

#[test]
fn a_read_that_ends_in_an_outage_lets_nobody_in() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    bench.room.suspect();
    assert!(bench.begin().is_some());
    bench.room.unsubscribed();
    let ann = bench.join(None);
    bench.answer(&log(&[("a", 1)], 5), 256);
    assert_eq!(told(&ann), [""; 0]);
}

#[test]
fn a_read_of_the_time_before_the_outage_does_not_end_it() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    bench.room.suspect();
    assert!(bench.begin().is_some());
    bench.room.unsubscribed();
    bench.room.subscribed();
    let ann = bench.join(None);
    bench.answer(&log(&[("a", 1)], 5), 256);
    assert_eq!(told(&ann), [""; 0]);
    bench.read(&log(&[("a", 1)], 6));
    assert_eq!(told(&ann), ["joined a 6"]);
}

#[test]
fn who_is_ahead_of_the_node_waits_until_the_node_is_there() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(Some(("b", 12)));
    let longer = log(&[("a", 1), ("b", 8)], 13);
    for after in [5, 8] {
        assert_eq!(bench.begin(), Some(after));
        bench.answer(&longer, 3);
        // Whatever else happens lets nobody in before the node has come to the log's end.
        bench.join(None);
        bench.now += Duration::from_secs(2);
        assert!(bench.room.begin_roster(bench.now));
        bench.room.roster(Ok(crate::broker::Roster::default()), bench.now);
        assert_eq!(told(&ann), [""; 0]);
    }
    bench.read(&longer);
    assert_eq!(told(&ann), ["joined b 13", "b 13"]);
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
fn positions_to_judge_and_pages_to_read_take_turns() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 9));
    let ann = bench.join(Some(("a", 0)));
    let mut begun = Vec::new();
    for _ in 0..12 {
        bench.join(Some(("x", 1)));
        begun.extend(bench.begin());
        bench.answer(&log(&[("a", 1)], 9), 2);
    }
    assert!(begun.contains(&9), "no position was judged: {begun:?}");
    assert_eq!(told(&ann).len(), 10, "those who come later take all reads: {begun:?}");
}

#[test]
fn a_room_faster_than_its_reads_still_serves_who_is_behind() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 9));
    let ann = bench.join(Some(("a", 0)));
    let mut shown = told(&ann).len();
    for end in 10..20 {
        // The log is always ahead of what came live.
        if bench.begin().is_some() {
            bench.answer(&log(&[("a", 1)], end + 1), 3);
        }
        bench.live("a", end..=end);
        shown += told(&ann).len();
    }
    assert_eq!(shown, 1 + 19, "`joined`, and all that there is");
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
    assert_eq!(told(&eve), ["joined a 5", "a 6", "withdrawn from 6, a", "b 6", "b 7"]);
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
    let epochs: Vec<_> = names.iter().zip((1..).step_by(2)).map(|(name, first)| (name.as_str(), first)).collect();
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
    let seqs: Vec<_> = shown.iter().map(|told| told.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).collect();
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

#[test]
fn a_read_that_fails_is_repeated_after_a_growing_pause() {
    let mut bench = Bench::new();
    let ann = bench.join(None);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        assert!(bench.begin().is_some());
        let pause = bench.fail();
        bench.rests();
        bench.now += pause;
        pauses.push(pause.as_millis());
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
    bench.begin();
    bench.fail();
    bench.room.subscribed();
    bench.read(&log(&[("a", 1)], 5));
    bench.room.suspect();
    bench.begin();
    assert_eq!(bench.fail(), Duration::from_millis(100), "an answer ends the row");
    bench.join(None);
    assert_eq!(told(&ann), ["joined a 5"]);
}

#[test]
fn more_than_can_wait_for_a_read_is_read_too() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.room.suspect();
    assert!(bench.begin().is_some());
    let many = MAX_PARKED as u64;
    bench.live("a", 6..=many);
    bench.live("a", many + 1..=many + 8);
    bench.answer(&log(&[("a", 1)], 5), 256);
    assert_eq!(told(&ann), ["joined a 5"]);
    assert_eq!(bench.begin(), Some(5));
    bench.answer(&log(&[("a", 1)], many + 8), 1 << 20);
    assert_eq!(told(&ann).len() as u64, many + 3);
    bench.rests();
}

#[test]
fn an_answer_that_nobody_waits_for_is_ignored() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    for number in [0, 1, 2, 99] {
        assert_eq!(bench.room.read(number, Ok(crate::broker::Snapshot::default()), bench.now), None);
    }
    bench.live("a", 6..=6);
    assert_eq!(told(&ann), ["joined a 5", "a 6"]);
}
