//! Whether a node without Redis is alone.
//!
//! Nodes that keep everything in their memory share nothing: behind one Service they would be two chats that nobody can
//! tell apart. So such a node looks whether there is another one, under names that lead to the internal listeners of all
//! nodes, ready or not: a headless Service. It asks each address who is there, and waits, unready, for whoever comes
//! before it: a node that serves, one that looks too and began before, one that gives no answer. Who serves goes on
//! serving, and says what it has seen.
//!
//! A node waits until the names lead to itself: what was published before it is then to be seen too. And it looks twice,
//! since the answers of a look are of different moments.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use super::{Readiness, ask};
use crate::protocol::NodeId;
use crate::telemetry::Metrics;

/// Where a node says who it is, on its internal listener.
pub const PATH: &str = "/node";

/// Time between two looks of a node that waits.
const LOOKING: Duration = Duration::from_secs(1);
/// Time between two looks of a node that serves.
const SERVING: Duration = Duration::from_secs(5);
/// Time for a look at one name or address.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Addresses that are asked, at most: one more than none is enough to know.
const MAX_ADDRESSES: usize = 32;
/// Looks with the same result before a node serves.
const LOOKS: u32 = 2;

/// How a node stands with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Redis joins it with any number of others.
    Joined,
    /// It has no Redis, and serves.
    Alone,
    /// It has no Redis, and waits until it knows that there is no other node.
    Looking,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, unlike that of every other node.
    pub node: NodeId,
    /// When the process began, in Unix milliseconds.
    pub start: u64,
    /// How it stands with others.
    pub standing: Standing,
}

/// Who looks, and where.
#[derive(Debug)]
pub struct Look {
    /// The node itself.
    pub node: NodeId,
    /// When its process began, in Unix milliseconds.
    pub start: u64,
    /// Setting `fleet.peers`.
    pub names: Vec<String>,
    /// Port of the internal listeners.
    pub port: u16,
    /// What is decided here.
    pub readiness: Arc<Readiness>,
    /// Where conflicts are counted.
    pub metrics: Arc<Metrics>,
}

/// Who is at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Peer(Peer),
    /// Somebody who does not say who it is, and why.
    Silent(String),
}

/// What one look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody stands in the way; how many others there are.
    Alone(usize),
    /// Who stands in the way, and how many others there are.
    Behind(String, usize),
    /// It cannot be told, and why.
    Unknown(String),
}

impl Look {
    /// Looks for as long as the node lives. The readiness must say that it is not known yet: see [`Look::begin`].
    pub async fn watch(self) {
        let (mut told, mut calm) = (None, 0);
        loop {
            let verdict = self.look().await;
            calm = match verdict {
                Verdict::Alone(_) => calm + 1,
                _ => 0,
            };
            self.apply(&verdict, calm);
            if told.as_ref() != Some(&verdict) {
                self.tell(&verdict);
                told = Some(verdict);
            }
            let is_alone = self.readiness.is_alone();
            sleep(if is_alone { SERVING } else { LOOKING }).await;
        }
    }

    /// Makes the node unready until it has looked.
    pub fn begin(&self) {
        self.readiness.set_peers("it has not looked for others yet");
    }

    async fn look(&self) -> Verdict {
        let mut addresses = BTreeSet::new();
        for name in &self.names {
            match resolve(name, self.port).await {
                Ok(found) => addresses.extend(found),
                Err(error) => {
                    return Verdict::Unknown(format!(
                        "{name} of fleet.peers (MADANG_FLEET__PEERS) leads nowhere: {error}"
                    ));
                }
            }
        }
        let asked = addresses.into_iter().take(MAX_ADDRESSES);
        let found = join_all(asked.map(|address| who(address, self.port))).await;
        let found: Vec<_> = found.into_iter().flatten().collect();
        judge(&self.as_peer(), &found, &self.names.join(", "))
    }

    fn as_peer(&self) -> Peer {
        let standing = if self.readiness.is_alone() {
            Standing::Alone
        } else {
            Standing::Looking
        };
        Peer {
            node: self.node.clone(),
            start: self.start,
            standing,
        }
    }

