//! One master, two replicas and three sentinels.
//!
//! Replication and sentinels use Redis users of their own, so that [`Sentinels::cut_off`] can shut out both while the
//! nodes go on speaking with the server: the half of a split brain that has lost its majority.

use tempfile::TempDir;

use super::server::Plan;
use super::{Authority, Server, until};

/// The name under which the sentinels know the master.
pub(crate) const MASTER_NAME: &str = "mymaster";

const REPLICA: (&str, &str) = ("replica", "of-the-replicas");
const SENTINEL: (&str, &str) = ("sentinel", "of-the-sentinels");
/// The default user's, where one is needed.
const OWN: &str = "of-the-test";

/// A user and its password.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// How the servers are started.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentinelOptions {
    /// Whether nodes, replicas and sentinels speak TLS.
    pub(crate) tls: bool,
    /// The nodes' user at Redis and its ACL rule, such as `~madang:* &madang:* +@all`; without it nodes need none.
    pub(crate) user: Option<(Credentials, String)>,
    /// The nodes' user at the sentinels, whose own peers then need a password too.
    pub(crate) sentinel_user: Option<Credentials>,
    /// More lines for the configuration of each redis-server, such as `appendonly yes`.
    pub(crate) lines: Vec<String>,
}

/// See the [module](self). Servers are named by their index.
#[derive(Debug)]
pub(crate) struct Sentinels {
    /// First the one that begins as master.
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
    pub(crate) authority: Option<Authority>,
    // Goes last.
    _directory: TempDir,
}

