use std::collections::BTreeMap;

use bytes::Bytes;
use madang::broker::{Accepted, Refusal, Span};
use madang::protocol::Epoch;

use super::bench::{Bench, Draft, entries, room};

on_both!(
    publishes_of_one_source_are_numbered_in_their_order,
    sixteen_sources_at_once_get_every_number_once,
    a_repeat_is_answered_with_the_first_result,
    a_repeat_within_one_burst_is_answered_with_the_first_result,
    two_authors_may_use_the_same_key,
    a_key_used_for_another_text_is_refused,
    a_key_belongs_to_one_room,
    what_is_published_is_kept_byte_for_byte,
);

on_topologies!(
    publishes_of_one_source_are_numbered_in_their_order,
    sixteen_sources_at_once_get_every_number_once,
    a_repeat_is_answered_with_the_first_result,
    a_repeat_within_one_burst_is_answered_with_the_first_result,
    two_authors_may_use_the_same_key,
    a_key_used_for_another_text_is_refused,
    a_key_belongs_to_one_room,
    what_is_published_is_kept_byte_for_byte,
);

async fn publishes_of_one_source_are_numbered_in_their_order(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.enter(&room, 1).await;
    let pending: Vec<_> = (0..500)
        .map(|number| node.hand(&Draft::new(&room, format!("k{number}"))))
        .collect();
    let mut last: Option<Accepted> = None;
    for (number, pending) in pending.into_iter().enumerate() {
        let accepted = pending.answer().await.expect("nothing is wrong");
        assert_eq!(accepted.seq, number as u64 + 1);
        assert!(!accepted.duplicate);
        if let Some(last) = last {
            assert!(accepted.at >= last.at && accepted.epoch == last.epoch);
        }
        last = Some(accepted);
    }
    let heard = node.ear.until_text(&room, "k499").await;
    assert_eq!(
        heard.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        (1..=500).collect::<Vec<_>>()
    );
    let read = node.look(&room, Span::After(0), 1_000).await;
    assert_eq!(read.entries, heard);
}

async fn sixteen_sources_at_once_get_every_number_once(mut bench: Bench) {
    const SOURCES: u64 = 16;
    const EACH: u64 = 200;
    let room = room("yard");
    let nodes = [
        bench.node("a").await,
        bench.node("b").await,
        bench.node("c").await,
    ];
    for node in &nodes {
        node.enter(&room, 1).await;
    }
    let publish = |source: u64| {
        let draft = |number| {
            Draft::new(&room, format!("k{number}"))
                .from(source)
                .by(&format!("u{source}"))
        };
        let drafts: Vec<_> = (0..EACH).map(draft).collect();
        let node = &nodes[usize::try_from(source).unwrap() % 3];
        async move { node.send_in_order(&drafts).await }
    };
    let answered = futures_util::future::join_all((0..SOURCES).map(publish)).await;
    for seqs in &answered {
        assert!(seqs.is_sorted(), "{seqs:?}");
    }
    let mut all: Vec<u64> = answered.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=SOURCES * EACH).collect::<Vec<_>>());
    for node in &nodes {
        node.ear
            .until("all entries", |events| {
                entries(events, &room).len() as u64 == SOURCES * EACH
            })
            .await;
        let heard = entries(&node.ear.heard(), &room);
        assert!(
            heard.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq),
            "not in order"
        );
    }
    assert_eq!(bench.ledger.len() as u64, SOURCES * EACH);
}

