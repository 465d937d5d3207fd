//! The program itself: what it says of settings that cannot work, how it starts, and how it ends.

use std::net::TcpListener;

use crate::support::eventually;
use crate::support::page::Page;
use crate::support::program::{Running, run, stderr};
use crate::support::redis::{RedisOptions, RedisServer};

#[test]
fn all_faults_of_the_settings_are_told_at_once() {
    let variables = [
        ("MADANG_LIMITS__TEXT", "lots"),
        ("MADANG_REDIS__URL", "http://here"),
        ("MADANG_SERVER__LISTNE", ":80"),
    ];
    let output = run(&[], &variables);
    assert_eq!(output.status.code(), Some(78));
    let told = stderr(&output);
    for word in [
        "MADANG_LIMITS__TEXT",
        "lots",
        "redis.url",
        "redis://",
        "MADANG_SERVER__LISTNE",
        "MADANG_SERVER__LISTEN?",
    ] {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    let output = run(&["--config", "no/such/file.toml"], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("no/such/file.toml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_port_in_use_is_one_sentence_with_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    let address = address.to_string();
    let output = run(&[], &[("MADANG_SERVER__LISTEN", &address)]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("server.listen") && told.contains(&port),
        "{told}"
    );
    assert_eq!(told.trim().lines().count(), 1, "{told}");
}

#[test]
fn an_unreadable_password_file_is_named() {
    let variables = [
        ("MADANG_REDIS__URL", "redis://127.0.0.1:1"),
        ("MADANG_REDIS__PASSWORD_FILE", "no/such/file"),
    ];
    let output = run(&[], &variables);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("redis.password_file"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_answers_its_own_probe_and_ends_with_0() {
    let started = Running::start(&[("MADANG_DRAIN__DELAY", "0s")]).await;
    let internal = started.value("internal_address");
    let variables = [("MADANG_SERVER__INTERNAL_LISTEN", internal.as_str())];
    let is_ready = || async { run(&["healthcheck"], &variables).status.success() };
    eventually("the node is healthy", is_ready).await;
    assert!(run(&["healthcheck", "--live"], &variables).status.success());
    assert_eq!(started.end("TERM").await, Some(0));
    let output = run(&["healthcheck"], &variables);
    assert_eq!(output.status.code(), Some(1));
    assert!(!stderr(&output).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_end_warns_of_nothing() {
    let started = Running::start(&[("MADANG_DRAIN__DELAY", "0s")]).await;
    started.signal("TERM");
    eventually("it has stopped", || async {
        started.log().contains("\"stopped\"")
    })
    .await;
    assert!(!started.log().contains("WARN"), "{}", started.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    for (delay, window) in [("10m", "20s"), ("0s", "1h")] {
        let variables = [
            ("MADANG_DRAIN__DELAY", delay),
            ("MADANG_DRAIN__WINDOW", window),
        ];
        let started = Running::start(&variables).await;
        let address = started.value("address").parse().unwrap();
        // Too many to be let go before the second signal comes.
        let mut pages = Vec::new();
        for number in 0..40 {
            pages.push(Page::open(address, &format!("page {number}")).await);
        }
        started.signal("TERM");
        eventually("it drains", || async { started.log().contains("draining") }).await;
        assert!(!started.is_ready().await);
        assert_eq!(started.end("TERM").await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_redis_it_starts_and_says_so() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let started = Running::start(&[("MADANG_REDIS__URL", &redis.url())]).await;
    eventually("the log tells", || async {
        started.log().contains("redis.url")
    })
    .await;
    assert_eq!(started.end("INT").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_with_its_setting() {
    let options = RedisOptions {
        password: Some("right".to_owned()),
        ..RedisOptions::default()
    };
    let redis = RedisServer::start_with(options).await;
    let url = redis.url().replace("right", "wrong");
    let started = Running::start(&[("MADANG_REDIS__URL", &url)]).await;
    eventually("the log tells", || async {
        started.log().contains("password")
    })
    .await;
    assert!(
        !started.log().contains("wrong"),
        "the password is in the log"
    );
    assert_eq!(started.end("INT").await, Some(0));
    let output = run(&["check"], &[("MADANG_REDIS__URL", &url)]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("redis.password_file") && !told.contains("wrong"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_settings_with_their_origin_and_what_redis_allows() {
    let options = RedisOptions {
        arguments: vec!["--maxmemory-policy".to_owned(), "volatile-lru".to_owned()],
        ..RedisOptions::default()
    };
    let redis = RedisServer::start_with(options).await;
    let output = run(
        &["check"],
        &[
            ("MADANG_REDIS__URL", &redis.url()),
            ("MADANG_LIMITS__TEXT", "3000"),
        ],
    );
    assert_eq!(output.status.code(), Some(1), "volatile-lru may evict");
    let told = String::from_utf8(output.stdout.clone()).unwrap() + &stderr(&output);
    for word in [
        "limits.text",
        "3000",
        "MADANG_LIMITS__TEXT",
        "default",
        "noeviction",
        "volatile-lru",
        "7.",
    ] {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
    let redis = RedisServer::start().await;
    let output = run(&["check"], &[("MADANG_REDIS__URL", &redis.url())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
