//! What a source sends to a room is numbered in its order, whatever happens meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;

use super::*;

/// A sender that keeps the protocol's rule: all that is unsettled is sent again, in order, before anything new.
async fn page(log: &Log, room: &str, source: u64, count: usize) {
    let author = format!("user {source}");
    let texts: Vec<String> = (0..count)
        .map(|number| format!("{source}-{number:04}"))
        .collect();
    let mut unsettled: Vec<&str> = Vec::new();
    let mut fresh = texts.iter();
    let patience = Instant::now() + 6 * PATIENCE;
    loop {
        unsettled.extend(fresh.by_ref().take(7).map(String::as_str));
        if unsettled.is_empty() {
            return;
        }
        let post = |text: &&str| {
            log.post(Message {
                room,
                source,
                author: &author,
                key: text,
                text,
            })
        };
        let answers: Vec<Answer> = unsettled.iter().map(post).collect();
        let mut left = Vec::new();
        for (text, pending) in unsettled.into_iter().zip(answers) {
            match answer(pending).await {
                Ok(_) => {}
                Err(refusal) => {
                    assert!(
                        refusal.is_retryable() && Instant::now() < patience,
                        "{text}: {refusal}"
                    );
                    left.push(text);
                }
            }
        }
        if !left.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unsettled = left;
    }
}

/// Asserts that a room's log holds `count` messages of each source, once and in order.
async fn assert_order(log: &Log, room: &str, sources: &[u64], count: usize) {
    let all = log.all_of(room).await;
    let texts: Vec<&str> = all.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts.len(), sources.len() * count);
    for source in sources {
        let own: Vec<&str> = texts
            .iter()
            .copied()
            .filter(|text| text.starts_with(&format!("{source}-")))
            .collect();
        let expected: Vec<String> = (0..count)
            .map(|number| format!("{source}-{number:04}"))
            .collect();
        assert_eq!(own, expected, "source {source}");
    }
}

