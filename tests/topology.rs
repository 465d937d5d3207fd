//! The topologies that other tests stand on do what they say.

#[path = "support/topology/mod.rs"]
mod topology;

use topology::{Cluster, ClusterOptions, Credentials, SentinelOptions, Sentinels, slot_of};

#[tokio::test]
async fn the_sentinels_promote_a_replica_and_take_the_old_master_back() {
    let mut redis = Sentinels::start(&SentinelOptions::default()).await;
    let old = redis.master().expect("there is a master");
    redis.servers[old].kill();
    let new = redis.wait_failover(old).await;
    redis.servers[new].tell(&["SET", "key", "value"]);
    redis.servers[old].restart().await;
    redis.wait_whole().await;
    let value: String = redis.servers[new].run(&["GET", "key"]);
    assert_eq!(value, "value");
}

#[tokio::test]
async fn a_replica_held_back_can_be_promoted() {
    let mut redis = Sentinels::start(&SentinelOptions::default()).await;
    let master = redis.master().expect("there is a master");
    let (held, other) = ((master + 1) % 3, (master + 2) % 3);
    redis.hold_back(held).await;
    redis.servers[master].tell(&["SET", "key", "value"]);
    let at_other: Option<String> = {
        topology::until("the other has it", || {
            redis.servers[other]
                .run::<Option<String>>(&["GET", "key"])
                .is_some()
        })
        .await;
        redis.servers[held].run(&["GET", "key"])
    };
    assert_eq!(at_other, None);
    redis.prefer(held).await;
    redis.servers[master].kill();
    assert_eq!(redis.wait_failover(master).await, held);
    redis.release(held);
}

#[tokio::test]
async fn a_master_that_is_cut_off_goes_on_answering() {
    let user = Credentials {
        user: "chat".to_owned(),
        password: "of-the-nodes".to_owned(),
    };
    let redis = Sentinels::start(&SentinelOptions {
        tls: true,
        user: Some((user.clone(), "~* &* +@all".to_owned())),
        sentinel_user: Some(user),
        lines: Vec::new(),
    })
    .await;
    let old = redis.master().expect("there is a master");
    redis.cut_off(old);
    let new = redis.wait_failover(old).await;
    assert!(redis.servers[old].is_master() && redis.servers[new].is_master());
    redis.rejoin(old);
    redis.wait_whole().await;
}

#[tokio::test]
async fn a_cluster_fails_over_and_moves_slots() {
    let mut redis = Cluster::start(&ClusterOptions::default()).await;
    let slot = slot_of("a:{123456789}:b");
    assert_eq!(slot, 12_739);
    let old = redis.owner(slot).expect("the slot has an owner");
    let to = (old + 1) % 3;
    redis.servers[old].tell(&["SET", "123456789", "value"]);
    redis.move_slot(slot, to);
    assert_eq!(redis.owner(slot), Some(to));
    let value: String = redis.servers[to].run(&["GET", "123456789"]);
    assert_eq!(value, "value");
    redis.servers[to].kill();
    let new = redis.wait_failover(slot, to).await;
    assert!(new >= 3);
    redis.servers[to].restart().await;
    redis.wait_whole().await;
}

#[tokio::test]
async fn a_cluster_with_tls_and_users_becomes_whole() {
    let user = Credentials {
        user: "chat".to_owned(),
        password: "of-the-nodes".to_owned(),
    };
    let redis = Cluster::start(&ClusterOptions {
        tls: true,
        user: Some((user, "~* &* +@all".to_owned())),
        lines: Vec::new(),
    })
    .await;
    let slot = slot_of("key");
    let to = (redis.owner(slot).expect("the slot has an owner") + 1) % 3;
    redis.servers[redis.owner(slot).expect("the slot has an owner")].tell(&["SET", "key", "value"]);
    redis.move_slot(slot, to);
    let value: String = redis.servers[to].run(&["GET", "key"]);
    assert_eq!(value, "value");
}
