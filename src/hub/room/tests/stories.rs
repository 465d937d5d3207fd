//! Joining, coming back and falling behind.

use std::time::Duration;

use super::bench::{Bench, log, position, told};
use crate::broker::{PresenceChange, Unavailable};
use crate::hub::seat::Seat;
use crate::protocol::{Answer, RequestId, UserId};

#[test]
fn a_fresh_join_begins_where_the_log_ends() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(None);
    bench.live("a", 6..=7);
    assert_eq!(told(&ann), ["joined a 5", "a 6", "a 7"]);
    bench.rests();
}

#[test]
fn the_first_message_of_an_empty_room_arrives() {
    let mut bench = Bench::standing_at(&log(&[], 0));
    let ann = bench.join(None);
    assert_eq!(told(&ann), ["joined none 0"]);
    bench.live("a", 1..=1);
    bench.read(&log(&[("a", 1)], 1));
    assert_eq!(told(&ann), ["a 1"]);
}

#[test]
fn nothing_is_read_before_payloads_arrive() {
    let mut bench = Bench::new();
    bench.room.unsubscribed();
    let ann = bench.join(Some(("a", 3)));
    bench.live("a", 1..=1);
    bench.room.suspect();
    bench.rests();
    bench.room.subscribed();
    bench.read(&log(&[("a", 1)], 5));
    assert_eq!(told(&ann), ["joined a 5", "a 4", "a 5"]);
}

#[test]
fn who_comes_back_gets_what_it_missed_out_of_memory() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    bench.live("a", 6..=8);
    let ann = bench.join(Some(("a", 6)));
    assert_eq!(told(&ann), ["joined a 8", "a 7", "a 8"]);
    bench.rests();
}

#[test]
fn who_was_away_longer_gets_pages_of_the_log_and_what_came_meanwhile() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join(Some(("a", 0)));
    assert_eq!(bench.begin(), Some(0));
    bench.live("a", 6..=6);
    bench.answer(&log(&[("a", 1)], 5), 3);
    assert_eq!(told(&ann), ["joined a 5", "a 1", "a 2", "a 3"]);
    assert_eq!(bench.begin(), Some(3));
    bench.live("a", 7..=7);
    bench.answer(&log(&[("a", 1)], 6), 3);
    assert_eq!(told(&ann), ["a 4", "a 5", "a 6", "a 7"]);
    bench.rests();
}

#[test]
fn a_page_that_has_seen_nothing_gets_everything() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 2));
    let ann = bench.join(Some(("none", 0)));
    bench.read(&log(&[("a", 1)], 2));
    assert_eq!(told(&ann), ["joined a 2", "a 1", "a 2"]);
}

#[test]
fn the_first_read_serves_who_came_back_to_a_new_room() {
    let mut bench = Bench::new();
    let ann = bench.join(Some(("a", 3)));
    assert_eq!(bench.begin(), Some(3));
    bench.answer(&log(&[("a", 1)], 5), 256);
    assert_eq!(told(&ann), ["joined a 5", "a 4", "a 5"]);
    bench.rests();
}

#[test]
fn one_read_serves_everybody() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let (ann, bob) = (bench.join(Some(("a", 2))), bench.join(Some(("a", 4))));
    assert_eq!(bench.begin(), Some(2));
    let eve = bench.join(Some(("a", 3)));
    bench.answer(&log(&[("a", 1)], 5), 256);
    assert_eq!(told(&ann), ["joined a 5", "a 3", "a 4", "a 5"]);
    assert_eq!(told(&bob), ["joined a 5", "a 5"]);
    assert_eq!(told(&eve), ["joined a 5", "a 4", "a 5"]);
    bench.rests();
}

#[test]
fn more_than_the_limit_is_told_as_skipped() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join_with(Some(("a", 1)), 2, usize::MAX);
    bench.live("a", 6..=6);
    bench.read(&log(&[("a", 1)], 6));
    assert_eq!(
        told(&ann),
        ["joined a 5", "skipped a 2-3", "a 4", "a 5", "a 6"]
    );
}

