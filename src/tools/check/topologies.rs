//! The check against real sentinels and a real Cluster.

use super::redis::ask;
use super::report::Report;
use crate::broker::redis::rights::{acl_rule, cluster_acl_rule};
use crate::broker::redis::testing::topology::{
    Cluster, ClusterOptions, Credentials, MASTER_NAME, SentinelOptions, Sentinels, slot_of,
};
use crate::config::Settings;

fn settings(variables: &[(&str, &str)]) -> Settings {
    let variables = variables
        .iter()
        .map(|(name, value)| (format!("MADANG_{name}"), (*value).to_owned()));
    Settings::load(None, variables).unwrap().settings
}

fn chat() -> Credentials {
    Credentials {
        user: "chat".to_owned(),
        password: "secret".to_owned(),
    }
}

fn titles(report: &Report) -> Vec<String> {
    let mut titles: Vec<_> = report.parts.iter().map(|part| part.title.clone()).collect();
    titles.sort();
    titles
}

fn facts<'r>(report: &'r Report, name: &str) -> Vec<&'r str> {
    let facts = report.facts.iter().filter(|(known, _)| *known == name);
    facts.map(|(_, value)| value.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_their_master_and_its_replicas_are_looked_at() {
    let mut redis = Sentinels::start(&SentinelOptions {
        user: Some((chat(), acl_rule("madang"))),
        ..SentinelOptions::default()
    })
    .await;
    let url = format!(
        "redis+sentinel://chat:secret@{}/{MASTER_NAME}",
        redis.addresses().join(",")
    );
    let good = ask(&settings(&[("REDIS__URL", &url)])).await;
    assert_eq!(good.faults, Vec::<String>::new());
    let master = redis.master().unwrap();
    let port = |index: usize| redis.servers[index].node_port;
    let master_name = format!("127.0.0.1:{}", port(master));
    assert_eq!(facts(&good, "master"), [&master_name]);
    assert_eq!(facts(&good, "role"), ["master, replicas: 2"]);
    let named = facts(&good, "sentinel");
    assert!(
        named.len() == 3
            && named
                .iter()
                .all(|told| told.ends_with(&format!(" names {master_name}")))
    );
    let (one, other) = ((master + 1) % 3, (master + 2) % 3);
    let mut expected = [one, other].map(|index| format!("replica 127.0.0.1:{}", port(index)));
    expected.sort();
    assert_eq!(titles(&good), expected);
    assert!(format!("{good}").contains("\nreplica 127.0.0.1:"), "{good}");

    // Rights and policy count where a replica may become the master.
    redis.servers[one].tell(&["ACL", "SETUSER", "chat", "-xadd"]);
    redis.servers[other].tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let url = format!("{url}/0");
    let bad = ask(&settings(&[("REDIS__URL", &url), ("REDIS__ACKS", "3")])).await;
    let told = |words: &[&str]| {
        let holds = |fault: &&String| words.iter().all(|word| fault.contains(word));
        bad.faults.iter().filter(holds).count()
    };
    let names = [one, other].map(|index| format!("replica 127.0.0.1:{}: ", port(index)));
    assert_eq!(told(&[&names[0], "+xadd"]), 1, "{bad:?}");
    assert_eq!(
        told(&[&names[1], "set maxmemory-policy noeviction"]),
        1,
        "{bad:?}"
    );
    assert_eq!(
        told(&["redis.acks (MADANG_REDIS__ACKS) is 3", "has 2 replicas"]),
        1,
        "{bad:?}"
    );
    assert_eq!(bad.faults.len(), 3, "{bad:?}");

    redis.sentinels[1].kill();
    let url = url.replace(&format!("/{MASTER_NAME}"), "/other");
    let unknown = ask(&settings(&[("REDIS__URL", &url)])).await;
    assert!(
        unknown.faults[0].contains("knows no master named other"),
        "{unknown:?}"
    );
    assert_eq!(unknown.faults.len(), 1, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_a_cluster_is_looked_at() {
    let redis = Cluster::start(&ClusterOptions {
        user: Some((chat(), cluster_acl_rule("madang"))),
        ..ClusterOptions::default()
    })
    .await;
    let addresses = redis.addresses();
    let url = format!("redis+cluster://chat:secret@{}", addresses[0]);
    let good = ask(&settings(&[("REDIS__URL", &url)])).await;
    assert_eq!(good.faults, Vec::<String>::new());
    assert_eq!(facts(&good, "masters"), ["3"]);
    let titles = titles(&good);
    assert_eq!(
        titles
            .iter()
            .filter(|title| title.starts_with("master "))
            .count(),
        3
    );
    assert_eq!(
        titles
            .iter()
            .filter(|title| title.starts_with("replica "))
            .count(),
        3
    );

    let master = redis.owner(slot_of("key")).unwrap();
    for index in [master, master + 3] {
        redis.servers[index].tell(&["ACL", "SETUSER", "chat", "-ssubscribe", "-spublish"]);
    }
    let bad = ask(&settings(&[("REDIS__URL", &url)])).await;
    assert_eq!(bad.faults.len(), 1, "{bad:?}");
    let fault = &bad.faults[0];
    for words in [
        format!("master {}", addresses[master]),
        format!("replica {}", addresses[master + 3]),
        "ACL SETUSER chat +spublish +ssubscribe".to_owned(),
    ] {
        assert!(fault.contains(&words), "{fault}");
    }

    let alone = format!("redis://chat:secret@{}", addresses[0]);
    let alone = ask(&settings(&[("REDIS__URL", &alone)])).await;
    let told = alone
        .faults
        .iter()
        .any(|fault| fault.contains("write redis+cluster://"));
    assert!(told, "{alone:?}");
    let few = format!("{url}/0");
    let few = ask(&settings(&[("REDIS__URL", &few), ("REDIS__ACKS", "2")])).await;
    assert!(
        few.faults
            .iter()
            .any(|fault| fault.contains("lower redis.acks")),
        "{few:?}"
    );
}
