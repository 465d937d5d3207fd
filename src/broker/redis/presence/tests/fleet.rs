//! Nodes that die, stop or lose Redis.

use super::*;

#[tokio::test]
async fn a_killed_node_is_swept_once_and_its_users_announced_once() {
    let server = RedisServer::start();
    let dead = Member::start(&server, "n1").await;
    let (one, other) = (
        Member::start(&server, "n2").await,
        Member::start(&server, "n3").await,
    );
    dead.join_all((0..150).map(|index| (format!("u{index}"), "Ann".to_owned())));
    one.expect_count(150).await;
    one.join("u7", "Ann");
    eventually("two leases", || {
        hash(&server)["u7"].matches("\",\"").count() == 2
    })
    .await;
    dead.kill();
    one.expect_count(1).await;
    eventually("the lease is gone from the list", || {
        leases(&server).len() == 2
    })
    .await;
    for member in [&one, &other] {
        let announced = member.announced();
        assert_eq!(announced.len(), 150);
        for (id, counts) in announced {
            assert_eq!(counts, (1, usize::from(id != "u7")), "{id}");
        }
    }
    let keys: Vec<String> =
        redis::from_redis_value(server.run(&["KEYS", "madang:lease:*:rooms"])).unwrap();
    assert_eq!(
        keys.len(),
        1,
        "only the living node that has a user keeps an index"
    );
}

#[tokio::test]
async fn a_big_room_of_a_killed_node_hears_its_count() {
    let server = RedisServer::start();
    let (dead, one) = (
        Member::start(&server, "n1").await,
        Member::start(&server, "n2").await,
    );
    one.join_all((0..300).map(|index| (format!("stays{index}"), "Bob".to_owned())));
    dead.join_all((0..2500).map(|index| (format!("u{index}"), "Ann".to_owned())));
    one.expect_count(2800).await;
    one.seen.clear();
    dead.kill();
    one.expect_count(300).await;
    assert!(one.announcements() <= 4, "{} payloads", one.announcements());
    assert_eq!(one.roster().await.count, 300);
}

#[tokio::test]
async fn a_sweeper_that_died_is_taken_over() {
    let server = RedisServer::start();
    let one = Member::start(&server, "n1").await;
    server.run(&[
        "HSET",
        presence_key(),
        "u1",
        r#"{"name":"Ann","leases":["gone"]}"#,
        "u2",
        "nonsense",
    ]);
    server.run(&["SADD", "madang:lease:gone:rooms", "a {1}", "never there"]);
    server.run(&["SADD", "madang:leases", "gone"]);
    server.run(&["SET", "madang:lease:gone:sweep", "dead", "PX", "1500"]);
    one.expect_count(1).await;
    assert_ne!(
        server.run(&["GET", "madang:lease:gone:sweep"]),
        Value::BulkString(b"dead".to_vec())
    );
    eventually("the lease is gone from the list", || {
        !leases(&server).contains(&"gone".to_owned())
    })
    .await;
    assert_eq!(one.announced(), HashMap::from([("u1".to_owned(), (0, 1))]));
    assert_eq!(
        server.run(&["EXISTS", "madang:lease:gone:rooms"]),
        Value::Int(0)
    );
}

#[tokio::test]
async fn nobody_leaves_when_redis_was_away_for_three_leases() {
    let server = RedisServer::start();
    let (one, other) = (
        Member::start(&server, "n1").await,
        Member::start(&server, "n2").await,
    );
    one.join("u1", "Ann");
    other.join("u2", "Bob");
    one.expect_count(2).await;
    let before = (one.presence.lease.held(), other.presence.lease.held());
    server.signal("STOP");
    let down = |event: &Event| matches!(event, Event::Down { .. });
    one.seen.expect("down", down).await;
    other.seen.expect("down", down).await;
    one.join("u3", "Cho");
    let away = Instant::now();
    eventually("three leases pass", || away.elapsed() > 3 * LEASE).await;
    server.signal("CONT");
    for member in [&one, &other] {
        member
            .seen
            .expect("another lease", |event| *event == Event::LeaseRenewed)
            .await;
    }
    assert_ne!(
        (one.presence.lease.held(), other.presence.lease.held()),
        before
    );
    one.expect_count(3).await;
    eventually("the old leases are swept", || leases(&server).len() == 2).await;
    for member in [&one, &other] {
        assert!(
            member.announced().values().all(|(_, left)| *left == 0),
            "{:?}",
            member.announced()
        );
    }
    assert_eq!(one.roster().await.count, 3);
}

#[tokio::test]
async fn presence_comes_back_after_redis_lost_it() {
    let server = RedisServer::start();
    let one = Member::start(&server, "n1").await;
    one.join("u1", "Ann");
    one.expect_count(1).await;
    server.run(&["FLUSHALL"]);
    one.seen
        .expect("another lease", |event| *event == Event::LeaseRenewed)
        .await;
    eventually("the user is back", || hash(&server).contains_key("u1")).await;
    let index = format!(
        "madang:lease:{}:rooms",
        one.presence.lease.held().unwrap().as_str()
    );
    assert_eq!(server.run(&["SISMEMBER", &index, "a {1}"]), Value::Int(1));
}

#[tokio::test]
async fn a_node_that_stops_leaves_by_the_sweep_after_the_debounce() {
    let server = RedisServer::start();
    let (leaves, one) = (
        Member::start(&server, "n1").await,
        Member::start(&server, "n2").await,
    );
    leaves.join("u1", "Ann");
    leaves.join("u2", "Bob");
    one.expect_count(2).await;
    let key = leaves.presence.lease.held().unwrap();
    let key = format!("madang:lease:{}", key.as_str());
    leaves.presence.stop().await;
    let left: i64 = redis::from_redis_value(server.run(&["PTTL", &key])).unwrap();
    assert!((0..=200).contains(&left), "{left}");
    assert!(server.text(&["GET", &key]).contains("\"leaving\":true"));
    one.join("u1", "Ann");
    one.expect_count(1).await;
    let announced = one.announced();
    assert_eq!((announced["u1"], announced["u2"]), ((1, 0), (1, 1)));
}