#[test]
fn a_full_outbox_pauses_the_stream_until_it_is_read() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let (ann, bob) = (bench.join_with(None, 1000, 2), bench.join(None));
    bench.live("a", 6..=9);
    assert_eq!(bench.drain(&ann), ["joined a 5", "a 6"]);
    assert_eq!(bench.drain(&ann), ["a 7", "a 8"]);
    assert_eq!(bench.drain(&ann), ["a 9"]);
    bench.live("a", 10..=10);
    assert_eq!(told(&ann), ["a 10"]);
    assert_eq!(told(&bob).len(), 6, "a slow reader hurts only itself");
    bench.rests();
}

#[test]
fn who_fell_far_behind_comes_back_through_the_log() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.join_with(None, 1000, 100);
    bench.live("a", 6..=205);
    bench.live("a", 206..=405);
    bench.rests();
    assert_eq!(bench.drain(&ann).len(), 100, "`joined` and 99 entries");
    assert_eq!(bench.begin(), Some(104));
    bench.answer(&log(&[("a", 1)], 405), 256);
    bench.rests();
    for first in [105, 205, 305] {
        let missed = bench.drain(&ann);
        assert_eq!((missed.len(), &missed[0]), (100, &format!("a {first}")));
        if bench.begin().is_some() {
            bench.answer(&log(&[("a", 1)], 405), 256);
        }
    }
    assert_eq!(bench.drain(&ann), ["a 405"]);
    bench.rests();
}

#[test]
fn a_join_waits_for_the_roster_and_does_without_it_if_there_is_none() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let ann = bench.knock(None, 1000, 10);
    assert_eq!(told(&ann), [""; 0]);
    assert!(bench.room.begin_roster(bench.now));
    assert!(!bench.room.begin_roster(bench.now), "one roster at a time");
    bench
        .room
        .roster(Err(Unavailable("no answer".to_owned())), bench.now);
    assert_eq!(told(&ann), ["joined a 5"]);
    let bob = bench.knock(None, 1000, 10);
    assert_eq!(
        told(&bob),
        ["joined a 5"],
        "a roster answers joins for a while"
    );
    bench.now += Duration::from_secs(1);
    bench.knock(None, 1000, 10);
    assert!(bench.room.begin_roster(bench.now));
}

#[test]
fn a_join_that_cannot_be_served_is_given_up() {
    let mut bench = Bench::new();
    let ann = bench.join(None);
    let (asked, other) = (RequestId::from(1), RequestId::from(2));
    assert!(
        !bench.room.expire(ann.id(), &other, 1000),
        "that was an earlier join"
    );
    assert!(bench.room.expire(ann.id(), &asked, 1000));
    assert!(ann.is_expelled());
    assert_eq!(told(&ann), ["error unavailable"]);
    bench.room.leave(ann.id(), bench.now);
    assert_eq!(bench.room.members(), 0);
    let bob = bench.join(None);
    bench.read(&log(&[("a", 1)], 5));
    assert!(
        !bench.room.expire(bob.id(), &other, 1000),
        "it has been served"
    );
    assert_eq!(told(&bob), ["joined a 5"]);
}

#[test]
fn who_leaves_takes_nobody_along() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let [ann, bob, eve] = [bench.join(None), bench.join(None), bench.join(None)];
    assert_eq!(bench.room.leave(ann.id(), bench.now), Some(ann.user().id));
    assert_eq!(bench.room.leave(ann.id(), bench.now), None);
    bench.live("a", 6..=6);
    assert_eq!(told(&ann), ["joined a 5"]);
    assert_eq!((told(&bob).len(), told(&eve).len()), (2, 2));
    bench.room.leave(eve.id(), bench.now);
    bench.live("a", 7..=7);
    assert_eq!((told(&bob).len(), told(&eve).len()), (1, 0));
    assert!(bench.room.standing(bob.id()).is_some() && bench.room.standing(eve.id()).is_none());
}

