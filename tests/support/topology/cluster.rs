//! Three masters with a replica each, in cluster mode.

use std::collections::HashSet;

use tempfile::TempDir;

use super::sentinels::Credentials;
use super::server::Plan;
use super::slots::SLOTS;
use super::{Authority, Server, until};

/// Password of the default user, where one is needed.
const OWN: &str = "of-the-test";

const MASTERS: usize = 3;

/// How the servers are started.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterOptions {
    /// Whether nodes and the cluster bus speak TLS.
    pub(crate) tls: bool,
    /// The nodes' user and its ACL rule; without it nodes need none.
    pub(crate) user: Option<(Credentials, String)>,
    /// More lines for the configuration of each server.
    pub(crate) lines: Vec<String>,
}

/// See the [module](self). Servers are named by their index: the first three begin as masters, server `i + 3` as the
/// replica of server `i`.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
    pub(crate) authority: Option<Authority>,
    ids: Vec<String>,
    // Goes last.
    _directory: TempDir,
}

impl Cluster {
    /// Starts everything and waits until it is whole.
    pub(crate) async fn start(options: &ClusterOptions) -> Self {
        let directory = TempDir::with_prefix("madang-cluster-").expect("a directory can be made");
        let authority = options.tls.then(|| Authority::make(directory.path()));
        let mut lines = vec![
            "cluster-enabled yes".to_owned(),
            "cluster-node-timeout 1000".to_owned(),
            "cluster-replica-validity-factor 0".to_owned(),
        ];
        if let Some((Credentials { user, password }, rule)) = &options.user {
            lines.push(format!("user {user} on >{password} {rule}"));
            lines.push(format!("masterauth {OWN}"));
        }
        lines.extend(options.lines.iter().cloned());
        let plan = Plan {
            authority: authority.as_ref(),
            password: options.user.as_ref().map(|_| OWN),
            lines,
            is_cluster: true,
            ..Plan::default()
        };
        let (mut servers, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..2 * MASTERS {
            let server = Server::start(directory.path(), &plan).await;
            ids.push(server.run::<String>(&["CLUSTER", "MYID"]));
            servers.push(server);
        }
        let cluster = Self {
            servers,
            authority,
            ids,
            _directory: directory,
        };
        cluster.join().await;
        cluster
    }

    /// Makes one cluster of the servers.
    async fn join(&self) {
        let masters = u16::try_from(MASTERS).expect("they are few");
        for (index, server) in self.servers.iter().enumerate() {
            server.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            if let Some(part) = u16::try_from(index).ok().filter(|part| *part < masters) {
                let (from, to) = (SLOTS / masters * part, SLOTS / masters * (part + 1) - 1);
                let to = if part + 1 == masters { SLOTS - 1 } else { to };
                server.tell(&[
                    "CLUSTER",
                    "ADDSLOTSRANGE",
                    &from.to_string(),
                    &to.to_string(),
                ]);
            }
            if index > 0 {
                let (port, bus) = (server.node_port.to_string(), server.bus_port.to_string());
                self.servers[0].tell(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        until("every server knows every other", || {
            self.servers.iter().all(|server| {
                let info: String = server.try_run(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains("cluster_known_nodes:6\r")
            })
        })
        .await;
        for index in 0..MASTERS {
            let (replica, master) = (&self.servers[index + MASTERS], &self.ids[index]);
            // Gossip may not have told it yet that this one is a master.
            until("the replica follows", || {
                replica
                    .try_run::<redis::Value>(&["CLUSTER", "REPLICATE", master])
                    .is_ok()
            })
            .await;
        }
        self.wait_whole().await;
    }

    /// Returns the addresses of all servers as nodes use them, `host:port`.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let servers = self.servers.iter();
        servers
            .map(|server| format!("127.0.0.1:{}", server.node_port))
            .collect()
    }

    /// Returns the masters that have slots.
    pub(crate) fn masters(&self) -> HashSet<usize> {
        let slots = [0, SLOTS / 2, SLOTS - 1];
        slots.iter().filter_map(|slot| self.owner(*slot)).collect()
    }

    /// Returns the server that has a slot, as the first server that answers and is whole knows it.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        self.servers
            .iter()
            .find_map(|server| {
                let ranges: Vec<Vec<redis::Value>> = server.try_run(&["CLUSTER", "SLOTS"]).ok()?;
                ranges.into_iter().find_map(|range| owner(range, slot))
            })
            .and_then(|id| self.ids.iter().position(|known| *known == id))
    }

    /// Returns the replica of a master, if it is in step.
    pub(crate) fn replica_of(&self, master: usize) -> Option<usize> {
        let port = self.servers[master].node_port.to_string();
        (0..self.servers.len()).find(|index| {
            let server = &self.servers[*index];
            server.info("master_port") == port && server.info("master_link_status") == "up"
        })
    }

    /// Waits until all slots are served and every master has a replica in step, seen from every server.
    pub(crate) async fn wait_whole(&self) {
        until("the cluster is whole", || {
            self.servers.iter().all(|server| {
                let info: String = server.try_run(&["CLUSTER", "INFO"]).unwrap_or_default();
                let is_replicating =
                    server.is_master() || server.info("master_link_status") == "up";
                info.contains("cluster_state:ok") && is_replicating
            }) && {
                let masters = self.masters();
                masters.len() == MASTERS
                    && masters
                        .iter()
                        .all(|master| self.replica_of(*master).is_some())
            }
        })
        .await;
    }

    /// Waits until another server than `old` has a slot and says that it is a master; returns it.
    pub(crate) async fn wait_failover(&self, slot: u16, old: usize) -> usize {
        let mut new = old;
        until("the slot has a new master", || {
            new = self.owner(slot).unwrap_or(old);
            new != old && self.servers[new].is_master()
        })
        .await;
        new
    }

    /// Begins to move a slot without moving any key.
    pub(crate) fn begin_move(&self, slot: u16, to: usize) {
        let from = self.owner(slot).expect("every slot has an owner");
        let slot = slot.to_string();
        self.servers[to].tell(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.ids[from]]);
        self.servers[from].tell(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.ids[to]]);
    }

    /// Moves all keys of a slot whose move was begun: now it is half migrated.
    pub(crate) fn move_keys(&self, slot: u16, to: usize) {
        let from = self.owner(slot).expect("every slot has an owner");
        let text = slot.to_string();
        loop {
            let keys: Vec<String> =
                self.servers[from].run(&["CLUSTER", "GETKEYSINSLOT", &text, "100"]);
            if keys.is_empty() {
                return;
            }
            let port = self.servers[to].node_port.to_string();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000"];
            let password = self.servers[to].password.clone();
            if let Some(password) = &password {
                words.extend(["AUTH", password]);
            }
            words.push("KEYS");
            words.extend(keys.iter().map(String::as_str));
            self.servers[from].tell(&words);
        }
    }

    /// Ends a move: the slot is the other server's.
    pub(crate) fn finish_move(&self, slot: u16, to: usize) {
        let masters = self.masters();
        let slot = slot.to_string();
        // First the new owner, so that no moment is without one.
        let others = masters.into_iter().filter(|master| *master != to);
        for server in std::iter::once(to).chain(others) {
            self.servers[server].tell(&["CLUSTER", "SETSLOT", &slot, "NODE", &self.ids[to]]);
        }
    }

    /// Moves a slot with its keys.
    pub(crate) fn move_slot(&self, slot: u16, to: usize) {
        self.begin_move(slot, to);
        self.move_keys(slot, to);
        self.finish_move(slot, to);
    }
}

/// Returns the id of the master of one row of `CLUSTER SLOTS` if the row holds the slot.
fn owner(range: Vec<redis::Value>, slot: u16) -> Option<String> {
    let mut parts = range.into_iter();
    let mut bound = || redis::from_redis_value::<u16>(parts.next()?).ok();
    let (from, to) = (bound()?, bound()?);
    if !(from..=to).contains(&slot) {
        return None;
    }
    let master: Vec<redis::Value> = redis::from_redis_value(parts.next()?).ok()?;
    redis::from_redis_value(master.into_iter().nth(2)?).ok()
}
