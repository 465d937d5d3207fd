//! A Cluster: each room lives on the master of its slot, whichever that is.

use super::super::super::{Broker, Health};
use super::super::rights::cluster_acl_rule;
use super::super::testing::eventually;
use super::super::testing::topology::{Cluster, ClusterOptions, Credentials, slot_of};
use super::core;
use super::side::{Side, assert_within, options};
use super::*;

fn url(redis: &Cluster) -> String {
    format!("redis+cluster://{}", redis.addresses()[..2].join(","))
}

async fn plain() -> (Cluster, Options) {
    let redis = Cluster::start(&ClusterOptions::default()).await;
    let options = options(&[("REDIS__URL", &url(&redis))]);
    (redis, options)
}

/// Returns a room whose slot another master has than the one given.
fn room_away_from(redis: &Cluster, master: usize) -> RoomName {
    (0..)
        .map(|index| RoomName::trusted(&format!("other {index}")))
        .find(|room| redis.owner(slot(room)) != Some(master))
        .unwrap()
}

fn slot(room: &RoomName) -> u16 {
    slot_of(&format!("madang:{{{room}}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_and_no_right_too_many_everything_works() {
    let redis = Cluster::start(&ClusterOptions {
        tls: true,
        user: Some((
            Credentials {
                user: "chat".to_owned(),
                password: "of-the-nodes".to_owned(),
            },
            cluster_acl_rule("madang"),
        )),
        lines: Vec::new(),
    })
    .await;
    let ca = redis.authority.as_ref().unwrap().ca.display().to_string();
    let url = format!(
        "rediss+cluster://chat:of-the-nodes@{}",
        redis.addresses()[0]
    );
    let options = options(&[
        ("REDIS__URL", &url),
        ("REDIS__CA_FILE", &ca),
        ("FLEET__LEASE", "4s"),
        ("FLEET__DEBOUNCE", "1s"),
    ]);
    assert_eq!(options.redis.needed_acks(), 1);
    core::works(&options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_costs_its_own_rooms_a_moment_and_nothing_acknowledged() {
    let (mut redis, options) = plain().await;
    let (side, room) = (Side::start("n1", &options).await, room());
    side.join(&room).await;
    let (mut taken, mut texts) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let text = format!("{round}-before");
        side.insist(&room, &text).await;
        texts.push(text);
        let old = redis.owner(slot(&room)).unwrap();
        redis.servers[old].kill();
        let text = format!("{round}-after");
        let healing = async {
            redis.wait_failover(slot(&room), old).await;
            let taking = side.wait_up().await;
            // The new master has no replica yet, without which nothing is acknowledged.
            redis.servers[old].restart().await;
            taking
        };
        let (_, taking) = tokio::join!(side.insist(&room, &text), healing);
        texts.push(text);
        taken.push(taking);
        redis.wait_whole().await;
    }
    assert_within(Duration::from_secs(3), taken);
    assert_eq!(side.texts(&room).await, texts);
    // What came while the wire was away is told by the probe or the confirmation; the last one came over the wire.
    side.insist(&room, "last").await;
    let last = texts.len() as u64 + 1;
    eventually("the last one came", || {
        side.seen.seqs(&room).contains(&last)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rooms_of_other_masters_go_on_while_one_hangs() {
    let redis = Cluster::start(&ClusterOptions {
        // Without a replica in time: the whole Cluster must not stop with one master.
        lines: vec![
            "cluster-require-full-coverage no".to_owned(),
            "cluster-replica-no-failover yes".to_owned(),
        ],
        ..ClusterOptions::default()
    })
    .await;
    let options = options(&[("REDIS__URL", &url(&redis)), ("LIMITS__SEND_TIMEOUT", "1s")]);
    let (side, room) = (Side::start("n1", &options).await, room());
    let master = redis.owner(slot(&room)).unwrap();
    let other = room_away_from(&redis, master);
    for room in [&room, &other] {
        side.join(room).await;
        side.insist(room, "before").await;
    }
    redis.servers[master].pause();
    let noticed = side.wait_down("").await;
    assert!(noticed <= Duration::from_secs(3), "{noticed:?}");
    side.send(&room, "hangs").await.unwrap_err();
    for text in ["x", "y", "z"] {
        side.send(&other, text).await.unwrap();
    }
    eventually("they came", || side.seen.seqs(&other) == [1, 2, 3, 4]).await;
    assert!(matches!(&*side.broker.health().borrow(), Health::Down(_)));
    redis.servers[master].resume();
    side.wait_up().await;
    side.insist(&room, "hangs").await;
    assert_eq!(side.texts(&room).await, ["before", "hangs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_moves_under_traffic() {
    let (redis, options) = plain().await;
    let (side, room) = (Side::start("n1", &options).await, room());
    side.join(&room).await;
    let texts: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let talk = async {
        for text in &texts {
            side.insist(&room, text).await;
        }
    };
    let moving = async {
        let home = redis.owner(slot(&room)).unwrap();
        for step in 1..=3 {
            eventually("some were sent", || side.seen.seqs(&room).len() > 20 * step).await;
            redis.move_slot(slot(&room), (home + step) % 3);
        }
    };
    tokio::join!(talk, moving);
    assert_eq!(side.texts(&room).await, texts);
    // The subscription has followed.
    side.seen.clear();
    side.insist(&room, "last").await;
    eventually("the last one came", || side.seen.seqs(&room) == [301]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_a_slot_that_is_half_migrated_is_noticed() {
    let (redis, options) = plain().await;
    let (side, room) = (Side::start("n1", &options).await, room());
    side.join(&room).await;
    side.insist(&room, "at home").await;
    eventually("it came", || side.seen.seqs(&room) == [1]).await;
    let to = (redis.owner(slot(&room)).unwrap() + 1) % 3;
    redis.begin_move(slot(&room), to);
    side.insist(&room, "still at home").await;
    eventually("it came", || side.seen.seqs(&room) == [1, 2]).await;
    redis.move_keys(slot(&room), to);
    let accepted = side.insist(&room, "abroad").await;
    assert_eq!(accepted.seq, 3);
    let sent = Instant::now();
    let position = Position::new(accepted.epoch, 3);
    side.seen.expect_probed(&room, &position).await;
    assert!(
        sent.elapsed() <= Duration::from_secs(6),
        "{:?}",
        sent.elapsed()
    );
    assert_eq!(
        side.texts(&room).await,
        ["at home", "still at home", "abroad"]
    );
    redis.finish_move(slot(&room), to);
    side.seen.clear();
    side.insist(&room, "moved").await;
    side.seen.expect_subscribed(&room, 1).await;
    side.insist(&room, "last").await;
    eventually("it came", || side.seen.seqs(&room).contains(&5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_member_is_told() {
    let server = RedisServer::start();
    let url = format!("redis+cluster://127.0.0.1:{}", server.port);
    let side = Side::begin("n1", &options(&[("REDIS__URL", &url)]));
    let mut health = side.broker.health();
    let starting = health.wait_for(|health| {
        matches!(health, Health::Starting(Some(reason)) if reason.contains("write redis:// in place"))
    });
    tokio::time::timeout(PATIENCE, starting)
        .await
        .unwrap()
        .unwrap();
}
