//! What the answers of `INFO` mean for a node.
//!
//! Some operators of Redis hide fields; what is hidden is told as such and is no fault.

use std::collections::HashMap;

use super::report::Report;
use crate::config::ServerAddress;

/// The oldest Redis that has every command and option that a node uses.
const OLDEST: (u32, u32) = (6, 2);

/// The oldest whose clusters publish within a shard.
const OLDEST_CLUSTER: (u32, u32) = (7, 0);

/// Stands for what the server does not tell.
const HIDDEN: &str = "not told by the server";

/// The fields of `INFO`.
#[derive(Debug)]
pub(super) struct Info(HashMap<String, String>);

impl Info {
    pub(super) fn parse(text: &str) -> Self {
        let fields = text
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        Self(
            fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns where a master says that its replicas are.
    pub(super) fn replicas(&self) -> Vec<ServerAddress> {
        let rows = (0..).map_while(|number| self.get(&format!("slave{number}")));
        let replica = |row: &str| {
            let field = |name: &str| {
                row.split(',')
                    .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
            };
            Some(ServerAddress {
                host: field("ip")?.to_owned(),
                port: field("port")?.parse().ok()?,
            })
        };
        rows.filter_map(replica).collect()
    }
}

/// Notes what the server is, how it keeps what it is told, and whether that is enough; `acks` is the setting
/// `redis.acks`, or 0 for a replica; `is_cluster` tells what `redis.url` says.
pub(super) fn judge(info: &Info, acks: u32, is_cluster: bool, report: &mut Report) {
    version(info, is_cluster, report);
    role(info, acks, is_cluster, report);
    memory(info, report);
    let is_kept = info.get("aof_enabled").map(|enabled| enabled == "1");
    report.fact(
        "append-only file",
        is_kept.map_or(HIDDEN, |is_kept| if is_kept { "on" } else { "off" }),
    );
    if is_kept == Some(false) {
        report.notes.push(
            "without an append-only file, messages that were accepted are lost when Redis restarts: \
             set appendonly yes and appendfsync always"
                .to_owned(),
        );
    }
}

/// Notes how soon the append-only file is on disk; `None` if the user may not see it.
pub(super) fn judge_fsync(info: &Info, appendfsync: Option<&str>, report: &mut Report) {
    report.fact("appendfsync", appendfsync.unwrap_or("not permitted to see"));
    if let Some(policy @ ("everysec" | "no")) = appendfsync
        && info.get("aof_enabled") == Some("1")
    {
        report.notes.push(format!(
            "with appendfsync {policy}, messages that were accepted just before Redis crashes are lost: \
             set appendfsync always"
        ));
    }
}

fn version(info: &Info, is_cluster: bool, report: &mut Report) {
    let found = [("Valkey", "valkey_version"), ("Redis", "redis_version")]
        .into_iter()
        .find_map(|(product, field)| Some((product, info.get(field)?)));
    let Some((product, version)) = found else {
        report.fact("version", HIDDEN);
        return;
    };
    report.fact("version", format!("{product} {version}"));
    let mut parts = version
        .split('.')
        .map(|part| part.parse().unwrap_or_default());
    let number = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let oldest = if is_cluster { OLDEST_CLUSTER } else { OLDEST };
    if number < oldest {
        report.faults.push(format!(
            "{product} {version} is too old: run Redis {}.{} or later, or Valkey",
            oldest.0, oldest.1
        ));
    }
}

fn role(info: &Info, acks: u32, is_cluster: bool, report: &mut Report) {
    let replicas: Option<u32> = info
        .get("connected_slaves")
        .and_then(|count| count.parse().ok());
    let role = info.get("role").unwrap_or(HIDDEN);
    match replicas {
        Some(count) => report.fact("role", format!("{role}, replicas: {count}")),
        None => report.fact("role", role),
    }
    if let Some(count) = replicas
        && count < acks
    {
        report.faults.push(format!(
            "redis.acks (MADANG_REDIS__ACKS) is {acks} and Redis has {count} replicas, so no message would be \
             accepted: add replicas, or lower redis.acks"
        ));
    }
    if info.get("redis_mode") == Some("cluster") && !is_cluster {
        report.faults.push(
            "Redis is a member of a Cluster, which answers for a part of the rooms only: write redis+cluster:// in \
             place of redis:// in redis.url"
                .to_owned(),
        );
    }
}

fn memory(info: &Info, report: &mut Report) {
    let limit = match info.get("maxmemory") {
        Some("0") => "no limit".to_owned(),
        Some(bytes) => format!("{bytes} bytes"),
        None => HIDDEN.to_owned(),
    };
    report.fact("maxmemory", limit);
    let policy = info.get("maxmemory_policy");
    report.fact("maxmemory-policy", policy.unwrap_or(HIDDEN));
    if let Some(policy) = policy.filter(|policy| *policy != "noeviction") {
        report.faults.push(format!(
            "maxmemory-policy is {policy}, with which a full Redis drops rooms without a word: \
             set maxmemory-policy noeviction in Redis"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\n\
        connected_slaves:1\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

    fn report(info: &str, acks: u32) -> Report {
        let mut report = Report::default();
        judge(&Info::parse(info), acks, false, &mut report);
        report
    }

    fn fact<'r>(report: &'r Report, name: &str) -> &'r str {
        &report
            .facts
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    }

    #[test]
    fn a_good_redis_has_neither_faults_nor_notes() {
        let report = report(GOOD, 1);
        assert_eq!((&report.faults, &report.notes), (&vec![], &vec![]));
        assert_eq!(fact(&report, "version"), "Redis 7.0.15");
        assert_eq!(fact(&report, "role"), "master, replicas: 1");
        assert_eq!(fact(&report, "append-only file"), "on");
    }

    #[test]
    fn each_fault_names_what_to_change() {
        let rows = [
            (
                "redis_version:7.0.15",
                "redis_version:6.0.20",
                "run Redis 6.2 or later",
            ),
            (
                "redis_version:7.0.15",
                "redis_version:5.0.14",
                "run Redis 6.2 or later",
            ),
            (
                "redis_mode:standalone",
                "redis_mode:cluster",
                "write redis+cluster://",
            ),
            (
                "connected_slaves:1",
                "connected_slaves:0",
                "lower redis.acks",
            ),
            (
                "policy:noeviction",
                "policy:volatile-lru",
                "set maxmemory-policy noeviction",
            ),
        ];
        for (good, bad, remedy) in rows {
            let report = report(&GOOD.replace(good, bad), 1);
            assert_eq!(report.faults.len(), 1, "{bad}: {:?}", report.faults);
            assert!(
                report.faults[0].contains(remedy),
                "{bad}: {:?}",
                report.faults
            );
        }
    }

    #[test]
    fn versions_compare_as_numbers_and_a_fork_goes_by_its_own() {
        for good in [
            "redis_version:6.2.0",
            "redis_version:10.0.1",
            "redis_version:7.2.4\r\nvalkey_version:8.1.3",
        ] {
            let report = report(&GOOD.replace("redis_version:7.0.15", good), 1);
            assert_eq!(report.faults, Vec::<String>::new(), "{good}");
        }
        let both = GOOD.replace(
            "redis_version:7.0.15",
            "redis_version:7.2.4\r\nvalkey_version:8.1.3",
        );
        assert_eq!(fact(&report(&both, 0), "version"), "Valkey 8.1.3");
    }

    #[test]
    fn a_server_that_hides_everything_is_no_fault() {
        let report = report("# Server\r\n", 1);
        assert_eq!((&report.faults, &report.notes), (&vec![], &vec![]));
        assert!(
            report.facts.iter().all(|(_, value)| value == HIDDEN),
            "{report:?}"
        );
    }

    #[test]
    fn a_cluster_needs_publishing_within_a_shard() {
        let old = GOOD
            .replace("standalone", "cluster")
            .replace("7.0.15", "6.2.14");
        let mut report = Report::default();
        judge(&Info::parse(&old), 1, true, &mut report);
        assert_eq!(report.faults.len(), 1, "{report:?}");
        assert!(
            report.faults[0].contains("run Redis 7.0 or later"),
            "{report:?}"
        );
    }

    #[test]
    fn replicas_are_where_their_master_says() {
        let info = Info::parse(
            "slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0\r\nslave1:ip=::1,port=7000,state=online\r\n",
        );
        let names: Vec<_> = info.replicas().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["10.0.0.2:6379", "[::1]:7000"]);
    }

    #[test]
    fn what_is_lost_in_a_crash_is_a_note() {
        let off = GOOD.replace("aof_enabled:1", "aof_enabled:0");
        assert!(report(&off, 0).notes[0].contains("appendonly yes"));
        let rows = [
            (GOOD, Some("everysec"), 1),
            (GOOD, Some("always"), 0),
            (GOOD, None, 0),
            (&off, Some("everysec"), 0),
        ];
        for (info, policy, expected) in rows {
            let mut report = Report::default();
            judge_fsync(&Info::parse(info), policy, &mut report);
            assert_eq!(
                report.notes.len(),
                expected,
                "{policy:?}: {:?}",
                report.notes
            );
        }
    }
}