/// Runs senders in two rooms while `disturb` is called again and again.
async fn under(log: &Log, count: usize, mut disturb: impl FnMut(usize) + Send) {
    let (sources, done) = ([1, 2, 3, 4], AtomicBool::new(false));
    let sending = async {
        let rooms = ["lobby", "other"];
        let pages = rooms
            .iter()
            .flat_map(|room| sources.map(|source| page(log, room, source, count)));
        futures_util::future::join_all(pages).await;
        done.store(true, Ordering::Release);
    };
    let disturbing = async {
        let mut round = 0;
        while !done.load(Ordering::Acquire) {
            disturb(round);
            round += 1;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    tokio::join!(sending, disturbing);
    log.server.signal("CONT");
    for room in ["lobby", "other"] {
        assert_order(log, room, &sources, count).await;
    }
}

fn many_entries(options: &mut Options) {
    options.history_entries = 100_000;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_scripts_keep_the_order() {
    let log = Log::start_with(&[], many_entries);
    under(&log, 400, |_| drop(log.server.run(&["SCRIPT", "FLUSH"]))).await;
    let stats = log.server.text(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_eval:"), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_wires_keep_the_order() {
    let log = Log::start_with(&[], many_entries);
    under(&log, 400, |round| {
        if round % 5 == 0 {
            log.server.run(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stops_and_wakes_keeps_the_order() {
    let log = Log::start_with(&[], |options| {
        many_entries(options);
        options.send_timeout = SHORT / 3;
    });
    under(&log, 200, |round| match round % 50 {
        0 => log.server.signal("STOP"),
        45 => log.server.signal("CONT"),
        _ => {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_keeps_the_order() {
    let log = Log::start_with(&[], many_entries);
    under(&log, 300, |round| {
        let limit = if round % 2 == 0 { "1" } else { "0" };
        log.server.run(&["CONFIG", "SET", "maxmemory", limit]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_keeps_the_order() {
    let log = Log::start_with(&[], |options| {
        many_entries(options);
        options.publish_queue = 16;
    });
    under(&log, 400, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_refusal_all_later_ones_share_it_until_the_first_comes_again() {
    let log = Log::start();
    let send = |key| {
        log.send(Message {
            key,
            text: key,
            ..Message::default()
        })
    };
    log.server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(send("a").await, Err(Refusal::RedisFull));
    log.server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(send("b").await, Err(Refusal::RedisFull));
    let other = Message {
        source: 2,
        author: "bob",
        key: "c",
        text: "c",
        ..Message::default()
    };
    assert_eq!(log.send(other).await.unwrap().seq, 1);
    assert_eq!(send("a").await.unwrap().seq, 2);
    assert_eq!(send("b").await.unwrap().seq, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_starts_anew() {
    let log = Log::start();
    let send = |key| {
        log.send(Message {
            key,
            text: key,
            ..Message::default()
        })
    };
    for room in [Some(room()), None] {
        log.server.run(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(send("a").await, Err(Refusal::RedisFull));
        log.server.run(&["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(send("b").await, Err(Refusal::RedisFull));
        log.publisher.forget(Source(1), room.as_ref());
        assert!(send("c").await.is_ok());
    }
}

/// Returns how often the publish script was called by its hash.
fn calls(log: &Log) -> u64 {
    let Value::BulkString(info) = log.server.run(&["INFO", "commandstats"]) else {
        panic!("no statistics")
    };
    let info = String::from_utf8(info).unwrap();
    let line = info.split("cmdstat_evalsha:calls=").nth(1);
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// On one thread the worker runs only while this waits, so what is posted in a row shares a pipeline.
#[tokio::test]
async fn what_comes_in_the_pause_behind_a_busy_room_goes_in_one_call() {
    let log = Log::start_with(&[], |options| {
        options.publish_interval = Duration::from_secs(1);
    });
    log.say("before").await;
    let post = |text| {
        log.post(Message {
            key: text,
            text,
            ..Message::default()
        })
    };
    for pending in ["1", "2"].map(post) {
        answer(pending).await.unwrap();
    }
    let before = calls(&log);
    let third = post("3");
    // Time enough for the worker to take the third by itself.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let fourth = post("4");
    for (pending, seq) in [(third, 4), (fourth, 5)] {
        assert_eq!(answer(pending).await.unwrap().seq, seq);
    }
    assert_eq!(calls(&log) - before, 1);
}

/// A call carries 64 messages of a room, and 128 fill a pipeline: the pause begins once fewer wait.
#[tokio::test]
async fn what_fills_a_pipeline_has_no_pause_before_it() {
    let log = Log::start_with(&[], |options| {
        options.publish_interval = Duration::from_secs(3600);
    });
    log.say("before").await;
    let texts: Vec<String> = (0..384).map(|number| number.to_string()).collect();
    let answers = log.post_all(&texts);
    for (pending, seq) in answers.into_iter().take(320).zip(2..) {
        assert_eq!(answer(pending).await.unwrap().seq, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_the_queue_is_overloaded_with_all_that_follows() {
    let log = Log::start_with(&[], |options| {
        options.publish_queue = 4;
        options.redis.pool_size = 1;
    });
    log.say("before").await;
    log.server.signal("STOP");
    let texts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let answers = log.post_all(&texts);
    log.server.signal("CONT");
    let mut results = Vec::new();
    for pending in answers {
        results.push(answer(pending).await);
    }
    let accepted = results.iter().take_while(|result| result.is_ok()).count();
    assert!(accepted < 100, "{accepted}");
    assert!(
        results[accepted..]
            .iter()
            .all(|result| *result == Err(Refusal::Overloaded)),
        "{results:?}"
    );
    assert_eq!(
        log.send(Message {
            key: "new",
            ..Message::default()
        })
        .await,
        Err(Refusal::Overloaded)
    );
    let first = &texts[accepted];
    assert!(
        log.send(Message {
            key: first,
            text: first,
            ..Message::default()
        })
        .await
        .is_ok()
    );
    assert!(
        log.send(Message {
            key: "new",
            ..Message::default()
        })
        .await
        .is_ok()
    );
}
