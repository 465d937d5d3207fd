//! What bad input gets: each fault its own error or close code, and nobody else notices.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::cluster::{Cluster, settings};
use crate::support::eventually;
use crate::support::page::Page;

#[tokio::test(flavor = "multi_thread")]
async fn faulty_requests_are_answered_and_the_session_goes_on() {
    let cluster = Cluster::memory(1).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let long = "x".repeat(4001);
    let rows = [
        (json!("{"), "bad_json"),
        (json!("[1]"), "bad_type"),
        (json!({"type": "dance", "id": 1}), "bad_type"),
        (
            json!({"type": "refresh", "id": 1, "token": "t"}),
            "bad_type",
        ),
        (json!({"type": "hello", "name": "Ann"}), "bad_type"),
        (json!({"type": "join", "id": 1}), "missing_field"),
        (json!({"type": "join", "room": "a"}), "missing_field"),
        (json!({"type": "join", "id": 1, "room": 7}), "bad_field"),
        (json!({"type": "join", "id": 1, "room": "a/b"}), "bad_name"),
        (json!({"type": "join", "id": 1, "room": "_a"}), "bad_name"),
        (
            json!({"type": "join", "id": 1, "room": "a", "limit": 0}),
            "bad_field",
        ),
        (
            json!({"type": "join", "id": 1, "room": "a", "after": {"epoch": null, "seq": 3}}),
            "bad_field",
        ),
        (
            json!({"type": "join", "id": 1, "room": "yard"}),
            "already_joined",
        ),
        (
            json!({"type": "send", "id": 1, "room": "yard", "key": "k", "text": long}),
            "text_too_long",
        ),
        (
            json!({"type": "send", "id": 1, "room": "yard", "key": "k", "text": " \n "}),
            "bad_field",
        ),
        (
            json!({"type": "send", "id": 1, "room": "yard", "key": "", "text": "x"}),
            "bad_field",
        ),
        (
            json!({"type": "send", "id": 1, "room": "other", "key": "k", "text": "x"}),
            "not_joined",
        ),
        (
            json!({"type": "leave", "id": 1, "room": "other"}),
            "not_joined",
        ),
        (
            json!({"type": "history", "id": 1, "room": "other"}),
            "not_joined",
        ),
        (
            json!({"type": "members", "id": 1, "room": "other"}),
            "not_joined",
        ),
        (json!({"type": "typing", "room": "other"}), "not_joined"),
        (
            json!({"type": "rename", "id": 1, "name": "\u{202e}nnA"}),
            "bad_name",
        ),
    ];
    for (request, code) in rows {
        let text = request
            .as_str()
            .map_or_else(|| request.to_string(), str::to_owned);
        ann.raw(Message::text(text.clone())).await;
        let error = ann.expect("error").await;
        assert_eq!(error["code"], code, "{text}: {error}");
        assert_eq!(error.get("id"), request.get("id"), "{text}: {error}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{error}");
    }
    assert_eq!(ann.answer(json!({"type": "ping"})).await["type"], "pong");
    ann.say("yard", "still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_and_huge_unknown_types_change_nothing() {
    let cluster = Cluster::memory(1).await;
    let mut ann = cluster.page(0, "Ann").await;
    let joined = ann
        .answer(json!({"type": "join", "room": "yard", "colour": {"deep": [1, 2]}}))
        .await;
    assert_eq!(joined["type"], "joined");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_close_the_session_with_their_code_and_no_other() {
    let cluster = Cluster::memory(1).await;
    let mut witness = cluster.page(0, "Witness").await;
    witness.join("yard").await;
    let rows: [(&[u8], u16, &str); 5] = [
        (b"\x81\x02hi", 1002, "unmasked"),
        (b"\xc1\x80\0\0\0\0", 1002, "protocol"),
        (b"\x82\x81\0\0\0\0x", 1003, "binary"),
        (b"\x81\x82\0\0\0\0\xc0\x80", 1007, "not_utf8"),
        (b"\x81\xff\0\0\0\0\0\x01\0\x01\0\0\0\0", 1009, "too_big"),
    ];
    for (bytes, code, word) in rows {
        let mut wire = upgraded(&cluster).await;
        wire.write_all(bytes).await.unwrap();
        let mut received = Vec::new();
        wire.read_to_end(&mut received).await.unwrap();
        assert_eq!(received[0], 0x88, "{word}");
        assert_eq!(
            u16::from_be_bytes([received[2], received[3]]),
            code,
            "{word}"
        );
        let reason = String::from_utf8_lossy(&received[4..]);
        assert!(reason.starts_with(word), "{reason}");
        let counted = cluster.nodes[0]
            .metrics()
            .sessions_closed
            .with_label_values(&[word]);
        eventually("the close is counted", || async { counted.get() == 1 }).await;
    }
    witness.say("yard", "nothing happened here").await;
    witness.message("yard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_says_hello_is_closed() {
    let mut settings = settings();
    settings.session.hello_timeout = Duration::from_millis(100);
    let cluster = Cluster::memory_with(1, settings).await;
    let mut silent = Page::knock(cluster.nodes[0].address()).await;
    assert_eq!(silent.closed().await, (4001, "no_hello".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_hello_only_ping_is_answered() {
    let cluster = Cluster::memory(1).await;
    let mut page = Page::knock(cluster.nodes[0].address()).await;
    assert_eq!(page.answer(json!({"type": "ping"})).await["type"], "pong");
    page.send(json!({"type": "join", "id": 9, "room": "yard"}))
        .await;
    assert_eq!(page.expect("error").await["code"], "bad_type");
    page.send(json!({"type": "hello", "name": "Ann"})).await;
    page.expect("welcome").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_no_pong_is_closed_and_who_does_stays() {
    let mut settings = settings();
    settings.session.ping_interval = Duration::from_millis(100);
    settings.session.pong_timeout = Duration::from_millis(200);
    let cluster = Cluster::memory_with(1, settings).await;
    let mut wire = upgraded(&cluster).await;
    let mut received = Vec::new();
    wire.read_to_end(&mut received).await.unwrap();
    let close = received.windows(4).find(|bytes| bytes[0] == 0x88).unwrap();
    assert!(
        [4001, 4002].contains(&u16::from_be_bytes([close[2], close[3]])),
        "{received:?}"
    );

    let mut ann = cluster.page(0, "Ann").await;
    ann.expect_no("error").await;
    assert_eq!(ann.answer(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_closed_and_others_never_notice() {
    let mut settings = settings();
    settings.limits.requests_per_second = 50;
    settings.limits.requests_burst = 200;
    let cluster = Cluster::memory_with(1, settings).await;
    let mut witness = cluster.page(0, "Witness").await;
    witness.join("yard").await;
    let mut flood = cluster.page(0, "Flood").await;
    for id in 0..300 {
        flood.send(json!({"type": "ping", "id": id})).await;
    }
    assert_eq!(flood.closed().await, (4004, "flood".to_owned()));
    witness.say("yard", "calm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_above_the_rate_are_refused_in_order() {
    let mut settings = settings();
    settings.limits.sends_per_second = 20;
    settings.limits.send_burst = 3;
    let cluster = Cluster::memory_with(1, settings).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let send = |key: &str| json!({"type": "send", "room": "yard", "text": key, "key": key});
    let mut ids = Vec::new();
    for key in ["a", "b", "c", "d", "e"] {
        ids.push(ann.ask(send(key)).await);
    }
    let mut answers = Vec::new();
    for id in ids {
        answers.push(
            ann.find("the answer", |frame| frame["id"] == json!(id))
                .await,
        );
    }
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| answer["code"].as_str().unwrap_or("sent"))
        .collect();
    assert_eq!(
        codes,
        ["sent", "sent", "sent", "rate_limited", "rate_limited"]
    );
    assert!(answers[3]["retry_after_ms"].as_u64().unwrap() > 0);
    // Tokens are there again once another room takes a message; still none may overtake the refused one.
    ann.join("other").await;
    let mut tries = 0;
    loop {
        let key = format!("try {tries}");
        let answer = ann
            .answer(json!({"type": "send", "room": "other", "text": "t", "key": key}))
            .await;
        if answer["type"] == "sent" {
            break;
        }
        ann.answer(json!({"type": "leave", "room": "other"})).await;
        ann.join("other").await;
        tries += 1;
    }
    assert_eq!(ann.answer(send("e")).await["code"], "rate_limited");
    for (key, seq) in [("d", 4), ("e", 5)] {
        let sent = loop {
            let answer = ann.answer(send(key)).await;
            if answer["type"] == "sent" {
                break answer;
            }
            assert_eq!(answer["code"], "rate_limited", "{answer}");
        };
        assert_eq!(sent["seq"], seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_rooms_are_refused() {
    let mut settings = settings();
    settings.limits.rooms = 2;
    let cluster = Cluster::memory_with(1, settings).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("a").await;
    ann.join("b").await;
    assert_eq!(
        ann.answer(json!({"type": "join", "room": "c"})).await["code"],
        "too_many_rooms"
    );
    ann.answer(json!({"type": "leave", "room": "a"})).await;
    ann.join("c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_message_and_a_page_that_closes_end_in_order() {
    let cluster = Cluster::memory(1).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.raw(Message::Binary(Bytes::from_static(b"x"))).await;
    assert_eq!(ann.closed().await.0, 1003);
    let mut bo = cluster.page(0, "Bo").await;
    bo.raw(Message::Close(None)).await;
    let closed = cluster.nodes[0]
        .metrics()
        .sessions_closed
        .with_label_values(&["page"]);
    eventually("the close is counted", || async { closed.get() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_read_hurts_only_itself() {
    let mut settings = settings();
    settings.session.pong_timeout = Duration::from_millis(500);
    settings.limits.outbox_frames = 64;
    let cluster = Cluster::memory_with(1, settings).await;
    let mut ann = cluster.page(0, "Ann").await;
    let mut stuck = cluster.page(0, "Stuck").await;
    ann.join("yard").await;
    stuck.join("yard").await;
    let text = "x".repeat(3900);
    // As many as fill the system's buffers between the node and the page that does not read.
    for round in 0..60 {
        for number in 0..50 {
            let key = format!("{round}-{number}");
            ann.ask(json!({"type": "send", "room": "yard", "text": text, "key": key}))
                .await;
        }
        ann.messages("yard", 50).await;
    }
    let closed = cluster.nodes[0]
        .metrics()
        .sessions_closed
        .with_label_values(&["slow"]);
    eventually("the stuck session is closed", || async {
        closed.get() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_flushes_and_closes_with_drain() {
    let mut cluster = Cluster::memory(2).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let epoch = ann.say("yard", "first").await["epoch"].clone();
    assert_eq!(ann.message("yard").await.seq, 1);
    let mut ids = Vec::new();
    for number in 0..20 {
        let key = format!("k{number}");
        ids.push(
            ann.ask(json!({"type": "send", "room": "yard", "text": key, "key": key}))
                .await,
        );
    }
    ann.answer(json!({"type": "ping"})).await;
    let node = cluster.nodes.remove(0);
    let stopped = tokio::spawn(node.stop());
    assert_eq!(ann.closed().await, (1012, "drain".to_owned()));
    for id in &ids {
        assert_eq!(
            ann.find("sent", |frame| frame["id"] == json!(id)).await["type"],
            "sent"
        );
    }
    assert_eq!(ann.expect("reconnect").await["reason"], "drain");
    stopped.await.unwrap();
    // What was accepted and not shown yet is on the node that stays.
    let mut again = Page::reopen(cluster.nodes[0].address(), "Ann", &ann.token).await;
    again.join_after("yard", epoch.as_str().unwrap(), 1).await;
    assert_eq!(again.messages("yard", ids.len()).await.len(), ids.len());
}

/// Opens a session by hand, so that anything may be written to it.
async fn upgraded(cluster: &Cluster) -> TcpStream {
    let address = cluster.nodes[0].address();
    let mut wire = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    wire.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(wire.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    wire
}
