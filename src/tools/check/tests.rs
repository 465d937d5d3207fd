//! The check against a redis-server.

use std::collections::BTreeSet;

use super::redis::ask;
use super::report::Report;
use crate::broker::redis::rights::{RIGHTS, acl_rule};
use crate::broker::redis::testing::RedisServer;
use crate::config::{Loaded, Secret, Settings};

/// The rules of a user that may do everything that a node does, and nothing else.
const RULES: &[&str] = &[
    "on",
    ">secret",
    "~madang:*",
    "resetchannels",
    "&madang:*",
    "-@all",
];

fn settings(server: &RedisServer) -> Settings {
    Settings {
        redis: server.settings(),
        ..Settings::default()
    }
}

/// Returns the settings of a node that is the user `chat` with these rules.
fn as_chat(server: &RedisServer, rules: &[&str]) -> Settings {
    let mut command = vec!["ACL", "SETUSER", "chat", "reset"];
    command.extend(rules);
    server.run(&command);
    let mut settings = settings(server);
    let url = settings.redis.url.as_mut().unwrap();
    url.username = Some("chat".to_owned());
    url.password = Some(Secret::new("secret".to_owned()));
    settings
}

fn fact<'r>(report: &'r Report, name: &str) -> &'r str {
    report
        .facts
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value)
}

/// Returns the one fault.
fn fault(report: &Report) -> &str {
    assert_eq!(report.faults.len(), 1, "{report:?}");
    &report.faults[0]
}

#[tokio::test]
async fn a_redis_as_it_should_be_has_no_fault() {
    let server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let report = ask(&settings(&server)).await;
    assert_eq!((&report.faults, &report.notes), (&vec![], &vec![]));
    assert!(fact(&report, "version").starts_with("Redis "), "{report:?}");
    assert!(fact(&report, "reached").starts_with("yes"), "{report:?}");
    assert_eq!(fact(&report, "role"), "master, replicas: 0");
    assert_eq!(fact(&report, "appendfsync"), "always");
    assert_eq!(
        fact(&report, "rights"),
        "all that a node needs, as user default"
    );
    assert!(
        format!("{report}").contains("\n  maxmemory-policy  noeviction\n"),
        "{report}"
    );
}

