//! What people do, on both brokers: join, speak, read back, come back, rename, type.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::cluster::{Cluster, settings};
use crate::support::eventually;
use crate::support::page::{Page, shown};

/// Runs each scenario on nodes that share a memory broker and on nodes that share a Redis.
macro_rules! on_both_brokers {
    ($($(#[$doc:meta])* $name:ident($nodes:literal);)+) => {
        mod memory {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(Cluster::memory($nodes).await).await;
            })+
        }
        mod redis {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(Cluster::redis($nodes).await).await;
            })+
        }
    };
}

on_both_brokers! {
    a_message_reaches_every_node(3);
    a_first_message_gives_the_room_its_first_epoch(1);
    a_reconnect_keeps_the_user_and_a_forged_token_does_not(2);
    a_page_comes_back_to_what_it_missed(2);
    more_than_the_limit_is_skipped_and_told(1);
    history_reads_both_ways(2);
    the_same_key_is_one_message_and_two_users_with_it_are_two(2);
    a_key_with_another_text_is_refused(1);
    presence_counts_users_over_all_nodes(2);
    a_rename_is_told_and_kept(2);
    typing_reaches_the_others_only(2);
    members_come_in_pages(2);
    leaving_ends_the_stream(1);
    rooms_are_compared_in_canonical_form(2);
}

async fn a_message_reaches_every_node(cluster: Cluster) {
    let mut pages = Vec::new();
    for (node, name) in ["Ann", "Bo", "Cho"].iter().enumerate() {
        let mut page = cluster.page(node, name).await;
        page.join("yard").await;
        pages.push(page);
    }
    let sent = pages[0].say("yard", "안녕하세요").await;
    for page in &mut pages {
        let message = page.message("yard").await;
        assert_eq!(message.text, "안녕하세요");
        assert_eq!(json!(message.seq), sent["seq"]);
        assert_eq!(json!(message.epoch), sent["epoch"]);
    }
}

async fn a_first_message_gives_the_room_its_first_epoch(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let joined = ann.join("empty").await;
    assert_eq!(
        (&joined["epoch"], &joined["seq"]),
        (&json!(null), &json!(0))
    );
    let sent = ann.say("empty", "first").await;
    assert_eq!(sent["seq"], 1);
    assert_eq!(ann.message("empty").await.seq, 1);
    let mut bo = cluster.page(0, "Bo").await;
    let missed = bo
        .answer(json!({"type": "join", "room": "empty", "after": {"epoch": null, "seq": 0}}))
        .await;
    assert_eq!(
        (&missed["epoch"], &missed["seq"]),
        (&sent["epoch"], &json!(1))
    );
    assert_eq!(bo.message("empty").await.text, "first");
}

async fn a_reconnect_keeps_the_user_and_a_forged_token_does_not(cluster: Cluster) {
    let ann = cluster.page(0, "Ann").await;
    let (user, token) = (ann.user.clone(), ann.token.clone());
    ann.vanish();
    let again = Page::reopen(cluster.nodes[1].address(), "Ann", &token).await;
    assert_eq!(again.user, user);
    assert_eq!(again.welcome["resumed_identity"], true);
    let forged = Page::reopen(
        cluster.nodes[1].address(),
        "Ann",
        &token.replace("mdg1.", "mdg1.x"),
    )
    .await;
    assert_ne!(forged.user, user);
    assert_eq!(forged.welcome["resumed_identity"], false);
}

async fn a_page_comes_back_to_what_it_missed(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    ann.join("yard").await;
    bo.join("yard").await;
    ann.say("yard", "before").await;
    let seen = bo.message("yard").await;
    bo.vanish();
    for number in 1..=300 {
        ann.say("yard", &format!("missed {number}")).await;
    }
    let mut back = cluster.page(1, "Bo").await;
    let joined = back.join_after("yard", &seen.epoch, seen.seq).await;
    assert_eq!(joined["seq"], 301);
    let missed = back.messages("yard", 300).await;
    for (number, message) in (1..=300).zip(&missed) {
        assert_eq!(
            (message.seq, &message.text),
            (number + 1, &format!("missed {number}"))
        );
    }
    ann.say("yard", "live").await;
    assert_eq!(back.message("yard").await.seq, 302);
}

