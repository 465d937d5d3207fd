//! Nothing is written late, by halves or without the replicas asked for.

use super::super::testing::eventually;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_too_late_writes_nothing() {
    let log = Log::start_with(&[], |options| options.send_timeout = SHORT);
    log.say("before").await;
    log.server.signal("STOP");
    let began = Instant::now();
    let late = log
        .send(Message {
            key: "late",
            ..Message::default()
        })
        .await;
    assert_eq!(late, Err(Refusal::Timeout));
    assert!(began.elapsed() < 2 * SHORT);
    log.server.signal("CONT");
    // The server reads what it got while it stood still before anything sent now.
    eventually("the late call ran", || calls(&log) >= 2).await;
    assert_eq!(log.all().await, [(1, "before".to_owned())]);
    let again = log
        .send(Message {
            key: "late",
            ..Message::default()
        })
        .await
        .unwrap();
    assert_eq!((again.seq, again.duplicate), (2, false));
}

/// Returns how many scripts the server has run.
fn calls(log: &Log) -> u64 {
    let stats = log.server.text(&["INFO", "commandstats"]);
    let of = |command: &str| {
        let calls = stats
            .lines()
            .find_map(|line| line.strip_prefix(command)?.strip_prefix(":calls="));
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    };
    of("cmdstat_eval") + of("cmdstat_evalsha")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_found_again_by_its_key() {
    let log = Log::start_with(&[], |options| options.send_timeout = SHORT);
    log.say("before").await;
    // Redis is busy while the message comes in, for less or more than its time.
    let mut block = log.server.connection();
    let blocked = std::thread::spawn(move || {
        let script = "local t=redis.call('TIME') local e=t[1]*1000+t[2]/1000+150 \
                      repeat t=redis.call('TIME') until t[1]*1000+t[2]/1000>e";
        redis::cmd("EVAL")
            .arg(script)
            .arg(0)
            .query::<redis::Value>(&mut block)
    });
    let sent = log
        .send(Message {
            key: "slow",
            ..Message::default()
        })
        .await;
    blocked.join().unwrap().unwrap();
    let again = log
        .send(Message {
            key: "slow",
            ..Message::default()
        })
        .await
        .unwrap();
    assert_eq!(again.seq, 2);
    assert_eq!(again.duplicate, sent.is_ok());
    assert_eq!(log.all().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_refuses_without_writing_by_halves() {
    let log = Log::start_with(&["--enable-debug-command", "local"], |_| {});
    let first = log.say("a").await;
    log.server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let before = log.server.text(&["DEBUG", "DIGEST"]);
    log.server.signal("STOP");
    let answers: Vec<Answer> = ["b", "a", "c", "b", "a"]
        .iter()
        .enumerate()
        .map(|(index, key)| {
            // Each of its own source, so that the script decides about each.
            log.post(Message {
                source: index as u64,
                key,
                text: key,
                ..Message::default()
            })
        })
        .collect();
    log.server.signal("CONT");
    let mut results = Vec::new();
    for pending in answers {
        results.push(answer(pending).await);
    }
    let hit = Ok(Accepted {
        duplicate: true,
        ..first
    });
    let full = || Err(Refusal::RedisFull);
    assert_eq!(results, [full(), hit.clone(), full(), full(), hit]);
    assert_eq!(log.server.text(&["DEBUG", "DIGEST"]), before);
    log.server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(
        log.send(Message {
            source: 9,
            key: "d",
            ..Message::default()
        })
        .await
        .unwrap()
        .seq,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_fills_up_in_the_middle_of_a_batch_takes_all_of_it_or_nothing() {
    let log = Log::start_with(&["--maxmemory-clients", "0"], |options| {
        options.redis.pool_size = 1
    });
    log.say("before").await;
    let used: u64 = info(&log, "memory", "used_memory").parse().unwrap();
    // Space for some of a batch's 200 KiB, whatever the server itself takes meanwhile.
    log.server.run(&[
        "CONFIG",
        "SET",
        "maxmemory",
        &(used + 2_000_000).to_string(),
    ]);
    let text = "x".repeat(4000);
    let mut full = false;
    for round in 0..40 {
        log.server.signal("STOP");
        let keys: Vec<String> = (0..50).map(|number| format!("{round}-{number}")).collect();
        let post = |key: &String| {
            log.post(Message {
                source: round,
                key,
                text: &text,
                ..Message::default()
            })
        };
        let answers: Vec<Answer> = keys.iter().map(post).collect();
        log.server.signal("CONT");
        for pending in answers {
            full |= answer(pending).await == Err(Refusal::RedisFull);
        }
        if full {
            break;
        }
    }
    assert!(full, "never full");
    log.server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    let (snapshot, seq) = (
        log.read(Span::After(0), 10_000).await,
        log.server.text(&["HGET", &log.key("meta"), "seq"]),
    );
    assert_eq!(seq, snapshot.end.to_string());
    assert_eq!(snapshot.entries.len() as u64, snapshot.end);
    let keys: redis::Value = log.server.run(&["KEYS", &format!("{}*", log.key("d"))]);
    let mut remembered = 0;
    for key in redis::from_redis_value::<Vec<String>>(keys).unwrap() {
        remembered += redis::from_redis_value::<u64>(log.server.run(&["HLEN", &key])).unwrap();
    }
    assert_eq!(remembered, snapshot.end);
}

fn info(log: &Log, section: &str, field: &str) -> String {
    let text = log.server.text(&["INFO", section]);
    text.lines()
        .find_map(|line| line.strip_prefix(&format!("{field}:")))
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_refuses_at_once_and_serves_when_it_is_back() {
    let mut log = Log::start();
    log.server.crash();
    let began = Instant::now();
    for source in 0..20 {
        let refused = log
            .send(Message {
                source,
                ..Message::default()
            })
            .await;
        assert_eq!(refused, Err(Refusal::Unavailable));
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(
        reader::read(&log.link, &room(), Span::Newest, 1)
            .await
            .is_err()
    );
    log.server.restart();
    eventually_accepted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_redis_is_left_alone() {
    let log = Log::start();
    log.say("before").await;
    log.server.run(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = log
        .send(Message {
            source: 2,
            key: "a",
            ..Message::default()
        })
        .await;
    assert_eq!(refused, Err(Refusal::Unavailable));
    let fault = log.link.get(Instant::now() + PATIENCE).await.unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("is a replica: point redis.url at the master"),
        "{fault}"
    );
    log.server.run(&["REPLICAOF", "NO", "ONE"]);
    eventually_accepted(&log).await;
}

async fn eventually_accepted(log: &Log) {
    let patience = Instant::now() + PATIENCE;
    let mut source = 100;
    while log
        .send(Message {
            source,
            key: "back",
            text: "back",
            ..Message::default()
        })
        .await
        .is_err()
    {
        assert!(Instant::now() < patience, "never accepted");
        source += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_replicas_leave_a_message_unknown() {
    let log = Log::start_with(&["--repl-diskless-sync-delay", "0"], |options| {
        options.redis.acks = Some(1);
        options.send_timeout = Duration::from_secs(1);
    });
    let alone = log
        .send(Message {
            key: "a",
            ..Message::default()
        })
        .await;
    assert_eq!(alone, Err(Refusal::Timeout));
    assert_eq!(log.all().await.len(), 1);
    let replica = RedisServer::start();
    replica.run(&["REPLICAOF", "127.0.0.1", &log.server.port.to_string()]);
    eventually("a replica is in step", || {
        replica
            .text(&["INFO", "replication"])
            .contains("master_link_status:up")
            && log
                .server
                .text(&["INFO", "replication"])
                .contains("state=online")
    })
    .await;
    let again = log
        .send(Message {
            key: "a",
            ..Message::default()
        })
        .await
        .unwrap();
    assert_eq!((again.seq, again.duplicate), (1, true));
    assert!(
        !log.send(Message {
            key: "b",
            text: "b",
            ..Message::default()
        })
        .await
        .unwrap()
        .duplicate
    );
    // A hit writes something, so that it too waits for the replica.
    replica.signal("STOP");
    assert_eq!(
        log.send(Message {
            key: "b",
            text: "b",
            ..Message::default()
        })
        .await,
        Err(Refusal::Timeout)
    );
    replica.signal("CONT");
    assert!(
        log.send(Message {
            key: "b",
            text: "b",
            ..Message::default()
        })
        .await
        .unwrap()
        .duplicate
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_answered_before_the_end() {
    let log = Log::start();
    let texts: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let answers = log.post_all(&texts);
    log.stop.cancel();
    log.tasks.close();
    log.tasks.wait().await;
    for pending in answers {
        assert!(answer(pending).await.is_ok());
    }
    assert_eq!(
        log.send(Message {
            key: "late",
            ..Message::default()
        })
        .await,
        Err(Refusal::Unavailable)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_in_the_way_is_no_half_write() {
    let log = Log::start();
    for part in ["log", "meta", "d0", "d1"] {
        log.server.run(&["FLUSHALL"]);
        log.server.run(&["SET", &log.key(part), "foreign"]);
        let refused = log
            .send(Message {
                source: 1,
                key: part,
                ..Message::default()
            })
            .await;
        log.publisher.forget(Source(1), None);
        assert_eq!(refused, Err(Refusal::Unavailable), "{part}");
        let keys: Vec<String> = redis::from_redis_value(log.server.run(&["KEYS", "*"])).unwrap();
        assert_eq!(keys, [log.key(part)]);
    }
}