    fn apply(&self, verdict: &Verdict, calm: u32) {
        let others = match verdict {
            Verdict::Alone(others) | Verdict::Behind(_, others) => *others,
            Verdict::Unknown(_) => 0,
        };
        self.metrics
            .fleet_conflicts
            .with_label_values(&["peers"])
            .set(i64::try_from(others).unwrap_or(i64::MAX));
        match verdict {
            Verdict::Alone(_) if calm >= LOOKS => self.readiness.set_alone(),
            Verdict::Behind(why, _) => self.readiness.set_peers(why),
            // Who serves does not stop because names cannot be resolved.
            Verdict::Unknown(why) if !self.readiness.is_alone() => self.readiness.set_peers(why),
            Verdict::Alone(_) | Verdict::Unknown(_) => {}
        }
    }

    fn tell(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Alone(0) => tracing::info!("no other node is to be seen"),
            Verdict::Alone(others) => tracing::warn!(
                reason = "peers",
                others,
                "there are other nodes, which stay unready: without Redis there can be one only; {REMEDY}"
            ),
            Verdict::Behind(why, _) => tracing::warn!(reason = "peers", "not ready: {why}"),
            Verdict::Unknown(why) if self.readiness.is_alone() => {
                tracing::debug!(reason = "peers", "{why}");
            }
            Verdict::Unknown(why) => tracing::warn!(reason = "peers", "not ready: {why}"),
        }
    }
}

/// What is to be done about a node too many.
const REMEDY: &str =
    "scale to one, or set redis.url (in the chart redis.enabled=true or externalRedis.url)";

/// Decides what a look means for the node that looked.
fn judge(me: &Peer, found: &[(IpAddr, Found)], names: &str) -> Verdict {
    let (mut ahead, mut others, mut is_seen) = (String::new(), 0, false);
    // A node may have an address of each IP family.
    let mut met = BTreeSet::new();
    let serves = me.standing != Standing::Looking;
    for (address, found) in found {
        let is_ahead = match found {
            Found::Peer(peer) if peer.node == me.node => {
                is_seen = true;
                continue;
            }
            Found::Peer(peer) if !met.insert(&peer.node) => continue,
            Found::Peer(peer) => {
                let began_before = (peer.start, &peer.node) < (me.start, &me.node);
                match peer.standing {
                    Standing::Looking => !serves && began_before,
                    Standing::Alone => !serves || began_before,
                    Standing::Joined => !serves,
                }
            }
            Found::Silent(_) => !serves,
        };
        others += 1;
        if is_ahead {
            let separator = if ahead.is_empty() { "" } else { ", " };
            let _ = match found {
                Found::Peer(peer) => {
                    let does = match peer.standing {
                        Standing::Looking => "began before",
                        Standing::Alone | Standing::Joined => "serves",
                    };
                    write!(
                        ahead,
                        "{separator}{} at {address} {does}",
                        peer.node.as_str()
                    )
                }
                Found::Silent(why) => {
                    write!(ahead, "{separator}{address} does not say who it is ({why})")
                }
            };
        }
    }
    if !ahead.is_empty() {
        Verdict::Behind(format!("{ahead}; {REMEDY}"), others)
    } else if serves || is_seen {
        Verdict::Alone(others)
    } else {
        Verdict::Unknown(format!(
            "{names} of fleet.peers (MADANG_FLEET__PEERS) does not lead to this node yet; it must be a headless Service \
             that publishes pods that are not ready"
        ))
    }
}

