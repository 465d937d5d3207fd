//! Lost payloads, outages, reads that fail or fall short.

use std::time::Duration;

use super::bench::{Bench, log, position, told};
use crate::broker::{Roster, Snapshot};
use crate::hub::room::catchup::Stage;
use crate::hub::room::live::MAX_PARKED;

#[test]
fn what_comes_while_a_member_reads_is_kept_for_it() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(Some(("a", 0)));
    assert_eq!(bench.begin(), Some(0));
    bench.live("a", 6..=205);
    bench.live("a", 206..=405);
    bench.answer(&log(&[("a", 1)], 5), 256);
    assert_eq!(told(&ann).len(), 406);
    bench.rests();
}

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
fn a_page_never_begins_ahead_of_the_room() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.room.members[0].stage = Stage::Behind {
        cursor: position("a", 8),
        skip_to: 0,
        is_paused: false,
    };
    assert_eq!(bench.begin(), Some(5));
    bench.answer(&log(&[("a", 1)], 9), 256);
    assert_eq!(
        told(&ann),
        ["joined a 5", "a 9"],
        "nothing is told to be trimmed"
    );
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
        bench.room.roster(Ok(Roster::default()), bench.now);
        assert_eq!(told(&ann), [""; 0]);
    }
    bench.read(&longer);
    assert_eq!(told(&ann), ["joined b 13", "b 13"]);
    bench.rests();
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
    assert_eq!(
        told(&ann).len(),
        10,
        "those who come later take all reads: {begun:?}"
    );
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
    bench.read(&log(&[("a", 1)], 5));
    bench.room.suspect();
    assert!(bench.begin().is_some());
    assert_eq!(
        bench.fail(),
        Duration::from_millis(100),
        "an answer ends the row"
    );
    bench.room.subscribed();
    assert!(
        bench.begin().is_some(),
        "a new subscription waits for nothing"
    );
    bench.join(None);
    assert_eq!(told(&ann), ["joined a 5"]);
}

#[test]
fn what_came_before_a_read_began_is_left_to_it() {
    let mut bench = Bench::standing_at(&log(&[("a", 1), ("b", 6)], 7));
    let ann = bench.join(None);
    bench.room.suspect();
    assert!(bench.begin().is_some());
    bench.live("a", 4..=5);
    let pause = bench.fail();
    bench.now += pause;
    bench.read(&log(&[("a", 1), ("b", 6)], 8));
    assert_eq!(told(&ann), ["joined b 7", "b 8"]);
    bench.rests();
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
        assert_eq!(
            bench.room.read(number, Ok(Snapshot::default()), bench.now),
            None
        );
    }
    bench.live("a", 6..=6);
    assert_eq!(told(&ann), ["joined a 5", "a 6"]);
}
