//! Numbers, epochs, chain, repeats, expiries.

use redis::{Value, from_redis_value};

use super::super::payload::Payload;
use super::super::testing::eventually;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_numbered_and_kept_as_the_layout_says() {
    let log = Log::start();
    let (first, second) = (log.say("{\"a\":1}").await, log.say("{\"a\":2}").await);
    assert_eq!((first.seq, second.seq, first.duplicate), (1, 2, false));
    assert_eq!(
        (&first.epoch, first.epoch.as_str().len()),
        (&second.epoch, 16)
    );
    assert!(first.at <= second.at && log.link.clock().now_ms().abs_diff(second.at) < 1000);
    let rows: Vec<(String, Vec<String>)> =
        from_redis_value(log.server.run(&["XRANGE", &log.key("log"), "-", "+"])).unwrap();
    let (epoch, at) = (first.epoch.to_string(), first.at.to_string());
    assert_eq!(rows[0].0, "1-0");
    assert_eq!(rows[0].1, ["e", &epoch, "at", &at, "m", "{\"a\":1}"]);
    assert_eq!(rows[1].0, "2-0");
    let meta = log.server.run(&[
        "HMGET",
        &log.key("meta"),
        "v",
        "epoch",
        "chain",
        "seq",
        "at",
    ]);
    let expected = [
        "1",
        &epoch,
        &format!("{epoch} 1"),
        "2",
        &second.at.to_string(),
    ]
    .map(str::to_owned);
    assert_eq!(from_redis_value::<Vec<String>>(meta).unwrap(), expected);
    let lineage = log.server.text(&["HGET", &log.key("meta"), "lineage"]);
    assert!(
        log.server
            .text(&["INFO", "replication"])
            .contains(&format!("master_replid:{lineage}"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_out_as_one_payload_of_what_is_new() {
    let log = Log::start();
    let before = log.say("before").await;
    let mut listener = log.server.connection();
    let mut subscription = listener.as_pubsub();
    subscription.set_read_timeout(Some(PATIENCE)).unwrap();
    subscription
        .subscribe(log.link.keys().payloads(&room()))
        .unwrap();
    // Redis stands still while they gather, so that they are one call.
    log.server.signal("STOP");
    let first = log.post(Message {
        key: "first",
        text: "first",
        ..Message::default()
    });
    let keys = ["1", "before", "2", "1", "3"];
    let answers: Vec<_> = keys
        .iter()
        .map(|key| {
            log.post(Message {
                key,
                text: key,
                ..Message::default()
            })
        })
        .collect();
    log.server.signal("CONT");
    assert_eq!(answer(first).await.unwrap().seq, 2);
    let mut results = Vec::new();
    for pending in answers {
        let accepted = answer(pending).await.unwrap();
        results.push((accepted.seq, accepted.duplicate));
    }
    assert_eq!(
        results,
        [(3, false), (1, true), (4, false), (3, true), (5, false)]
    );
    let mut payloads = Vec::new();
    while payloads.iter().flatten().count() < 4 {
        let payload = Bytes::from(
            subscription
                .get_message()
                .unwrap()
                .get_payload::<Vec<u8>>()
                .unwrap(),
        );
        let Ok(Payload::Entries(entries)) = Payload::decode(&payload) else {
            panic!("unreadable")
        };
        payloads.push(entries);
    }
    assert!(payloads.len() <= 2, "{payloads:?}");
    let read = log.read(Span::After(1), 10).await.entries;
    assert_eq!(payloads.concat(), read);
    assert!(read.iter().all(|entry| entry.epoch == before.epoch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_result() {
    let log = Log::start();
    let first = log.say("a").await;
    log.say("b").await;
    let again = log.say("a").await;
    assert_eq!(
        again,
        Accepted {
            duplicate: true,
            ..first
        }
    );
    let other_text = log
        .send(Message {
            key: "a",
            text: "other",
            ..Message::default()
        })
        .await;
    assert_eq!(other_text, Err(Refusal::KeyReused));
    let other_author = log
        .send(Message {
            author: "bob",
            key: "a",
            text: "a",
            ..Message::default()
        })
        .await
        .unwrap();
    assert_eq!((other_author.seq, other_author.duplicate), (3, false));
    let other_room = log
        .send(Message {
            room: "other",
            key: "a",
            text: "a",
            ..Message::default()
        })
        .await
        .unwrap();
    assert_eq!((other_room.seq, other_room.duplicate), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn author_and_key_are_not_confused() {
    let log = Log::start();
    for (author, key) in [("a", "bc"), ("ab", "c"), ("1:a", "bc"), ("1", ":abc")] {
        let accepted = log
            .send(Message {
                author,
                key,
                ..Message::default()
            })
            .await
            .unwrap();
        assert!(!accepted.duplicate, "{author} {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_remembered_for_one_window_at_least_and_two_at_most() {
    let window = 2 * SHORT;
    let log = Log::start_with(&[], |options| options.dedupe_window = window);
    for round in 1..=3 {
        let text = format!("round {round}");
        let first = log.say(&text).await;
        let answered = Instant::now();
        loop {
            let sent = Instant::now();
            let again = log.say(&text).await;
            if !again.duplicate {
                assert!(
                    Duration::from_millis(again.at - first.at) >= window,
                    "{first:?} {again:?}"
                );
                break;
            }
            assert_eq!(again.seq, first.seq);
            assert!(sent - answered <= 2 * window, "{:?}", sent - answered);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_outlives_its_windows_is_not_believed() {
    let window = SHORT;
    let log = Log::start_with(&[], |options| options.dedupe_window = window);
    let first = log.say("a").await;
    for part in ["d0", "d1"] {
        log.server.run(&["PERSIST", &log.key(part)]);
    }
    let over = first.at + 2 * u64::try_from(window.as_millis()).unwrap();
    eventually("two windows have passed", || {
        log.link.clock().now_ms() > over + 100
    })
    .await;
    let again = log.say("a").await;
    assert_eq!((again.seq, again.duplicate), (2, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_begins_an_epoch_and_the_numbers_go_on() {
    let mut log = Log::start_with(&["--appendonly", "yes", "--appendfsync", "always"], |_| {});
    let (first, second) = (log.say("a").await, log.say("b").await);
    log.server.crash_and_restart();
    let third = retried(&log, "c").await;
    assert_eq!(third.seq, 3);
    assert_ne!(third.epoch, first.epoch);
    let again = log.say("b").await;
    assert_eq!(
        again,
        Accepted {
            duplicate: true,
            ..second
        }
    );
    let snapshot = log.read(Span::After(0), 10).await;
    assert_eq!(epochs(&snapshot), [(&first.epoch, 1), (&third.epoch, 3)]);
    assert_eq!((snapshot.first, snapshot.end), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_lineage_begins_an_epoch_and_the_same_one_goes_on() {
    let log = Log::start();
    let first = log.say("a").await;
    log.server.run(&["REPLICAOF", "127.0.0.1", "1"]);
    log.server.run(&["REPLICAOF", "NO", "ONE"]);
    // A wire carries the lineage of its opening: the watchdog drops them all when it changes.
    log.link.drop_all();
    let second = log.say("b").await;
    assert_eq!(second.seq, 2);
    assert_ne!(second.epoch, first.epoch);
    log.link.drop_all();
    assert_eq!(log.say("c").await.epoch, second.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_log_begins_an_epoch_behind_metas_seq() {
    let log = Log::start();
    let first = log.say("a").await;
    log.say("b").await;
    log.server.run(&["DEL", &log.key("log")]);
    let gone = log.read(Span::After(0), 10).await;
    assert_eq!((gone.first, gone.end, gone.entries.len()), (0, 2, 0));
    assert_eq!(epochs(&gone), [(&first.epoch, 1)]);
    let third = log.say("c").await;
    assert_eq!(third.seq, 3);
    let snapshot = log.read(Span::After(0), 10).await;
    assert_eq!(epochs(&snapshot), [(&first.epoch, 1), (&third.epoch, 3)]);
    assert_eq!(log.all().await, [(3, "c".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_meta_begins_an_epoch_and_the_chain_is_rebuilt() {
    let log = Log::start();
    let first = log.say("a").await;
    log.server.run(&["DEL", &log.key("log")]);
    let second = log.say("b").await;
    log.server.run(&["DEL", &log.key("meta")]);
    let before = log.read(Span::After(0), 10).await;
    assert_eq!(epochs(&before), [(&second.epoch, 2)]);
    assert_eq!((before.first, before.end), (2, 2));
    let third = log.say("c").await;
    let after = log.read(Span::After(0), 10).await;
    assert_eq!(epochs(&after), [(&second.epoch, 2), (&third.epoch, 3)]);
    assert!(third.seq == 3 && third.epoch != second.epoch && third.epoch != first.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_room_begins_anew() {
    let log = Log::start();
    let first = log.say("a").await;
    log.server.run(&["FLUSHALL"]);
    assert_eq!(log.read(Span::Newest, 10).await, Snapshot::default());
    let again = log.say("a").await;
    assert_eq!((again.seq, again.duplicate), (1, false));
    assert_ne!(again.epoch, first.epoch);
}

/// Puts log and meta back as they were.
fn replace(log: &Log, dumps: &[(String, Value)]) {
    for (key, dump) in dumps {
        let Value::BulkString(dump) = dump else {
            panic!("no dump of {key}")
        };
        log.server
            .run_bytes(&[b"RESTORE", key.as_bytes(), b"0", dump, b"REPLACE"]);
    }
}

fn dump(log: &Log, parts: &[&str]) -> Vec<(String, Value)> {
    parts
        .iter()
        .map(|part| log.key(part))
        .map(|key| (key.clone(), log.server.run(&["DUMP", &key])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_and_meta_begin_an_epoch_if_the_node_delivered_more() {
    let log = Log::start();
    let mut texts = std::collections::HashMap::new();
    let mut say = async |text: &str| {
        let accepted = log.say(text).await;
        let known = texts.insert((accepted.epoch.clone(), accepted.seq), text.to_owned());
        assert_eq!(known, None, "one (epoch, seq) for two texts");
        accepted
    };
    let first = say("1").await;
    say("2").await;
    let older = dump(&log, &["log", "meta"]);
    say("3").await;
    let fourth = say("4").await;
    log.deliver(&fourth);
    replace(&log, &older);
    let third = say("5").await;
    assert_eq!(third.seq, 3);
    let snapshot = log.read(Span::After(0), 10).await;
    assert_eq!(epochs(&snapshot), [(&first.epoch, 1), (&third.epoch, 3)]);
    // What was delivered in an epoch that is not meta's any more says nothing.
    assert_eq!(say("6").await.epoch, third.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_alone_begins_an_epoch_and_an_older_meta_alone_goes_on() {
    let log = Log::start();
    let first = log.say("1").await;
    let (older_log, older_meta) = (dump(&log, &["log"]), dump(&log, &["meta"]));
    log.say("2").await;
    replace(&log, &older_meta);
    let third = log.say("3").await;
    assert_eq!((third.seq, &third.epoch), (3, &first.epoch));
    replace(&log, &older_log);
    assert_eq!(log.read(Span::Newest, 1).await.end, 1);
    let fourth = log.say("4").await;
    assert_eq!(fourth.seq, 2);
    assert_ne!(fourth.epoch, first.epoch);
    assert_eq!(
        epochs(&log.read(Span::Newest, 1).await),
        [(&first.epoch, 1), (&fourth.epoch, 2)]
    );
    replace(&log, &older_log);
    let fifth = log.say("5").await;
    assert_eq!(fifth.seq, 2);
    // Nothing is left of the epoch that began there.
    let chain = log.read(Span::Newest, 1).await;
    assert_eq!(epochs(&chain), [(&first.epoch, 1), (&fifth.epoch, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_entries_free_no_number() {
    let log = Log::start();
    for text in ["1", "2", "3"] {
        log.say(text).await;
    }
    log.server.run(&["XDEL", &log.key("log"), "2-0", "3-0"]);
    assert_eq!(log.say("4").await.seq, 4);
    log.server.run(&["XDEL", &log.key("log"), "1-0", "4-0"]);
    let empty = log.read(Span::Newest, 10).await;
    assert_eq!((empty.first, empty.end, empty.entries.len()), (0, 4, 0));
    let fifth = log.say("5").await;
    assert_eq!(fifth.seq, 5);
    // A number above meta's that somebody used and deleted.
    log.server.run(&["XADD", &log.key("log"), "9-0", "m", "x"]);
    log.server.run(&["XDEL", &log.key("log"), "9-0"]);
    let tenth = log.say("10").await;
    assert_eq!((tenth.seq, tenth.epoch), (10, fifth.epoch));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_room_never_goes_back() {
    let log = Log::start();
    log.say("1").await;
    let future = (log.link.clock().now_ms() + 3_600_000).to_string();
    log.server.run(&["HSET", &log.key("meta"), "at", &future]);
    let second = log.say("2").await;
    assert_eq!(second.at.to_string(), future);
    log.server.run(&["DEL", &log.key("meta")]);
    assert_eq!(log.say("3").await.at.to_string(), future);
    // A meta that is behind its log.
    let behind = ["HSET", &log.key("meta"), "seq", "2", "at", "1"];
    log.server.run(&behind);
    assert_eq!(log.say("4").await.at.to_string(), future);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_keeps_the_last_eight_epochs() {
    let log = Log::start();
    let mut begun = Vec::new();
    for number in 1..=12_u64 {
        let accepted = log.say(&number.to_string()).await;
        begun.push((accepted.epoch, number));
        log.server.run(&["DEL", &log.key("log")]);
    }
    assert_eq!(log.read(Span::Newest, 1).await.chain.pairs(), &begun[4..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_layout_is_left_alone() {
    let log = Log::start_with(&["--enable-debug-command", "local"], |_| {});
    log.say("a").await;
    log.server.run(&["HSET", &log.key("meta"), "v", "2"]);
    let before = log.server.text(&["DEBUG", "DIGEST"]);
    for key in ["a", "b"] {
        let refused = log
            .send(Message {
                key,
                source: 9,
                text: key,
                ..Message::default()
            })
            .await;
        assert_eq!(refused, Err(Refusal::NewerLayout), "{key}");
    }
    assert_eq!(log.server.text(&["DEBUG", "DIGEST"]), before);
    assert!(
        reader::read(&log.link, &room(), Span::Newest, 1)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_keeps_about_as_many_entries_as_asked_for() {
    let log = Log::start_with(&[], |options| options.history_entries = 100);
    let answers: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    let answers: Vec<_> = answers
        .iter()
        .map(|text| {
            log.post(Message {
                key: text,
                text,
                ..Message::default()
            })
        })
        .collect();
    for pending in answers {
        answer(pending).await.unwrap();
    }
    let snapshot = log.read(Span::After(0), 1000).await;
    assert!(
        (100..=300).contains(&snapshot.entries.len()),
        "{}",
        snapshot.entries.len()
    );
    assert_eq!(
        (snapshot.first, snapshot.end),
        (snapshot.entries[0].seq, 1000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_a_room_expires() {
    let keep = Duration::from_secs(3600);
    let log = Log::start_with(&[], |options| options.history_keep = keep);
    log.say("a").await;
    log.say("b").await;
    let keys: Vec<String> = from_redis_value(log.server.run(&["KEYS", "*"])).unwrap();
    assert_eq!(keys.len(), 3, "{keys:?}");
    let left = |key: &str| from_redis_value::<i64>(log.server.run(&["PTTL", key])).unwrap();
    let (kept, moment) = (i64::try_from(keep.as_millis()).unwrap(), 10_000);
    for key in &keys {
        let expected = if key.ends_with(":log") || key.ends_with(":meta") {
            kept
        } else {
            600_000
        };
        assert!(
            left(key) <= expected + 1000 && left(key) > expected / 2 - moment,
            "{key}: {}",
            left(key)
        );
    }
    log.server.run(&["PEXPIRE", &log.key("log"), "100000"]);
    log.server.run(&["HSET", &log.key("meta"), "at", "1"]);
    log.say("c").await;
    assert!(left(&log.key("log")) > kept - moment);
}

/// Sends until it is accepted, as a page does.
async fn retried(log: &Log, text: &str) -> Accepted {
    let patience = Instant::now() + PATIENCE;
    loop {
        match log
            .send(Message {
                key: text,
                text,
                ..Message::default()
            })
            .await
        {
            Ok(accepted) => return accepted,
            Err(refusal) => assert!(
                refusal.is_retryable() && Instant::now() < patience,
                "{refusal}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
