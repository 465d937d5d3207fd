use proptest::prelude::*;

use super::order::PRUNE;
use super::*;

/// Has members show messages, and says whether all were taken as new.
fn show_all(ledger: &mut Ledger, member: u32, ids: &[Id]) -> bool {
    let mut is_new = true;
    for &id in ids {
        is_new &= matches!(ledger.show(member, id, &mut 0), Shown::New { .. });
    }
    is_new
}

/// A room of so many members in which the first has sent so many messages, all accepted.
fn said(members: u32, messages: u32) -> Ledger {
    let mut ledger = Ledger::new(members);
    for n in 0..messages {
        assert_eq!(ledger.send(0, 0), (n, members));
        ledger.answer(0, n.into(), true).unwrap();
    }
    ledger
}

#[test]
fn what_all_show_in_one_order_is_good_and_forgotten() {
    let mut ledger = Ledger::new(3);
    for round in 0..5_000_u32 {
        for sender in 0..3 {
            let (n, expected) = ledger.send(sender, 7);
            assert_eq!((n, expected), (round, 3));
        }
        for member in 0..3 {
            for sender in [2, 0, 1] {
                let lacking = 2 - member;
                let shown = ledger.show(member, (sender, round), &mut 0);
                assert_eq!(shown, Shown::New { lacking });
            }
        }
        for sender in 0..3 {
            let answered = ledger.answer(sender, round.into(), true).unwrap();
            assert_eq!((answered.due, answered.spared), (7, 0));
        }
    }
    assert_eq!(ledger.tally(), Tally::default());
    assert!(ledger.order.len() <= PRUNE, "{}", ledger.order.len());
    assert!(
        ledger
            .senders
            .iter()
            .all(|sender| sender.messages.is_empty())
    );
}

#[test]
fn what_was_accepted_and_not_shown_is_lost_by_each_member() {
    let mut ledger = said(3, 3);
    assert!(show_all(&mut ledger, 0, &[(0, 0), (0, 1), (0, 2)]));
    assert!(show_all(&mut ledger, 1, &[(0, 0), (0, 2)]));
    let lost = Tally {
        lost: 4,
        ..Tally::default()
    };
    assert_eq!(ledger.tally(), lost);
}

#[test]
fn what_the_first_to_show_lacks_is_lost_and_not_out_of_order() {
    let mut ledger = said(3, 3);
    assert!(show_all(&mut ledger, 0, &[(0, 0), (0, 2)]));
    assert!(show_all(&mut ledger, 1, &[(0, 0), (0, 1), (0, 2)]));
    assert!(show_all(&mut ledger, 2, &[(0, 0), (0, 1), (0, 2)]));
    let lost = Tally {
        lost: 1,
        ..Tally::default()
    };
    assert_eq!(ledger.tally(), lost);
}

#[test]
fn what_comes_again_is_doubled() {
    let mut ledger = said(2, 2);
    assert!(show_all(&mut ledger, 0, &[(0, 0), (0, 1)]));
    assert!(
        !show_all(&mut ledger, 0, &[(0, 0)]),
        "before the others have it"
    );
    assert!(show_all(&mut ledger, 1, &[(0, 0), (0, 1)]));
    assert!(!show_all(&mut ledger, 1, &[(0, 1)]), "once all have it");
    let doubled = Tally {
        doubled: 2,
        ..Tally::default()
    };
    assert_eq!(ledger.tally(), doubled);
}

#[test]
fn two_members_that_show_two_orders_are_found() {
    let mut ledger = Ledger::new(2);
    for sender in 0..2 {
        ledger.send(sender, 0);
        ledger.send(sender, 0);
    }
    assert!(show_all(&mut ledger, 0, &[(0, 0), (1, 0), (0, 1), (1, 1)]));
    assert!(show_all(&mut ledger, 1, &[(1, 0), (0, 0), (1, 1), (0, 1)]));
    for sender in 0..2 {
        ledger.answer(sender, 0, true).unwrap();
        ledger.answer(sender, 1, true).unwrap();
    }
    let reordered = Tally {
        reordered: 2,
        ..Tally::default()
    };
    assert_eq!(ledger.tally(), reordered);
}

#[test]
fn a_room_that_breaks_its_senders_order_is_found() {
    let mut ledger = said(2, 3);
    for member in 0..2 {
        assert!(show_all(&mut ledger, member, &[(0, 1), (0, 0), (0, 2)]));
    }
    let reordered = Tally {
        reordered: 1,
        ..Tally::default()
    };
    assert_eq!(ledger.tally(), reordered);
}

#[test]
fn what_is_refused_is_expected_nowhere_unless_somebody_shows_it() {
    let mut ledger = Ledger::new(2);
    ledger.send(0, 5);
    ledger.send(0, 6);
    assert_eq!(ledger.answer(0, 0, false).unwrap().spared, 2);
    assert_eq!(ledger.answer(0, 1, false).unwrap().spared, 2);
    assert_eq!(ledger.tally(), Tally::default());
    let mut revived = 0;
    ledger.show(1, (0, 1), &mut revived);
    assert_eq!(revived, 2);
    assert_eq!(ledger.tally().lost, 1, "the other member lacks it");
}

#[test]
fn an_answer_counts_once_and_only_for_what_was_sent() {
    let mut ledger = Ledger::new(1);
    ledger.send(0, 5);
    assert_eq!(ledger.tally().unanswered, 1);
    assert!(ledger.answer(0, 1, true).is_none());
    assert!(ledger.answer(0, u64::MAX, true).is_none());
    assert!(ledger.answer(0, 0, true).is_some());
    assert!(ledger.answer(0, 0, true).is_none());
    assert_eq!(ledger.tally().unanswered, 0);
}

