//! A master with replicas and sentinels: nothing acknowledged is lost when another becomes the master.

use std::fs;

use super::super::rights::acl_rule;
use super::super::testing::eventually;
use super::super::testing::topology::{Credentials, MASTER_NAME, SentinelOptions, Sentinels};
use super::core;
use super::side::{Side, assert_within, options};
use super::*;

fn credentials(password: &str) -> Credentials {
    Credentials {
        user: "chat".to_owned(),
        password: password.to_owned(),
    }
}

fn plain(redis: &Sentinels) -> Options {
    let url = format!(
        "redis+sentinel://{}/{MASTER_NAME}",
        redis.addresses().join(",")
    );
    options(&[("REDIS__URL", &url)])
}

/// A topology where everything is encrypted and everybody needs a password, and the options of a node in it.
async fn guarded() -> (Sentinels, Options, tempfile::TempDir) {
    let redis = Sentinels::start(&SentinelOptions {
        tls: true,
        user: Some((credentials("of-the-nodes"), acl_rule("madang"))),
        sentinel_user: Some(credentials("at-the-sentinels")),
        lines: Vec::new(),
    })
    .await;
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let path = files.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (password, sentinel_password) = (
        path("password", "of-the-nodes"),
        path("sentinel-password", "at-the-sentinels"),
    );
    let ca = redis.authority.as_ref().unwrap().ca.display().to_string();
    let url = format!(
        "rediss+sentinel://{}/{MASTER_NAME}",
        redis.addresses().join(",")
    );
    let options = options(&[
        ("REDIS__URL", &url),
        ("REDIS__CA_FILE", &ca),
        ("REDIS__USERNAME", "chat"),
        ("REDIS__PASSWORD_FILE", &password),
        ("REDIS__SENTINEL_USERNAME", "chat"),
        ("REDIS__SENTINEL_PASSWORD_FILE", &sentinel_password),
        ("LIMITS__SEND_TIMEOUT", "1s"),
    ]);
    (redis, options, files)
}

/// Lets a node ask the sentinels, or not.
fn let_in(redis: &Sentinels, is_let_in: bool) {
    for sentinel in &redis.sentinels {
        let state = if is_let_in { "on" } else { "off" };
        sentinel.tell(&["ACL", "SETUSER", "chat", state]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_costs_nothing_that_was_acknowledged() {
    let mut redis = Sentinels::start(&SentinelOptions::default()).await;
    let options = plain(&redis);
    assert_eq!(options.redis.needed_acks(), 1);
    let (side, room) = (Side::start("n1", &options).await, room());
    side.join(&room).await;
    let (mut taken, mut texts) = (Vec::new(), Vec::new());
    for round in 0..5 {
        for part in 0..3 {
            let text = format!("{round}-{part}");
            side.insist(&room, &text).await;
            texts.push(text);
        }
        // Which replica follows is for the sentinels to say, and they may know an old state of both.
        redis.wait_in_step().await;
        let old = redis.master().unwrap();
        redis.servers[old].kill();
        let text = format!("{round}-after");
        let sent = side.insist(&room, &text);
        let ((), taking) = tokio::join!(async { drop(sent.await) }, async {
            redis.wait_failover(old).await;
            side.wait_up().await
        });
        texts.push(text);
        taken.push(taking);
        redis.servers[old].restart().await;
        redis.wait_whole().await;
    }
    assert_within(Duration::from_secs(3), taken);
    assert_eq!(side.texts(&room).await, texts);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_and_no_right_too_many_everything_works() {
    let (_redis, mut options, _files) = guarded().await;
    (options.lease, options.debounce) = (Duration::from_secs(4), Duration::from_secs(1));
    core::works(&options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_cut_from_its_replicas_acknowledges_nothing() {
    let (redis, options, _files) = guarded().await;
    let (side, room) = (Side::start("n1", &options).await, room());
    side.join(&room).await;
    side.insist(&room, "before").await;
    eventually("the entry is there", || side.seen.seqs(&room) == [1]).await;

    // The half of the split with the old master and this node.
    let old = redis.master().unwrap();
    let_in(&redis, false);
    redis.cut_off(old);
    let new = redis.wait_failover(old).await;
    assert_eq!(side.send(&room, "split").await, Err(Refusal::Timeout));
    for _ in 0..2 {
        let answer = side.send(&room, "split").await;
        assert!(
            matches!(answer, Err(Refusal::Timeout | Refusal::Unavailable)),
            "{answer:?}"
        );
    }

    // The old master follows the new one and closes nothing: only asking tells.
    let port = redis.servers[new].node_port.to_string();
    redis.servers[old].tell(&["REPLICAOF", "127.0.0.1", &port]);
    let noticed = side.wait_down("").await;
    assert!(noticed <= Duration::from_secs(3), "{noticed:?}");
    side.wait_down("sentinel").await;
    let_in(&redis, true);
    redis.rejoin(old);
    side.wait_up().await;
    let accepted = side.insist(&room, "split").await;
    assert!(!accepted.duplicate, "it was never on the new master");
    assert_eq!(side.texts(&room).await, ["before", "split"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_the_sentinels_have_given_up_is_left() {
    let (redis, options, _files) = guarded().await;
    let (side, room) = (Side::start("n1", &options).await, room());
    side.join(&room).await;
    side.insist(&room, "before").await;
    // Only this node still reaches it, and it goes on calling itself the master.
    let old = redis.master().unwrap();
    redis.cut_off(old);
    let new = redis.wait_failover(old).await;
    side.insist(&room, "after").await;
    assert!(redis.servers[old].is_master() && redis.servers[new].is_master());
    assert_eq!(side.texts(&room).await, ["before", "after"]);
    let_in(&redis, false);
    let link = Link::new(&options, Arc::new(Metrics::new())).unwrap();
    let fault = link.get(Instant::now() + PATIENCE).await.unwrap_err();
    assert!(fault.is_configuration(), "{fault}");
    assert!(
        fault
            .to_string()
            .contains("check redis.sentinel_username and redis.sentinel_password_file"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_sentinels_has_its_sentence() {
    let mut redis = Sentinels::start(&SentinelOptions::default()).await;
    let fault = async |options: &Options| {
        let link = Link::new(options, Arc::new(Metrics::new())).unwrap();
        link.get(Instant::now() + PATIENCE).await.unwrap_err()
    };
    let unknown = format!("redis+sentinel://{}/other", redis.addresses().join(","));
    let sentence = fault(&options(&[("REDIS__URL", &unknown)]))
        .await
        .to_string();
    assert!(
        sentence.contains("knows no master named other"),
        "{sentence}"
    );
    // Not a sentinel at all.
    let none = format!(
        "redis+sentinel://127.0.0.1:{}/{MASTER_NAME}",
        redis.servers[0].port
    );
    let sentence = fault(&options(&[("REDIS__URL", &none)])).await.to_string();
    assert!(
        sentence.contains("check that redis.url names sentinels"),
        "{sentence}"
    );
    // One that hangs and one that is gone do not hide the third.
    redis.sentinels[0].kill();
    redis.sentinels[1].pause();
    let link = Link::new(&plain(&redis), Arc::new(Metrics::new())).unwrap();
    link.get(Instant::now() + PATIENCE).await.unwrap().keep();
    redis.sentinels[2].kill();
    let sentence = fault(&plain(&redis)).await.to_string();
    assert!(sentence.contains("127.0.0.1"), "{sentence}");
}
