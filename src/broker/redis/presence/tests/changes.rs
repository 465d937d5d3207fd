//! Users who come, change their name and go.

use super::*;

#[tokio::test]
async fn users_come_change_their_name_and_go() {
    let server = RedisServer::start();
    let (one, other) = (
        Member::start(&server, "n1").await,
        Member::start(&server, "n2").await,
    );
    one.join("u\"1\\", "A,\"leases\":[\"x\"]/한");
    other.expect_count(1).await;
    let odd = user("u\"1\\", "A,\"leases\":[\"x\"]/한");
    let joined = |event: &Event| {
        matches!(event, Event::Ephemeral { ephemeral: Ephemeral::Presence { joined, .. }, .. }
            if *joined == [odd.clone()])
    };
    other.seen.expect("joined", joined).await;
    assert_eq!(
        other.roster().await,
        Roster {
            members: vec![odd.clone()],
            count: 1,
            cursor: None
        }
    );

    one.join("u\"1\\", "Ann");
    other.seen.expect("renamed", |event| {
        matches!(event, Event::Ephemeral { ephemeral: Ephemeral::Presence { renamed, joined, .. }, .. }
            if *renamed == [user("u\"1\\", "Ann")] && joined.is_empty())
    })
    .await;
    one.leave("u\"1\\");
    other.expect_count(0).await;
    assert_eq!(
        other.announced(),
        HashMap::from([("u\"1\\".to_owned(), (1, 1))])
    );
    eventually("no key left", || {
        server.run(&["EXISTS", presence_key()]) == Value::Int(0)
    })
    .await;
    let index = format!(
        "madang:lease:{}:rooms",
        one.presence.lease.held().unwrap().as_str()
    );
    eventually("no room in the index", || {
        server.run(&["EXISTS", &index]) == Value::Int(0)
    })
    .await;
}

#[tokio::test]
async fn a_user_on_two_nodes_leaves_with_the_last() {
    let server = RedisServer::start();
    let (one, other) = (
        Member::start(&server, "n1").await,
        Member::start(&server, "n2").await,
    );
    one.join("u1", "Ann");
    one.expect_count(1).await;
    other.join("u1", "Ann");
    eventually("two leases", || {
        hash(&server)["u1"].matches("\",\"").count() == 2
    })
    .await;
    one.leave("u1");
    eventually("one lease", || {
        !hash(&server)["u1"].contains(one.presence.lease.held().unwrap().as_str())
    })
    .await;
    assert_eq!(one.announced(), HashMap::from([("u1".to_owned(), (1, 0))]));
    other.leave("u1");
    one.expect_count(0).await;
    assert_eq!(one.announced(), HashMap::from([("u1".to_owned(), (1, 1))]));
}

#[tokio::test]
async fn a_thousand_joins_are_a_handful_of_payloads() {
    let server = RedisServer::start();
    let (one, other) = (
        Member::start(&server, "n1").await,
        Member::start(&server, "n2").await,
    );
    for index in 0..1000 {
        one.join(&format!("u{index}"), "Ann");
        if index % 100 == 99 {
            tokio::task::yield_now().await;
        }
    }
    other.expect_count(1000).await;
    assert!(
        other.announcements() <= 6,
        "{} payloads",
        other.announcements()
    );
    let named: usize = other.announced().len();
    assert!(named <= 200, "a big room was told {named} names");
    assert_eq!(other.roster().await.count, 1000);
}

#[tokio::test]
async fn changes_during_a_stop_end_as_they_were_made_last() {
    let server = RedisServer::start();
    let one = Member::start(&server, "n1").await;
    one.join("u1", "Ann");
    one.expect_count(1).await;
    server.signal("STOP");
    one.leave("u1");
    one.join("u2", "Bob");
    one.seen
        .expect("down", |event| matches!(event, Event::Down { .. }))
        .await;
    one.join("u1", "Anna");
    one.leave("u2");
    server.signal("CONT");
    one.seen
        .expect("another lease", |event| *event == Event::LeaseRenewed)
        .await;
    eventually("the new name", || {
        hash(&server)
            .get("u1")
            .is_some_and(|user| user.contains("Anna"))
    })
    .await;
    eventually("one lease left", || leases(&server).len() == 1).await;
    assert_eq!(hash(&server).len(), 1);
}

#[tokio::test]
async fn a_call_that_redis_runs_too_late_writes_nothing() {
    let server = RedisServer::start();
    let one = Member::start(&server, "n1").await;
    let link = &one.presence.link;
    let call = |not_after: u64| {
        let call = super::super::writing::CHANGE
            .call([presence_key().to_owned()])
            .arg(not_after)
            .arg("lease")
            .arg(60_000);
        call.arg("madang:{a %7B1%7D}")
            .arg(200)
            .arg(32)
            .arg("u1")
            .arg("\"name\":\"Ann\"")
    };
    let unindex = |not_after: u64| {
        super::super::writing::UNINDEX
            .call(["index".to_owned()])
            .arg(not_after)
            .arg("room")
    };
    server.run(&["SADD", "index", "room", "other"]);
    for (not_after, users, rooms) in [
        (link.clock().now_ms() - 50, 0, 2),
        (link.clock().now_ms() + 5000, 1, 1),
    ] {
        let calls = [call(not_after), unindex(not_after)];
        super::super::super::script::run(link, &calls, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(server.run(&["HLEN", presence_key()]), Value::Int(users));
        assert_eq!(server.run(&["SCARD", "index"]), Value::Int(rooms));
    }
}

#[tokio::test]
async fn a_full_redis_still_lets_users_go_and_takes_the_others_later() {
    let server = RedisServer::start();
    let one = Member::start(&server, "n1").await;
    one.join("u1", "Ann");
    one.expect_count(1).await;
    server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    one.leave("u1");
    one.expect_count(0).await;
    one.join("u2", "Bob");
    let held = one.presence.lease.held();
    let since = Instant::now();
    eventually("two leases pass", || since.elapsed() > 2 * LEASE).await;
    assert_eq!(one.presence.lease.held(), held, "a full Redis still renews");
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    eventually("the user is in", || hash(&server).contains_key("u2")).await;
}