impl Sentinels {
    /// Starts everything and waits until it is whole.
    pub(crate) async fn start(options: &SentinelOptions) -> Self {
        let directory = TempDir::with_prefix("madang-sentinels-").expect("a directory can be made");
        let authority = options.tls.then(|| Authority::make(directory.path()));
        let mut servers: Vec<Server> = Vec::new();
        for _ in 0..3 {
            let mut lines = users(options);
            lines.extend([
                format!("masteruser {}", REPLICA.0),
                format!("masterauth {}", REPLICA.1),
            ]);
            lines.extend(options.lines.iter().cloned());
            if let Some(master) = servers.first() {
                lines.push(format!("replicaof 127.0.0.1 {}", master.node_port));
            }
            let plan = Plan {
                authority: authority.as_ref(),
                password: options.user.as_ref().map(|_| OWN),
                lines,
                ..Plan::default()
            };
            servers.push(Server::start(directory.path(), &plan).await);
        }
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let plan = Plan {
                authority: authority.as_ref(),
                password: options.sentinel_user.as_ref().map(|_| OWN),
                lines: watching(options, servers[0].node_port),
                is_sentinel: true,
                ..Plan::default()
            };
            let sentinel = Server::start(directory.path(), &plan).await;
            sentinel.tell(&[
                "SENTINEL",
                "DEBUG",
                "INFO-PERIOD",
                "500",
                "PING-PERIOD",
                "200",
                "ASK-PERIOD",
                "200",
                "PUBLISH-PERIOD",
                "200",
                "SLAVE-RECONF-TIMEOUT",
                "2000",
            ]);
            sentinels.push(sentinel);
        }
        let topology = Self {
            servers,
            sentinels,
            authority,
            _directory: directory,
        };
        topology.wait_whole().await;
        topology
    }

    /// Returns the addresses of the sentinels as nodes use them, `host:port`.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let addresses = self.sentinels.iter();
        addresses
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.node_port))
            .collect()
    }

    /// Returns the server that most sentinels call the master.
    pub(crate) fn master(&self) -> Option<usize> {
        let mut votes = vec![0; self.servers.len()];
        for sentinel in &self.sentinels {
            let told: Option<(String, u16)> = sentinel
                .try_run(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME])
                .unwrap_or_default();
            let Some((_, port)) = told else { continue };
            let mut servers = self.servers.iter();
            if let Some(index) = servers.position(|server| server.node_port == port) {
                votes[index] += 1;
            }
        }
        votes
            .iter()
            .position(|votes| 2 * votes > self.sentinels.len())
    }

    /// Waits until all servers follow one master and all sentinels know all of it.
    pub(crate) async fn wait_whole(&self) {
        until("the sentinels know one master with two replicas", || {
            let Some(master) = self.master() else {
                return false;
            };
            let is_replicating = self.servers[master].is_master()
                && self.servers[master].info("connected_slaves") == "2"
                && self.servers.iter().enumerate().all(|(index, server)| {
                    index == master || server.info("master_link_status") == "up"
                });
            let all = "status=ok,address=127.0.0.1:";
            is_replicating
                && self.sentinels.iter().all(|sentinel| {
                    let known = sentinel.info("master0");
                    known.contains(all) && known.contains("slaves=2,sentinels=3")
                })
        })
        .await;
    }

    /// Waits until both replicas have all that the master has now.
    pub(crate) async fn wait_in_step(&self) {
        let Some(master) = self.master() else { return };
        let offset =
            |server: usize, field: &str| self.servers[server].info(field).parse::<u64>().ok();
        let end = offset(master, "master_repl_offset");
        until("both replicas are in step", || {
            let has_all =
                |server: usize| server == master || offset(server, "slave_repl_offset") >= end;
            end.is_some() && (0..self.servers.len()).all(has_all)
        })
        .await;
    }

    /// Waits until the sentinels call another server than `old` the master and it says so itself; returns it.
    pub(crate) async fn wait_failover(&self, old: usize) -> usize {
        let mut new = old;
        until("the sentinels have a new master", || {
            new = self.master().unwrap_or(old);
            new != old && self.servers[new].is_master()
        })
        .await;
        new
    }

    /// Has the sentinels fail over from a master that lives.
    pub(crate) fn fail_over(&self) {
        self.sentinels[0].tell(&["SENTINEL", "FAILOVER", MASTER_NAME]);
    }

    /// Cuts a replica off from its master: it keeps what it has and gets nothing more.
    pub(crate) async fn hold_back(&self, replica: usize) {
        let server = &self.servers[replica];
        server.tell(&["CONFIG", "SET", "masterauth", "wrong"]);
        server.tell(&["CLIENT", "KILL", "TYPE", "master"]);
        until("the replica has lost its master", || {
            server.info("master_link_status") == "down"
        })
        .await;
    }

    /// Lets a replica that was held back follow its master again.
    pub(crate) fn release(&self, replica: usize) {
        self.servers[replica].tell(&["CONFIG", "SET", "masterauth", REPLICA.1]);
    }

    /// Makes a replica the only one that may be promoted.
    pub(crate) async fn prefer(&self, replica: usize) {
        for (index, server) in self.servers.iter().enumerate() {
            let priority = if index == replica { "100" } else { "0" };
            server.tell(&["CONFIG", "SET", "replica-priority", priority]);
        }
        let preferred = self.servers[replica].node_port.to_string();
        until("the sentinels know whom to prefer", || {
            self.sentinels.iter().all(|sentinel| {
                let replicas: Vec<Vec<(String, String)>> = sentinel
                    .try_run(&["SENTINEL", "REPLICAS", MASTER_NAME])
                    .unwrap_or_default();
                !replicas.is_empty()
                    && replicas.iter().all(|fields| {
                        let has = |name: &str, value: &str| {
                            fields
                                .iter()
                                .any(|(known, is)| known == name && is == value)
                        };
                        has("port", &preferred) != has("slave-priority", "0")
                    })
            })
        })
        .await;
    }

    /// Cuts a server off from its replicas and from all sentinels; nodes still reach it.
    pub(crate) fn cut_off(&self, server: usize) {
        for user in [REPLICA.0, SENTINEL.0] {
            self.servers[server].tell(&["ACL", "SETUSER", user, "off"]);
            self.servers[server].tell(&["CLIENT", "KILL", "USER", user]);
        }
    }

    /// Ends a cut.
    pub(crate) fn rejoin(&self, server: usize) {
        for user in [REPLICA.0, SENTINEL.0] {
            self.servers[server].tell(&["ACL", "SETUSER", user, "on"]);
        }
    }
}

/// Lines that make the users of a redis-server.
fn users(options: &SentinelOptions) -> Vec<String> {
    let mut lines = Vec::new();
    for (user, password) in [REPLICA, SENTINEL] {
        lines.push(format!("user {user} on >{password} ~* &* +@all"));
    }
    if let Some((Credentials { user, password }, rule)) = &options.user {
        lines.push(format!("user {user} on >{password} {rule}"));
    }
    lines
}

/// Lines that make a sentinel watch the master.
fn watching(options: &SentinelOptions, master: u16) -> Vec<String> {
    let mut lines = vec![
        format!("sentinel monitor {MASTER_NAME} 127.0.0.1 {master} 2"),
        format!("sentinel auth-user {MASTER_NAME} {}", SENTINEL.0),
        format!("sentinel auth-pass {MASTER_NAME} {}", SENTINEL.1),
        format!("sentinel down-after-milliseconds {MASTER_NAME} 1000"),
        format!("sentinel failover-timeout {MASTER_NAME} 3000"),
        format!("sentinel parallel-syncs {MASTER_NAME} 2"),
    ];
    if let Some(Credentials { user, password }) = &options.sentinel_user {
        lines.push(format!("sentinel sentinel-pass {OWN}"));
        lines.push(format!(
            "user {user} on >{password} -@all +sentinel|get-master-addr-by-name"
        ));
    }
    lines
}