#[test]
fn what_waits_for_the_end_of_the_turn_comes_before_what_members_hear_meanwhile() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    let [ann, bob] = [bench.join(None), bench.join(None)];
    bench.hear("a", 6..=7);
    let standing = bench.room.standing(bob.id()).map(|position| position.seq);
    assert_eq!((told(&bob).len(), standing), (1, Some(5)));
    bench.room.leave(ann.id(), bench.now);
    assert_eq!(told(&ann), ["joined a 5", "a 6", "a 7"]);
    bench.hear("a", 8..=8);
    let eve = bench.join(None);
    bench.hear("a", 9..=9);
    bench.write();
    assert_eq!(told(&eve), ["joined a 8", "a 9"]);
    assert_eq!(told(&bob).len(), 4);
    assert!(bench.room.standing(bob.id()) == bench.room.position());
}

#[test]
fn a_room_is_deserted_once_the_last_user_has_been_swept() {
    let mut bench = Bench::standing_at(&log(&[], 0));
    let ann = bench.join(None);
    bench.room.leave(ann.id(), bench.now);
    assert!(!bench.room.is_deserted());
    let user = ann.user().id;
    assert_eq!(
        bench.room.sweep(&user, bench.now),
        Some(PresenceChange::Gone(user))
    );
    assert!(bench.room.is_deserted());
}

#[test]
fn ephemeral_frames_go_to_all_who_joined_but_the_one_they_are_about() {
    let mut bench = Bench::standing_at(&log(&[], 0));
    let (ann, bob) = (bench.join(None), bench.join(None));
    bench.now += Duration::from_secs(2);
    let eve = bench.knock(None, 1000, 10);
    let room = crate::protocol::RoomName::parse("yard").unwrap();
    let user = ann.user();
    bench.room.ephemeral(
        &Answer::Typing {
            room: &room,
            user: &user,
        },
        Some(&user.id),
    );
    assert_eq!(
        [ann.ephemerals(), bob.ephemerals(), eve.ephemerals()],
        [0, 1, 0]
    );
    assert_eq!(
        bench
            .room
            .sweep(&UserId::parse("nobody").unwrap(), bench.now),
        None
    );
}

#[test]
fn the_broker_is_told_of_every_new_position_once() {
    let mut bench = Bench::standing_at(&log(&[("a", 1)], 5));
    assert_eq!(bench.room.take_delivered(), Some(&position("a", 5)));
    assert_eq!(bench.room.take_delivered(), None);
    bench.live("a", 6..=7);
    assert_eq!(bench.room.take_delivered(), Some(&position("a", 7)));
}

#[test]
fn five_thousand_who_come_back_at_once_cost_a_handful_of_reads() {
    let log = log(&[("a", 1)], 1000);
    // A node that has just begun to serve the room, as after the death of another.
    let mut bench = Bench::new();
    let mut counted = 0;
    let desks: Vec<_> = (0..5000_u64)
        .map(|number| {
            let after = position("a", 200 + number % 800);
            counted += u32::from(bench.room.would_read(&after));
            (
                200 + number % 800,
                bench.join(Some(("a", 200 + number % 800))),
            )
        })
        .collect();
    assert_eq!(counted, 1, "all others share the read of the first");
    let mut reads = 0;
    while bench.begin().is_some() {
        reads += 1;
        bench.answer(&log, 256);
    }
    assert!(reads <= 6, "{reads} reads of 256 entries for 800");
    for (after, desk) in desks {
        let told = told(&desk);
        assert_eq!(told.len() as u64, 1 + 1000 - after, "after {after}");
    }
    // Those who come a little later find what was read last in memory, or read together.
    let near = position("a", 999);
    bench.live("a", 1001..=1002);
    let beyond = position("a", 300);
    assert!(!bench.room.would_read(&position("a", 1001)));
    assert!(!bench.room.would_read(&near) && bench.room.would_read(&beyond));
    bench.join(Some(("a", 300)));
    assert!(!bench.room.would_read(&beyond), "it shares the read");
}
