//! Reading the leases of all nodes.

use std::time::Instant;

use redis::{RedisError, Value};

use super::super::super::{FleetNode, Unavailable};
use super::super::fault::LinkError;
use super::super::link::Link;
use super::id::{LeaseId, leases};

/// Reads which nodes hold a lease, ordered by name.
///
/// # Errors
/// [`Unavailable`] when no answer came within the setting `limits.send_timeout`.
pub(in super::super) async fn fleet(link: &Link) -> Result<Vec<FleetNode>, Unavailable> {
    let until = Instant::now() + link.options().send_timeout;
    let mut standing = standing(link, until).await;
    if matches!(standing, Err(LinkError::Broken(..))) {
        // It was broken before: a read may simply be done again.
        standing = self::standing(link, until).await;
    }
    let mut nodes = standing.map_err(|fault| Unavailable(fault.to_string()))?;
    // A node that did not hear that it has a lease takes a second: for one lease time both may stand.
    let process = |node: &FleetNode| (node.node.clone(), node.start);
    nodes.sort_by_key(|node| (process(node), !node.leaving, u64::MAX - node.sessions));
    nodes.dedup_by_key(|node| process(node));
    Ok(nodes)
}

/// Reads the ids of all leases that are not swept yet.
pub(in super::super) async fn listed(
    link: &Link,
    until: Instant,
) -> Result<Vec<LeaseId>, LinkError> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("SMEMBERS").arg(leases(link.keys()));
    let answer = link.ask(&mut pipeline, until).await?.pop();
    let ids = answer
        .unwrap_or(Ok(Value::Nil))
        .and_then(|ids| redis::from_redis_value::<Vec<String>>(ids).map_err(RedisError::from))
        .map_err(|error| link.fault(&error))?;
    Ok(ids.iter().map(|id| LeaseId::known(id)).collect())
}

/// Reads the listed leases that have not ended.
async fn standing(link: &Link, until: Instant) -> Result<Vec<FleetNode>, LinkError> {
    let listed = listed(link, until).await?;
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = redis::pipe();
    for lease in &listed {
        pipeline.cmd("GET").arg(lease.key(link.keys()));
    }
    let records = link.ask(&mut pipeline, until).await?;
    let mut nodes = Vec::with_capacity(records.len());
    for (lease, record) in listed.iter().zip(records) {
        let Value::BulkString(json) = record.map_err(|error| link.fault(&error))? else {
            continue;
        };
        match serde_json::from_slice(&json) {
            Ok(node) => nodes.push(node),
            Err(error) => {
                tracing::debug!(lease = lease.as_str(), %error, "a lease cannot be read");
            }
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::testing::RedisServer;
    use super::*;

    fn write(server: &RedisServer, id: &str, record: &str) {
        server.run(&["SET", &format!("madang:lease:{id}"), record]);
        server.run(&["SADD", "madang:leases", id]);
    }

    async fn names(link: &Link) -> Vec<String> {
        let fleet = fleet(link).await.unwrap();
        fleet.iter().map(|node| node.node.to_string()).collect()
    }

    #[tokio::test]
    async fn only_leases_that_stand_and_can_be_read_are_listed() {
        let server = RedisServer::start();
        let link = server.link();
        assert_eq!(fleet(&link).await, Ok(Vec::new()), "no lease at all");
        server.run(&["SADD", "madang:leases", "ended"]);
        assert_eq!(fleet(&link).await, Ok(Vec::new()));
        write(&server, "l1", r#"{"id":"l1","node":"n2","version":"1"}"#);
        write(&server, "l2", "gibberish");
        write(&server, "l3", r#"{"id":"l3"}"#);
        write(
            &server,
            "l4",
            r#"{"id":"l4","node":"n1","new":{"er":true}}"#,
        );
        server.run(&["SET", "madang:lease:unlisted", r#"{"node":"n3"}"#]);
        assert_eq!(names(&link).await, ["n1", "n2"]);
    }

    #[tokio::test]
    async fn a_process_with_two_leases_is_one_node() {
        let server = RedisServer::start();
        let link = server.link();
        for (id, rest) in [
            ("l1", r#""start":1,"sessions":0"#),
            ("l2", r#""start":1,"sessions":9"#),
            ("l3", r#""start":2,"sessions":9"#),
            ("l4", r#""start":2,"sessions":5,"leaving":true"#),
        ] {
            write(&server, id, &format!(r#"{{"node":"n1",{rest}}}"#));
        }
        let told: Vec<_> = fleet(&link)
            .await
            .unwrap()
            .iter()
            .map(|node| (node.start, node.sessions, node.leaving))
            .collect();
        assert_eq!(told, [(1, 9, false), (2, 5, true)]);
    }

    #[tokio::test]
    async fn a_fault_is_no_empty_fleet() {
        let mut server = RedisServer::start();
        let mut options = server.options();
        options.send_timeout = Duration::from_millis(300);
        let link = Link::new(&options, std::sync::Arc::default()).unwrap();
        write(&server, "l1", r#"{"node":"n1"}"#);
        assert_eq!(names(&link).await, ["n1"]);
        server.signal("STOP");
        let asked = Instant::now();
        fleet(&link).await.unwrap_err();
        assert!(asked.elapsed() < Duration::from_secs(2));
        server.signal("CONT");
        server.run(&["DEL", "madang:lease:l1"]);
        server.run(&["LPUSH", "madang:lease:l1", "no text"]);
        fleet(&link).await.unwrap_err();
        server.crash();
        fleet(&link).await.unwrap_err();
    }
}
