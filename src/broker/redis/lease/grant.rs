//! Which nodes were seen lately, and who of them may be unready: one hash, so that one script judges all of it.
//!
//! | name | what |
//! | --- | --- |
//! | `<prefix>:nodes` | hash: `seen:<node>` when it renewed its lease last, `grant:<node>` until when it has a grant |

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::Value;

use super::super::super::Unavailable;
use super::super::super::grant::{GRANT_LIFE, Grant, SEEN_FOR, most};
use super::super::fault::LinkError;
use super::super::keys::Keys;
use super::super::link::Link;
use super::super::script::{self, Script};
use crate::protocol::millis;

/// How long a look at Redis may take: who asks on behalf of another node is waited for.
const LIMIT: Duration = Duration::from_secs(1);

static SEEN: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("../scripts/seen.lua")]));
static GRANT: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("../scripts/grant.lua")]));

/// Returns the key of what is known of nodes beyond their leases.
pub(super) fn nodes(keys: &Keys) -> String {
    format!("{}:nodes", keys.prefix())
}

/// Notes that a node lives.
pub(super) async fn note_seen(link: &Link, node: &str, until: Instant) {
    let call = SEEN
        .call([nodes(link.keys())])
        .arg(node)
        .arg(millis(SEEN_FOR));
    let noted = script::run(link, &[call], until).await;
    // A node that is not seen for once counts all the same: it was seen a moment ago.
    if let Err(error) = noted.and_then(|mut results| first(link, &mut results)) {
        tracing::debug!(%error, "it was not noted that the node lives");
    }
}

/// Asks for a grant, or renews it. See [`Broker::grant`](crate::broker::Broker::grant).
pub(in super::super) async fn grant(link: &Link, node: &str) -> Result<Grant, Unavailable> {
    let call = GRANT
        .call([nodes(link.keys())])
        .arg(node)
        .arg(millis(GRANT_LIFE))
        .arg(millis(SEEN_FOR));
    let until = Instant::now() + LIMIT;
    let answer = script::run(link, &[call], until).await;
    let answer = answer.and_then(|mut results| first(link, &mut results));
    let answer = answer.map_err(|fault| Unavailable(fault.to_string()))?;
    match redis::from_redis_value::<(u64, u64, u64)>(answer) {
        Ok((0, given, seen)) => Ok(Grant::Refused {
            given,
            most: most(seen),
        }),
        Ok(_) => Ok(Grant::Given),
        Err(error) => Err(Unavailable(format!("Redis answers a grant with {error}"))),
    }
}

/// Ends a grant before its time. See [`Broker::give_back`](crate::broker::Broker::give_back).
pub(in super::super) async fn give_back(link: &Link, node: &str) -> Result<(), Unavailable> {
    let mut pipeline = redis::pipe();
    let field = format!("grant:{node}");
    pipeline.cmd("HDEL").arg(nodes(link.keys())).arg(field);
    let answer = link.ask(&mut pipeline, Instant::now() + LIMIT).await;
    let answer = answer.and_then(|mut results| first(link, &mut results));
    answer
        .map(drop)
        .map_err(|fault| Unavailable(fault.to_string()))
}

/// Makes a round trip that begins now. See [`Broker::sees`](crate::broker::Broker::sees).
pub(in super::super) async fn sees(link: &Link) -> Result<(), Unavailable> {
    let seen = link.reach_all(Instant::now() + LIMIT).await;
    seen.map_err(|fault| Unavailable(fault.to_string()))
}

fn first(link: &Link, results: &mut Vec<redis::RedisResult<Value>>) -> Result<Value, LinkError> {
    let result = results.pop().unwrap_or(Ok(Value::Nil));
    result.map_err(|error| link.fault(&error))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::RedisServer;
    use super::*;

    /// Writes a field of the hash of nodes, so many milliseconds from now.
    fn write(server: &RedisServer, link: &Link, field: &str, from_now: i64) {
        let at = i64::try_from(link.clock().now_ms()).unwrap() + from_now;
        server.run(&["HSET", "madang:nodes", field, &at.to_string()]);
    }

    async fn seen_link(server: &RedisServer) -> std::sync::Arc<Link> {
        let link = server.link();
        sees(&link).await.unwrap();
        link
    }

    #[tokio::test]
    async fn a_grant_ends_by_the_clock_of_redis() {
        let server = RedisServer::start();
        let link = seen_link(&server).await;
        write(&server, &link, "grant:a", 1000);
        let refused = Grant::Refused { given: 1, most: 1 };
        assert_eq!(grant(&link, "b").await, Ok(refused));
        write(&server, &link, "grant:a", -1000);
        assert_eq!(grant(&link, "b").await, Ok(Grant::Given));
        assert_eq!(grant(&link, "b").await, Ok(Grant::Given));
        assert_eq!(grant(&link, "a").await, Ok(refused));
        give_back(&link, "b").await.unwrap();
        assert_eq!(grant(&link, "a").await, Ok(Grant::Given));
    }

    #[tokio::test]
    async fn nodes_count_for_ten_minutes_and_are_forgotten_then() {
        let server = RedisServer::start();
        let link = seen_link(&server).await;
        let keep = i64::try_from(SEEN_FOR.as_millis()).unwrap();
        for number in 0..7 {
            write(&server, &link, &format!("seen:n{number}"), 1000 - keep);
        }
        write(&server, &link, "grant:n0", 5000);
        assert_eq!(
            grant(&link, "me").await,
            Ok(Grant::Given),
            "a quarter of eight"
        );
        let refused = Grant::Refused { given: 2, most: 2 };
        assert_eq!(
            grant(&link, "n1").await,
            Ok(Grant::Refused { given: 2, most: 1 })
        );
        write(&server, &link, "seen:me", 0);
        assert_eq!(grant(&link, "n1").await, Ok(refused));
        for number in 0..100 {
            write(&server, &link, &format!("seen:old{number}"), -1000 - keep);
        }
        note_seen(&link, "me", Instant::now() + LIMIT).await;
        let left = server.run(&["HLEN", "madang:nodes"]);
        // The seven, the one that asks, and the two grants.
        assert_eq!(left, Value::Int(10));
    }
}