#[tokio::test]
async fn another_fleet_under_the_prefix_is_a_fault() {
    let server = RedisServer::start();
    let mut settings = settings(&server);
    settings.fleet.name = Some("yard/one".to_owned());
    for (id, fleet) in [("l1", "yard/one"), ("l2", "yard/two")] {
        let record = format!(r#"{{"node":"node-{id}","fleet":"{fleet}"}}"#);
        server.run(&["SET", &format!("madang:lease:{id}"), &record]);
        server.run(&["SADD", "madang:leases", id]);
    }
    let report = ask(&settings).await;
    assert_eq!(fact(&report, "nodes"), "2");
    let fault = fault(&report);
    assert!(fault.contains("yard/two (node-l2)"), "{fault}");
    assert!(fault.contains("set another redis.prefix"), "{fault}");
}

#[tokio::test]
async fn a_check_leaves_nothing_behind() {
    let server = RedisServer::start();
    ask(&settings(&server)).await;
    assert_eq!(server.run(&["DBSIZE"]), redis::Value::Int(0));
    assert_eq!(
        server.run(&["PUBSUB", "CHANNELS"]),
        redis::Value::Array(vec![])
    );
}

#[tokio::test]
async fn what_only_the_administrator_sees_is_not_permitted_to_see() {
    let server = RedisServer::start();
    let report = ask(&as_chat(
        &server,
        &[
            "on",
            ">secret",
            "~madang:*",
            "&madang:*",
            "+@all",
            "-config",
        ],
    ))
    .await;
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(fact(&report, "appendfsync"), "not permitted to see");
}

#[tokio::test]
async fn every_right_that_is_missing_is_named_with_the_command_that_grants_it() {
    let server = RedisServer::start();
    // Without these it cannot even be asked.
    let reach = [RULES, &["+info", "+time", "+ping"]].concat();
    let report = ask(&as_chat(&server, &reach)).await;
    let granting = fault(&report)
        .split("ACL SETUSER chat ")
        .nth(1)
        .unwrap()
        .to_owned();
    let granted: BTreeSet<_> = granting.split(' ').collect();
    for command in [
        "+eval",
        "+evalsha",
        "+xadd",
        "+xinfo|stream",
        "+publish",
        "+subscribe",
        "+unwatch",
    ] {
        assert!(granted.contains(command), "{command} in {granting}");
    }
    assert!(!granted.contains("+info"), "{granting}");

    let enough = ask(&as_chat(
        &server,
        &[&reach[..], &granting.split(' ').collect::<Vec<_>>()].concat(),
    ))
    .await;
    assert_eq!(
        enough.faults,
        Vec::<String>::new(),
        "what the sentence says is enough"
    );
}

#[tokio::test]
async fn the_rights_in_the_readme_are_enough_and_none_too_many() {
    let readme = include_str!("../../../README.md");
    let (_, line) = readme.split_once("ACL SETUSER madang ").unwrap();
    let rule = line.lines().next().unwrap();
    let expected = format!("on >password {}", acl_rule("madang"));
    assert_eq!(
        rule, expected,
        "update the rule in README.md and README.ko.md"
    );

    let server = RedisServer::start();
    let mut settings = as_chat(&server, &rule.split(' ').collect::<Vec<_>>());
    let url = settings.redis.url.as_mut().unwrap();
    url.password = Some(Secret::new("password".to_owned()));
    url.db = 1;
    assert_eq!(ask(&settings).await.faults, Vec::<String>::new());
    for command in RIGHTS
        .iter()
        .filter(|command| !["info", "ping", "time", "select"].contains(command))
    {
        server.run(&["ACL", "SETUSER", "chat", &format!("-{command}")]);
        let report = ask(&settings).await;
        assert!(
            fault(&report).ends_with(&format!("ACL SETUSER chat +{command}")),
            "{report:?}"
        );
        server.run(&["ACL", "SETUSER", "chat", &format!("+{command}")]);
    }
}

#[tokio::test]
async fn keys_and_names_of_another_prefix_are_not_enough() {
    let server = RedisServer::start();
    for (rules, remedy) in [
        (["~other:*", "&madang:*"], "SETUSER chat ~madang:*"),
        (["~madang:*", "&other:*"], "SETUSER chat &madang:*"),
    ] {
        let report = ask(&as_chat(
            &server,
            &[&["on", ">secret", "resetchannels", "+@all"], &rules[..]].concat(),
        ))
        .await;
        assert!(fault(&report).ends_with(remedy), "{report:?}");
    }
}

#[tokio::test]
async fn an_evicting_redis_is_a_fault() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "volatile-lru"]);
    let report = ask(&settings(&server)).await;
    assert!(
        fault(&report).contains("maxmemory-policy noeviction"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_full_redis_is_a_fault_beside_missing_rights() {
    let server = RedisServer::start_with(&["--maxmemory", "1"]);
    let report = ask(&settings(&server)).await;
    assert!(
        fault(&report).contains("refuses all writes now"),
        "{report:?}"
    );
    let report = ask(&as_chat(
        &server,
        &["on", ">secret", "~madang:*", "&madang:*", "+@all", "-xadd"],
    ))
    .await;
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.ends_with("ACL SETUSER chat +xadd")),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_command_under_another_name_is_a_fault() {
    let server = RedisServer::start_with(&["--rename-command", "EVALSHA", "DEPLOY"]);
    let report = ask(&settings(&server)).await;
    assert!(fault(&report).contains("evalsha"), "{report:?}");
}

#[tokio::test]
async fn acknowledgments_that_no_replica_can_give_are_a_fault() {
    let server = RedisServer::start();
    let mut settings = settings(&server);
    settings.redis.acks = Some(1);
    assert!(fault(&ask(&settings).await).contains("lower redis.acks"));
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_one_sentence() {
    let mut server = RedisServer::start();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
    assert!(fault(&ask(&settings(&replica)).await).contains("point redis.url at the master"));

    let mut settings = as_chat(&server, &["on", ">other"]);
    let report = ask(&settings).await;
    assert!(fault(&report).contains("redis.password_file"), "{report:?}");
    assert!(!format!("{report:?}").contains("secret"), "{report:?}");
    assert_eq!(fact(&report, "reached"), "no");

    settings.redis.url.as_mut().unwrap().username = None;
    server.crash();
    assert!(fault(&ask(&settings).await).starts_with("nothing listens at 127.0.0.1:"));
}

#[tokio::test]
async fn without_a_redis_the_settings_are_all_there_is() {
    let loaded: Loaded = Settings::load(
        None,
        [("MADANG_LOG__FILTER".to_owned(), "debug".to_owned())],
    )
    .unwrap();
    let report = ask(&loaded.settings).await;
    assert_eq!(
        format!("{report}"),
        "redis: none; one node, everything in its memory\n"
    );
    let listing = super::settings::listing(&loaded.effective);
    let line = |key: &str| {
        listing
            .lines()
            .find(|line| line.trim_start().starts_with(key))
            .unwrap_or_default()
    };
    assert_eq!(
        line("log.filter").split_whitespace().collect::<Vec<_>>(),
        ["log.filter", "debug", "MADANG_LOG__FILTER"]
    );
    assert_eq!(
        line("redis.url").split_whitespace().collect::<Vec<_>>(),
        ["redis.url", "-", "default"]
    );
}
