use std::time::Instant;

use madang::broker::{Refusal, Source, Span};
use madang::protocol::RoomName;

use super::bench::{Bench, Draft, Node, room};

on_both!(
    after_a_refusal_the_later_ones_are_refused_until_the_first_comes_again,
    who_does_not_repeat_the_first_one_goes_on_with_the_next,
    a_burst_is_refused_as_one_and_repeated_in_order,
    a_source_that_is_forgotten_begins_anew,
    a_repeat_is_answered_though_the_broker_is_full,
    a_frozen_broker_refuses_and_writes_nothing_late,
    a_broker_that_is_away_refuses_and_takes_the_repeat_later,
    reads_fail_while_the_broker_is_away,
);

async fn code_of(node: &Node, draft: &Draft) -> Refusal {
    node.publish(draft).await.expect_err("this is refused")
}

async fn texts(node: &Node, room: &RoomName) -> Vec<String> {
    let read = node.look(room, Span::Newest, 1_000).await;
    let text = |m: &[u8]| -> String {
        let object: serde_json::Value = serde_json::from_slice(m).unwrap();
        object["text"].as_str().unwrap().to_owned()
    };
    read.entries.iter().map(|entry| text(&entry.m)).collect()
}

async fn after_a_refusal_the_later_ones_are_refused_until_the_first_comes_again(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let [first, second, third] = ["1", "2", "3"].map(|key| Draft::new(&room, key));
    bench.fill().await;
    assert_eq!(code_of(&node, &first).await, Refusal::RedisFull);
    bench.empty().await;
    assert_eq!(code_of(&node, &second).await, Refusal::RedisFull);
    assert_eq!(code_of(&node, &third).await, Refusal::RedisFull);
    let other = Draft::new(&room, "1")
        .from(2)
        .by("bob")
        .saying("another source");
    assert_eq!(node.publish(&other).await.unwrap().seq, 1);
    let elsewhere = Draft::new(&super::bench::room("garden"), "1");
    assert_eq!(node.publish(&elsewhere).await.unwrap().seq, 1);
    for (draft, seq) in [(&first, 2), (&second, 3), (&third, 4)] {
        assert_eq!(node.publish(draft).await.unwrap().seq, seq);
    }
    assert_eq!(texts(&node, &room).await, ["another source", "1", "2", "3"]);
}

async fn who_does_not_repeat_the_first_one_goes_on_with_the_next(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let drafts = ["1", "2", "3"].map(|key| Draft::new(&room, key));
    bench.fill().await;
    for draft in &drafts {
        assert_eq!(code_of(&node, draft).await, Refusal::RedisFull);
    }
    bench.empty().await;
    // As if the first one had come by: an earlier try of it was written and its answer lost.
    for (draft, seq) in drafts[1..].iter().zip(1..) {
        assert_eq!(node.publish(draft).await.unwrap().seq, seq);
    }
}

async fn a_burst_is_refused_as_one_and_repeated_in_order(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let drafts: Vec<_> = (0..100)
        .map(|number| Draft::new(&room, format!("{number:02}")))
        .collect();
    bench.fill().await;
    let pending: Vec<_> = drafts.iter().map(|draft| node.hand(draft)).collect();
    for pending in pending {
        assert_eq!(pending.answer().await, Err(Refusal::RedisFull));
    }
    bench.empty().await;
    let one_more = Draft::new(&room, "one more");
    assert_eq!(code_of(&node, &one_more).await, Refusal::RedisFull);
    let pending: Vec<_> = drafts.iter().map(|draft| node.hand(draft)).collect();
    for (number, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.answer().await.unwrap().seq, number as u64 + 1);
    }
}

async fn a_source_that_is_forgotten_begins_anew(mut bench: Bench) {
    let node = bench.node("a").await;
    for (name, place) in [("yard", Some(room("yard"))), ("garden", None)] {
        let room = room(name);
        bench.fill().await;
        assert_eq!(
            code_of(&node, &Draft::new(&room, "1")).await,
            Refusal::RedisFull
        );
        bench.empty().await;
        assert_eq!(
            code_of(&node, &Draft::new(&room, "2")).await,
            Refusal::RedisFull
        );
        node.forget(Source(1), place.as_ref());
        assert_eq!(node.publish(&Draft::new(&room, "3")).await.unwrap().seq, 1);
    }
}

async fn a_repeat_is_answered_though_the_broker_is_full(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let known = Draft::new(&room, "known");
    let accepted = node.publish(&known).await.unwrap();
    bench.fill().await;
    let again = node.publish(&known).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (accepted.seq, true));
    assert_eq!(
        code_of(&node, &known.clone().saying("something else")).await,
        Refusal::KeyReused
    );
    assert_eq!(
        code_of(&node, &Draft::new(&room, "new")).await,
        Refusal::RedisFull
    );
    bench.empty().await;
}

async fn a_frozen_broker_refuses_and_writes_nothing_late(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.enter(&room, 1).await;
    node.publish(&Draft::new(&room, "before")).await.unwrap();
    bench.pause();
    let begun = Instant::now();
    let pending: Vec<_> = (0..10)
        .map(|number| node.hand(&Draft::new(&room, format!("late {number}"))))
        .collect();
    for pending in pending {
        let refusal = pending
            .answer()
            .await
            .expect_err("nobody can have written this");
        assert!(refusal.is_retryable(), "{refusal:?}");
    }
    assert!(
        begun.elapsed() < bench.send_timeout() * 4,
        "answered after {:?}",
        begun.elapsed()
    );
    bench.resume().await;
    node.say(&Draft::new(&room, "after").from(2)).await;
    node.ear.until_text(&room, "after").await;
    assert_eq!(texts(&node, &room).await, ["before", "after"]);
    let again = node.say(&Draft::new(&room, "late 0")).await;
    assert_eq!((again.seq, again.duplicate), (3, false));
}

async fn a_broker_that_is_away_refuses_and_takes_the_repeat_later(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.publish(&Draft::new(&room, "before")).await.unwrap();
    bench.take_down().await;
    let [first, second, third] = ["1", "2", "3"].map(|key| Draft::new(&room, key));
    for draft in [&first, &second] {
        let refusal = code_of(&node, draft).await;
        assert!(refusal.is_retryable(), "{refusal:?}");
    }
    bench.bring_up().await;
    assert!(
        code_of(&node, &third).await.is_retryable(),
        "what was refused comes first"
    );
    for (draft, seq) in [(&first, 2), (&second, 3), (&third, 4)] {
        let accepted = node.say(draft).await;
        assert_eq!((accepted.seq, accepted.duplicate), (seq, false));
    }
    assert_eq!(texts(&node, &room).await, ["before", "1", "2", "3"]);
}

async fn reads_fail_while_the_broker_is_away(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    bench.take_down().await;
    let begun = Instant::now();
    assert!(node.read(room.clone(), Span::Newest, 10).await.is_err());
    assert!(node.roster(room.clone(), None, 10).await.is_err());
    assert!(node.identity_key("key".into()).await.is_err());
    assert!(
        begun.elapsed() < bench.send_timeout() * 6,
        "answered after {:?}",
        begun.elapsed()
    );
    bench.bring_up().await;
    assert_eq!(node.look(&room, Span::Newest, 10).await.end, 0);
}