async fn more_than_the_limit_is_skipped_and_told(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let first = ann.say("yard", "1").await;
    for number in 2..=30 {
        ann.say("yard", &number.to_string()).await;
    }
    let mut bo = cluster.page(0, "Bo").await;
    let after = json!({"epoch": first["epoch"], "seq": 1});
    bo.answer(json!({"type": "join", "room": "yard", "after": after, "limit": 5}))
        .await;
    let gap = bo.expect("gap").await;
    assert_eq!(
        (&gap["from"], &gap["to"], &gap["reason"]),
        (&json!(2), &json!(25), &json!("skipped"))
    );
    let seqs: Vec<_> = bo
        .messages("yard", 5)
        .await
        .iter()
        .map(|message| message.seq)
        .collect();
    assert_eq!(seqs, [26, 27, 28, 29, 30]);
}

async fn history_reads_both_ways(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let mut epoch = json!(null);
    for number in 1..=20 {
        epoch = ann.say("yard", &number.to_string()).await["epoch"].clone();
    }
    let mut bo = cluster.page(1, "Bo").await;
    bo.join("yard").await;
    let seqs = |history: &serde_json::Value| -> Vec<u64> {
        history["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| shown(message).seq)
            .collect()
    };
    let newest = bo
        .answer(json!({"type": "history", "room": "yard", "limit": 5}))
        .await;
    assert_eq!(seqs(&newest), [16, 17, 18, 19, 20]);
    assert_eq!(newest["more"], true);
    let before = json!({"epoch": epoch, "seq": 16});
    let older = bo
        .answer(json!({"type": "history", "room": "yard", "limit": 50, "before": before}))
        .await;
    assert_eq!(seqs(&older), (1..=15).collect::<Vec<_>>());
    assert_eq!(older["more"], false);
    let after = json!({"epoch": epoch, "seq": 17});
    let newer = bo
        .answer(json!({"type": "history", "room": "yard", "limit": 2, "after": after}))
        .await;
    assert_eq!(seqs(&newer), [18, 19]);
    assert_eq!(newer["more"], true);
    let withdrawn = json!({"epoch": "another", "seq": 17});
    let told = bo
        .answer(json!({"type": "history", "room": "yard", "before": withdrawn}))
        .await;
    assert_eq!((&told["from"], seqs(&told).len()), (&json!(1), 0));
}

async fn the_same_key_is_one_message_and_two_users_with_it_are_two(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    ann.join("yard").await;
    bo.join("yard").await;
    let send = json!({"type": "send", "room": "yard", "text": "once", "key": "the-same-key"});
    let first = ann.answer(send.clone()).await;
    let again = ann.answer(send.clone()).await;
    assert_eq!(first["duplicate"], json!(null));
    assert_eq!(
        (&again["seq"], &again["epoch"], &again["at"]),
        (&first["seq"], &first["epoch"], &first["at"])
    );
    assert_eq!(again["duplicate"], true);
    let other = bo.answer(send).await;
    assert_eq!(
        (&other["seq"], &other["duplicate"]),
        (&json!(2), &json!(null))
    );
    assert_eq!(bo.messages("yard", 2).await.len(), 2);
    bo.expect_no("message").await;
}

async fn a_key_with_another_text_is_refused(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    ann.answer(json!({"type": "send", "room": "yard", "text": "one", "key": "k"}))
        .await;
    let error = ann
        .answer(json!({"type": "send", "room": "yard", "text": "two", "key": "k"}))
        .await;
    assert_eq!(
        (&error["code"], &error["retry_after_ms"]),
        (&json!("key_reused"), &json!(null))
    );
}

async fn presence_counts_users_over_all_nodes(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    ann.find("presence of Ann", |frame| {
        frame["type"] == "presence" && frame["count"] == 1
    })
    .await;
    let mut bo = cluster.page(1, "Bo").await;
    let mut second = Page::reopen(cluster.nodes[0].address(), "Bo", &bo.token).await;
    bo.join("yard").await;
    second.join("yard").await;
    let told = ann
        .find("presence of Bo", |frame| {
            frame["type"] == "presence" && frame["count"] == 2
        })
        .await;
    assert_eq!(told["joined"][0]["name"], "Bo");
    bo.vanish();
    ann.expect_no("presence").await;
    let bo_id = second.user.clone();
    second.vanish();
    let told = ann
        .find("Bo has left", |frame| {
            frame["type"] == "presence" && frame["count"] == 1
        })
        .await;
    assert_eq!(told["left"], json!([bo_id]));
}

async fn a_rename_is_told_and_kept(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    ann.join("yard").await;
    bo.join("yard").await;
    ann.find("presence of Bo", |frame| {
        frame["type"] == "presence" && frame["count"] == 2
    })
    .await;
    let renamed = bo
        .answer(json!({"type": "rename", "name": " 보라  Kim "}))
        .await;
    assert_eq!(
        (&renamed["type"], &renamed["user"]["name"]),
        (&json!("renamed"), &json!("보라 Kim"))
    );
    let told = ann
        .find("the new name", |frame| {
            frame["renamed"][0]["name"] == "보라 Kim"
        })
        .await;
    assert_eq!(told["renamed"][0]["id"], json!(bo.user));
    bo.say("yard", "me").await;
    let message = ann.expect("message").await;
    assert_eq!(message["user"]["name"], "보라 Kim");
}

async fn typing_reaches_the_others_only(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    ann.join("yard").await;
    bo.join("yard").await;
    bo.send(json!({"type": "typing", "room": "yard"})).await;
    assert_eq!(ann.expect("typing").await["user"]["name"], "Bo");
    bo.expect_no("typing").await;
}

async fn members_come_in_pages(cluster: Cluster) {
    let mut pages = Vec::new();
    for number in 0..12 {
        let mut page = cluster.page(number % 2, &format!("user {number}")).await;
        page.join("yard").await;
        pages.push(page);
    }
    let page = &mut pages[0];
    page.find("all are present", |frame| {
        frame["type"] == "presence" && frame["count"] == 12
    })
    .await;
    let (mut found, mut cursor) = (std::collections::BTreeSet::new(), None);
    loop {
        let mut ask = json!({"type": "members", "room": "yard", "limit": 5});
        if let Some(cursor) = cursor {
            ask["cursor"] = cursor;
        }
        let answer = page.answer(ask).await;
        assert_eq!(answer["count"], 12, "{answer}");
        for member in answer["members"].as_array().unwrap() {
            found.insert(member["name"].as_str().unwrap().to_owned());
        }
        match answer.get("cursor") {
            Some(next) => cursor = Some(next.clone()),
            None => break,
        }
    }
    assert_eq!(found.len(), 12, "{found:?}");
}

async fn leaving_ends_the_stream(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(0, "Bo").await;
    ann.join("yard").await;
    bo.join("yard").await;
    let left = bo.answer(json!({"type": "leave", "room": "yard"})).await;
    assert_eq!(
        (&left["type"], &left["reason"]),
        (&json!("left"), &json!("asked"))
    );
    ann.say("yard", "without Bo").await;
    ann.message("yard").await;
    bo.expect_no("message").await;
    let error = bo
        .answer(json!({"type": "send", "room": "yard", "text": "x", "key": "k"}))
        .await;
    assert_eq!(error["code"], "not_joined");
    let rooms = || async { cluster.nodes[0].metrics().rooms.get() == 1 };
    eventually("one room has members", rooms).await;
}

async fn rooms_are_compared_in_canonical_form(cluster: Cluster) {
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    assert_eq!(ann.join(" The Yard ").await["room"], "the yard");
    // The same word, composed and decomposed.
    assert_eq!(bo.join("the yard").await["room"], "the yard");
    ann.say("THE YARD", "one room").await;
    assert_eq!(bo.message("the yard").await.text, "one room");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_within_the_interval_of_a_room_leaves_together() {
    let interval = Duration::from_millis(100);
    let mut settings = settings();
    settings.limits.fanout_interval = interval;
    let cluster = Cluster::memory_with(2, settings).await;
    let mut ann = cluster.page(0, "Ann").await;
    let mut bob = cluster.page(1, "Bob").await;
    ann.join("a").await;
    bob.join("a").await;
    let begun = Instant::now();
    let texts: Vec<_> = (1..=30).map(|number| number.to_string()).collect();
    for text in &texts {
        ann.say("a", text).await;
    }
    let shown = bob.messages("a", texts.len()).await;
    assert!(shown.iter().map(|message| &message.text).eq(&texts));
    // Bob is alone on his node, so what is observed there are the writes to him.
    let writes = cluster.nodes[1]
        .metrics()
        .delivery_latency
        .get_sample_count();
    let most = begun.elapsed().as_millis() / interval.as_millis() + 2;
    assert!(
        u128::from(writes) <= most,
        "{writes} writes, at most {most}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_only_a_moment_for_its_message() {
    let interval = Duration::from_secs(20);
    let mut settings = settings();
    settings.limits.fanout_interval = interval;
    let cluster = Cluster::memory_with(1, settings).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("a").await;
    ann.say("a", "leaves at once").await;
    let begun = Instant::now();
    ann.say("a", "leaves after the interval").await;
    assert!(begun.elapsed() < interval / 2);
}
