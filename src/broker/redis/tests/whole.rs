//! All of the broker: two nodes on one server, with the rights that the list grants and no other.

use std::collections::BTreeSet;

use redis::Value;

use super::super::super::{Broker, Ephemeral, Event, Health, PresenceChange};
use super::super::rights::{RIGHTS, acl_rule};
use super::super::testing::eventually;
use super::side::Side;
use super::*;
use crate::protocol::{User, UserName};

fn user(name: &str) -> User {
    User {
        id: UserId::parse(name).unwrap(),
        name: UserName::trusted(name),
        bot: None,
    }
}

/// Lets two nodes do everything that nodes do.
async fn live(options: &Options, server: &RedisServer) {
    let (one, other) = (
        Side::begin("first", options),
        Side::begin("second", options),
    );
    for side in [&one, &other] {
        side.seen.expect_up().await;
        assert_eq!(*side.broker.health().borrow(), Health::Up);
        side.join(&room()).await;
    }
    let (first, second) = (&one.broker, &other.broker);
    let accepted = one.send(&room(), "hello").await.unwrap();
    for side in [&one, &other] {
        eventually("the entry is there", || side.seen.seqs(&room()) == [1]).await;
    }
    first.delivered(&room(), Some(&Position::new(accepted.epoch.clone(), 1)));
    server.run(&["DEL", "madang:{lobby}:meta"]);
    let next = other.send(&room(), "again").await.unwrap();
    assert_eq!(next.seq, 2);
    assert_eq!(
        second
            .read(room(), Span::After(0), 10)
            .await
            .unwrap()
            .entries
            .len(),
        2
    );
    assert!(first.now_ms().abs_diff(next.at) < 5000);
    first.ephemeral(&room(), Ephemeral::Typing { user: user("ann") });
    other
        .seen
        .expect("typing", |event| matches!(event, Event::Ephemeral { .. }))
        .await;
    first.presence(
        room(),
        vec![
            PresenceChange::Here(user("ann")),
            PresenceChange::Here(user("bob")),
        ],
    );
    first.presence(room(), vec![PresenceChange::Gone(user("bob").id)]);
    let here = |event: &Event| {
        matches!(event, Event::Ephemeral { ephemeral: Ephemeral::Presence { joined, .. }, .. }
        if joined.contains(&user("ann")))
    };
    other.seen.expect("ann is here", here).await;
    assert_eq!(
        second.roster(room(), None, 10).await.unwrap().members,
        [user("ann")]
    );
    assert_eq!(second.fleet().await.unwrap().len(), 2);
    let key = Bytes::from_static(b"key");
    assert_eq!(first.identity_key(key.clone()).await.unwrap(), key);
    other
        .seen
        .expect_probed(&room(), &Position::new(next.epoch, 2))
        .await;
    first.unsubscribe(room(), 1);
    // A stop gives wishes up that it finds waiting.
    eventually("only the second node is subscribed", || {
        let answer = server.run(&["PUBSUB", "NUMSUB", "madang:{lobby}"]);
        redis::from_redis_value::<(String, u64)>(answer).unwrap().1 == 1
    })
    .await;
    first.stop().await;
    assert_eq!(one.send(&room(), "late").await, Err(Refusal::Unavailable));
    let gone = |event: &Event| {
        matches!(event, Event::Ephemeral { ephemeral: Ephemeral::Presence { left, .. }, .. }
        if left.contains(&user("ann").id))
    };
    other.seen.expect("ann is gone with her node", gone).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listed_rights_are_enough_and_nothing_else_is_sent() {
    let server = RedisServer::start();
    let rule = acl_rule("madang");
    let user = ["ACL", "SETUSER", "chat", "on", "nopass"];
    server.run(&user.into_iter().chain(rule.split(' ')).collect::<Vec<_>>());
    let mut options = server.options();
    options.redis.username = Some("chat".to_owned());
    options.redis.url.as_mut().unwrap().password =
        Some(crate::config::Secret::new("any".to_owned()));
    (options.lease, options.debounce) = (Duration::from_secs(1), SHORT);
    // Four probes refresh a room's expiry in this time.
    options.history_keep = Duration::from_secs(10);
    let mut monitor = server.connection();
    monitor
        .send_packed_command(&redis::cmd("MONITOR").get_packed_command())
        .unwrap();
    monitor.recv_response().unwrap();
    live(&options, &server).await;
    server.run(&["ECHO", "the end"]);
    let mut sent = BTreeSet::new();
    loop {
        let Value::SimpleString(line) = monitor.recv_response().unwrap() else {
            continue;
        };
        // `<time> [<database> <address>] "<command>" "<argument>" …`
        let words: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        if words == ["ECHO", "the end"] {
            break;
        }
        let command = words[0].to_lowercase();
        if command == "xinfo" {
            sent.insert(format!("xinfo|{}", words[1].to_lowercase()));
        } else if !["hello", "pubsub"].contains(&command.as_str()) {
            // HELLO needs no right, and PUBSUB is what this test asks by itself.
            sent.insert(command);
        }
    }
    let denied: Vec<Value> = redis::from_redis_value(server.run(&["ACL", "LOG"])).unwrap();
    assert!(denied.is_empty(), "{denied:?}");
    let listed: BTreeSet<String> = RIGHTS.iter().map(|command| (*command).to_owned()).collect();
    // Sent only with a database, with replicas, and to ask an idle wire.
    let seldom = ["ping", "select", "unwatch", "wait"]
        .map(str::to_owned)
        .into();
    let unlisted: Vec<_> = sent.difference(&listed).collect();
    assert!(unlisted.is_empty(), "sent but not listed: {unlisted:?}");
    let unsent: Vec<_> = listed
        .difference(&sent)
        .filter(|command| !BTreeSet::contains(&seldom, *command))
        .collect();
    assert!(unsent.is_empty(), "listed but not sent: {unsent:?}");
}