#[test]
fn what_nobody_sent_is_foreign() {
    let mut ledger = said(1, 1);
    assert!(!show_all(&mut ledger, 0, &[(0, 1), (7, 0)]));
    assert_eq!(ledger.tally().foreign, 2);
}

#[test]
fn nothing_is_expected_of_who_left_or_is_slow() {
    let mut ledger = Ledger::new(3);
    ledger.uncount(2);
    assert_eq!(ledger.send(0, 8), (0, 2));
    assert_eq!(ledger.send(0, 9), (1, 2));
    ledger.answer(0, 0, true).unwrap();
    ledger.answer(0, 1, true).unwrap();
    assert!(show_all(&mut ledger, 0, &[(0, 0), (0, 1)]));
    assert!(show_all(&mut ledger, 1, &[(0, 0)]));
    assert_eq!(ledger.leave(1), [9]);
    assert_eq!(ledger.show(2, (0, 1), &mut 0), Shown::Uncounted);
    assert_eq!(ledger.tally(), Tally::default());
}

#[test]
fn what_a_member_is_told_not_to_wait_for_does_not_make_the_rest_look_out_of_order() {
    let mut ledger = said(2, 4);
    assert!(show_all(&mut ledger, 0, &[(0, 0), (0, 1), (0, 2), (0, 3)]));
    ledger.skip(1, 2);
    assert!(show_all(&mut ledger, 1, &[(0, 2), (0, 3)]));
    let tally = ledger.tally();
    assert_eq!((tally.reordered, tally.doubled, tally.lost), (0, 0, 2));
}

#[test]
fn answers_that_are_given_up_are_refusals() {
    let mut ledger = Ledger::new(2);
    for due in 0..3 {
        ledger.send(0, due);
    }
    ledger.answer(0, 0, true).unwrap();
    ledger.show(1, (0, 2), &mut 0);
    let given_up = ledger.give_up(0);
    let spared: Vec<_> = given_up
        .iter()
        .map(|answered| (answered.due, answered.spared))
        .collect();
    assert_eq!(spared, [(1, 2), (2, 0)]);
}

#[test]
fn who_lacks_something_and_shows_what_is_new_to_all_does_not_make_the_others_look_out_of_order() {
    let mut ledger = said(3, 3);
    assert!(show_all(&mut ledger, 0, &[(0, 0), (0, 1)]));
    // The second member has lost (0, 1), and is the first to show (0, 2).
    assert!(show_all(&mut ledger, 1, &[(0, 0), (0, 2)]));
    assert!(show_all(&mut ledger, 0, &[(0, 2)]));
    assert!(show_all(&mut ledger, 2, &[(0, 0), (0, 1), (0, 2)]));
    let lost = Tally {
        lost: 1,
        ..Tally::default()
    };
    assert_eq!(ledger.tally(), lost);
    assert!(show_all(&mut ledger, 1, &[(0, 1)]), "it was only late");
    let tally = ledger.tally();
    assert!(tally.reordered > 0 && tally.lost == 0, "{tally:?}");
}

/// What happens to one message on its way to one member.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Nothing,
    Lost,
    Doubled,
    /// It comes so many messages later.
    Late(usize),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        Just(Mishap::Nothing),
        Just(Mishap::Lost),
        Just(Mishap::Doubled),
        (1_usize..4).prop_map(Mishap::Late),
    ]
}

proptest! {
    #[test]
    fn one_mishap_is_found_however_the_members_are_read(
        senders in prop::collection::vec(0_u32..3, 20..60),
        mishap in mishap(),
        member in 0_usize..3,
        index in 0_usize..16,
        reads in prop::collection::vec((0_usize..3, 1_usize..5), 0..200),
    ) {
        let mut ledger = Ledger::new(3);
        let mut order = Vec::new();
        for sender in senders {
            let (n, _) = ledger.send(sender, 0);
            ledger.answer(sender, n.into(), true).unwrap();
            order.push((sender, n));
        }
        let mut inboxes: Vec<VecDeque<Id>> = vec![order.iter().copied().collect(); 3];
        let inbox = &mut inboxes[member];
        match mishap {
            Mishap::Nothing => {}
            Mishap::Lost => drop(inbox.remove(index)),
            Mishap::Doubled => inbox.insert(index, order[index]),
            Mishap::Late(count) => {
                let id = inbox.remove(index).unwrap();
                inbox.insert(index + count, id);
            }
        }
        let rest = (0..3).map(|member| (member, order.len() + 1));
        for (member, count) in reads.into_iter().chain(rest) {
            for _ in 0..count {
                if let Some(id) = inboxes[member].pop_front() {
                    ledger.show(u32::try_from(member).unwrap(), id, &mut 0);
                }
            }
        }
        let tally = ledger.tally();
        let found = (tally.lost, tally.doubled, tally.reordered > 0);
        let expected = match mishap {
            Mishap::Nothing => (0, 0, false),
            Mishap::Lost => (1, 0, false),
            Mishap::Doubled => (0, 1, false),
            Mishap::Late(_) => (0, 0, true),
        };
        prop_assert_eq!(found, expected, "{:?} {:?}", mishap, tally);
        prop_assert_eq!((tally.foreign, tally.unanswered), (0, 0));
    }
}