async fn resolve(name: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    let found = timeout(TIMEOUT, lookup_host((name, port))).await;
    let found = found.map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Asks an address who is there; `None` if nobody is.
async fn who(address: IpAddr, port: u16) -> Option<(IpAddr, Found)> {
    let socket = SocketAddr::new(address, port);
    let found = match timeout(TIMEOUT, TcpStream::connect(socket)).await {
        // The machine answers, and no process listens.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return None,
        Ok(Err(error)) => Found::Silent(error.to_string()),
        Ok(Ok(stream)) => match timeout(TIMEOUT, ask::get_over(stream, socket, PATH)).await {
            Ok(Ok(answer)) if answer.status == 200 => serde_json::from_str(&answer.body)
                .map_or_else(|error| Found::Silent(error.to_string()), Found::Peer),
            Ok(Ok(answer)) => Found::Silent(format!("{PATH} answers {}", answer.status)),
            Ok(Err(why)) => Found::Silent(why),
            Err(_) => Found::Silent(format!("no answer within {} s", TIMEOUT.as_secs())),
        },
        Err(_) => Found::Silent(format!("no answer within {} s", TIMEOUT.as_secs())),
    };
    Some((address, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, start: u64, standing: Standing) -> Peer {
        Peer {
            node: NodeId::parse(name).unwrap(),
            start,
            standing,
        }
    }

    /// What `me` makes of itself and these others.
    fn seen(me: &Peer, others: &[Found]) -> Verdict {
        let mut found = vec![Found::Peer(me.clone())];
        found.extend_from_slice(others);
        let addresses = (1..).map(|number| IpAddr::from([10, 0, 0, number]));
        judge(me, &addresses.zip(found).collect::<Vec<_>>(), "peers")
    }

    fn is_behind(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Behind(..))
    }

    #[test]
    fn who_waits_lets_everybody_go_first_who_may_be_there_already() {
        let me = peer("me", 5, Standing::Looking);
        assert_eq!(seen(&me, &[]), Verdict::Alone(0));
        for other in [
            Found::Peer(peer("other", 9, Standing::Alone)),
            Found::Peer(peer("other", 9, Standing::Joined)),
            Found::Peer(peer("other", 4, Standing::Looking)),
            Found::Silent("no answer".to_owned()),
        ] {
            let Verdict::Behind(why, 1) = seen(&me, std::slice::from_ref(&other)) else {
                panic!("{other:?} does not stand in the way");
            };
            assert!(
                why.contains("10.0.0.2") && why.contains("redis.url"),
                "{why}"
            );
        }
        let later = Found::Peer(peer("other", 6, Standing::Looking));
        assert_eq!(seen(&me, std::slice::from_ref(&later)), Verdict::Alone(1));
        assert_eq!(seen(&me, &[later.clone(), later]), Verdict::Alone(1));
    }

    #[test]
    fn who_serves_goes_on_whatever_comes() {
        let me = peer("me", 5, Standing::Alone);
        for other in [
            Found::Peer(peer("other", 4, Standing::Looking)),
            Found::Peer(peer("other", 6, Standing::Alone)),
            Found::Peer(peer("other", 4, Standing::Joined)),
            Found::Silent("no answer".to_owned()),
        ] {
            assert_eq!(seen(&me, &[other]), Verdict::Alone(1));
        }
        // Two that serve cannot both be right.
        assert!(is_behind(&seen(
            &me,
            &[Found::Peer(peer("other", 4, Standing::Alone))]
        )));
    }

    #[test]
    fn of_nodes_that_begin_together_one_serves() {
        let nodes = ["a", "b", "c"].map(|name| peer(name, 5, Standing::Looking));
        let ready = nodes.iter().filter(|me| {
            let others: Vec<_> = nodes.iter().filter(|other| other != me).collect();
            let others: Vec<_> = others.into_iter().cloned().map(Found::Peer).collect();
            !is_behind(&seen(me, &others))
        });
        assert_eq!(ready.count(), 1);
    }

    #[test]
    fn who_does_not_see_itself_does_not_know() {
        let me = peer("me", 5, Standing::Looking);
        assert!(matches!(judge(&me, &[], "peers"), Verdict::Unknown(_)));
        let me = peer("me", 5, Standing::Alone);
        assert_eq!(judge(&me, &[], "peers"), Verdict::Alone(0));
    }

    #[test]
    fn what_a_node_says_can_be_read_by_later_ones() {
        let json = r#"{"node":"n1","start":7,"standing":"alone","zone":"a"}"#;
        let read: Peer = serde_json::from_str(json).unwrap();
        assert_eq!(read, peer("n1", 7, Standing::Alone));
    }

    #[tokio::test]
    async fn a_port_without_listener_is_nobody_and_another_program_is_somebody() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = IpAddr::from([127, 0, 0, 1]);
        let (found, _) = tokio::join!(who(address, port), async {
            drop(listener.accept().await.unwrap());
        });
        assert!(matches!(found, Some((_, Found::Silent(_)))), "{found:?}");
        drop(listener);
        assert_eq!(who(address, port).await, None);
    }
}