async fn a_repeat_is_answered_with_the_first_result(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    a.enter(&room, 1).await;
    let first = a.publish(&Draft::new(&room, "k")).await.unwrap();
    a.publish(&Draft::new(&room, "between")).await.unwrap();
    for node in [&a, &b] {
        let again = node.publish(&Draft::new(&room, "k").from(9)).await.unwrap();
        assert_eq!(
            again,
            Accepted {
                duplicate: true,
                ..first.clone()
            }
        );
    }
    a.publish(&Draft::new(&room, "last")).await.unwrap();
    let heard = a.ear.until_text(&room, "last").await;
    assert_eq!(
        heard.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

async fn a_repeat_within_one_burst_is_answered_with_the_first_result(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let keys = ["a", "b", "a", "c", "b", "a"];
    let pending = keys.map(|key| node.hand(&Draft::new(&room, key)));
    let mut first: BTreeMap<&str, Accepted> = BTreeMap::new();
    for (key, pending) in keys.into_iter().zip(pending) {
        let accepted = pending.answer().await.unwrap();
        let wanted = first.get(key).map(|first| Accepted {
            duplicate: true,
            ..first.clone()
        });
        assert_eq!(
            accepted,
            wanted.unwrap_or_else(|| Accepted {
                duplicate: false,
                ..accepted.clone()
            })
        );
        first.entry(key).or_insert(accepted);
    }
    assert_eq!(
        first
            .values()
            .map(|accepted| accepted.seq)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(node.look(&room, Span::Newest, 10).await.entries.len(), 3);
}

async fn two_authors_may_use_the_same_key(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let ann = node
        .publish(&Draft::new(&room, "k").by("ann"))
        .await
        .unwrap();
    let bob = node
        .publish(&Draft::new(&room, "k").by("bob"))
        .await
        .unwrap();
    assert_eq!(
        (ann.seq, ann.duplicate, bob.seq, bob.duplicate),
        (1, false, 2, false)
    );
}

async fn a_key_used_for_another_text_is_refused(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    let (first, other) = (
        Draft::new(&room, "k"),
        Draft::new(&room, "k").saying("something else"),
    );
    let first_result = node.publish(&first).await.unwrap();
    assert_eq!(node.publish(&other).await, Err(Refusal::KeyReused));
    let burst = [
        Draft::new(&room, "l"),
        Draft::new(&room, "l").saying("not l"),
        Draft::new(&room, "m"),
    ];
    let [l, not_l, m] = burst.map(|draft| node.hand(&draft));
    assert_eq!(l.answer().await.unwrap().seq, 2);
    assert_eq!(not_l.answer().await, Err(Refusal::KeyReused));
    assert_eq!(
        m.answer().await.unwrap().seq,
        3,
        "a final refusal refuses no other message and takes no number"
    );
    assert_eq!(
        node.publish(&first).await.unwrap(),
        Accepted {
            duplicate: true,
            ..first_result
        }
    );
}

async fn a_key_belongs_to_one_room(mut bench: Bench) {
    let node = bench.node("a").await;
    for name in ["yard", "garden", "{yard}", "ya{rd", "마당"] {
        if let Ok(room) = madang::protocol::RoomName::parse(name) {
            let accepted = node
                .publish(&Draft::new(&room, "k").saying(name))
                .await
                .unwrap();
            assert_eq!((accepted.seq, accepted.duplicate), (1, false), "{name}");
        }
    }
}

async fn what_is_published_is_kept_byte_for_byte(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.enter(&room, 1).await;
    let contents: [&'static [u8]; 8] = [
        br#"{"key":"k","kind":"poll","options":[1,2.50,1e3],"new":{"a":null},"text":"?"}"#,
        b"{\"a\" : \"\\u0041\",\n \"b\":1 }",
        b"not JSON",
        b"\xff\xfe\x00\r\n",
        b"1e1\n2e2",
        b"[]",
        b" ",
        "{\"text\":\"한글 🦀 \u{2028}\"}".as_bytes(),
    ];
    let mut epoch: Option<Epoch> = None;
    for (number, content) in contents.into_iter().enumerate() {
        let draft = Draft::new(&room, format!("k{number}")).in_bytes(content);
        epoch = Some(node.publish(&draft).await.unwrap().epoch);
    }
    node.publish(&Draft::new(&room, "last")).await.unwrap();
    let heard = node.ear.until_text(&room, "last").await;
    let read = node.look(&room, Span::After(0), 100).await;
    assert_eq!(read.entries, heard);
    for (entry, content) in heard.iter().zip(contents) {
        assert_eq!(entry.m, Bytes::from_static(content));
        assert_eq!(Some(&entry.epoch), epoch.as_ref());
    }
}
