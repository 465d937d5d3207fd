//! What every topology must do, seen by two nodes and some rooms.

use super::super::super::{Broker, Ephemeral, Event, PresenceChange};
use super::super::testing::eventually;
use super::side::Side;
use super::*;
use crate::protocol::{User, UserName};

/// Rooms enough to be on every master of a small Cluster.
const ROOMS: usize = 24;

fn user(name: &str) -> User {
    User {
        id: UserId::parse(name).unwrap(),
        name: UserName::trusted(name),
        bot: None,
    }
}

/// Lets two nodes do everything that nodes do.
pub(super) async fn works(options: &Options) {
    let (first, second) = (
        Side::start("first", options).await,
        Side::start("second", options).await,
    );
    let rooms: Vec<RoomName> = (0..ROOMS)
        .map(|index| RoomName::trusted(&format!("room {index}")))
        .collect();
    for room in &rooms {
        first.join(room).await;
        second.join(room).await;
    }
    for text in ["a", "b", "c"] {
        for room in &rooms {
            first.insist(room, text).await;
        }
    }
    for (index, room) in rooms.iter().enumerate() {
        for side in [&first, &second] {
            eventually("all entries are there", || {
                side.seen.seqs(room) == [1, 2, 3]
            })
            .await;
        }
        let again = second.send(room, "b").await.unwrap();
        assert_eq!((again.seq, again.duplicate), (2, true), "{index}");
        assert_eq!(second.texts(room).await, ["a", "b", "c"]);
    }

    let room = &rooms[0];
    let typing = Ephemeral::Typing { user: user("ann") };
    first.broker.ephemeral(room, typing.clone());
    let wanted = Event::Ephemeral {
        room: room.clone(),
        ephemeral: typing,
    };
    second.seen.expect("typing", |event| *event == wanted).await;

    for (side, name) in [(&first, "ann"), (&second, "bob")] {
        for room in &rooms {
            let here = PresenceChange::Here(user(name));
            side.broker.presence(room.clone(), vec![here]);
        }
    }
    for room in &rooms {
        let begun = Instant::now();
        loop {
            let roster = first.broker.roster(room.clone(), None, 100).await.unwrap();
            if roster.count == 2 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{roster:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let fleet = first.broker.fleet().await.unwrap();
    let names: Vec<_> = fleet.iter().map(|node| node.node.to_string()).collect();
    assert_eq!(names, ["first", "second"]);
    let key = Bytes::from_static(b"first key");
    assert_eq!(first.broker.identity_key(key.clone()).await.unwrap(), key);
    let other = Bytes::from_static(b"other key");
    assert_eq!(second.broker.identity_key(other).await.unwrap(), key);

    // An orderly leave: its users are swept and told.
    second.broker.stop().await;
    let left = |event: &Event| {
        matches!(event, Event::Ephemeral { room: of, ephemeral: Ephemeral::Presence { left, .. } }
            if of == room && left.iter().any(|id| id.as_str() == "bob"))
    };
    eventually("bob has left", || first.seen.count(left) > 0).await;
    first.broker.stop().await;
}
