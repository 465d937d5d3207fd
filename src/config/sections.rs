//! Every setting: type, default, meaning, bounds.
//!
//! A setting is added here and nowhere else; what holds between two settings is in `rules.rs`.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::amounts::{Bytes, DAY, GIB, HOUR, KIB, MIB, MINUTE, SECOND, Span};
use super::kinds::{Choice, Count, Kind, Optional};
use super::network::{Address, Host, Hosts, Networks, OriginList, Origins};
use super::redis_url::{RedisUrl, Topology, Url};
use super::secret::Secret;
use super::table::{Setting, settings, variable};
use super::words::{Filter, Name, ReadableFile, UserName};

/// In which form log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether something is done.
const YES_OR_NO: [(&str, bool); 2] = [("true", true), ("false", false)];

const LOG_FORMATS: [(&str, LogFormat); 3] = [
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
];

settings! {
    /// Where a node listens and whom it lets in.
    server: Server {
        /// Address for people: the page, `/ws` and the HTTP API; `[::]` serves IPv4 too.
        listen: SocketAddr = "[::]:8080", Address;
        /// Address for the cluster: `/livez`, `/readyz`, `/metrics`; it is never exposed.
        internal_listen: SocketAddr = "[::]:9090", Address;
        /// Proxies in front of the node; only what they say about the address behind them is
        /// believed.
        trusted_proxies: Vec<IpNet> = "", Networks;
        /// Origins whose pages may open sessions, exactly these; empty = pages of the host that
        /// they ask.
        allowed_origins: Origins = "", OriginList;
        /// Name of the node in logs and frames, which get a random tag behind it; empty = the name of
        /// the host.
        node_name: Option<String> = "", Optional(Name("._-"));
        /// Time in which the head of a request must arrive, and then its body.
        header_timeout: Duration = "10s", Span(100, 5 * MINUTE);
    }

    /// How a node reaches Redis.
    redis: Redis {
        /// Redis that joins the nodes: one server, the sentinels that know it, or a Cluster; empty =
        /// one node, everything in its memory.
        url: Option<RedisUrl> = "", Optional(Url);
        /// ACL user; comes before the one in the URL.
        username: Option<String> = "", Optional(UserName);
        /// File with the password, read again at every connect; comes before the one in the URL.
        password_file: Option<PathBuf> = "", Optional(ReadableFile);
        /// File with the CA certificates (PEM) that sign the certificate of Redis; empty = the
        /// public ones.
        ca_file: Option<PathBuf> = "", Optional(ReadableFile);
        /// ACL user at the sentinels, whose credentials are their own.
        sentinel_username: Option<String> = "", Optional(UserName);
        /// File with the password of the sentinels, read again at every connect; empty = they need
        /// none.
        sentinel_password_file: Option<PathBuf> = "", Optional(ReadableFile);
        /// Beginning of every key and channel; deployments on one Redis need different ones,
        /// whatever their database.
        prefix: String = "madang", Name(":._-");
        /// Replicas that must have a message before it counts as accepted; empty = 1 with sentinels and
        /// on a Cluster, 0 on one server.
        acks: Option<u32> = "", Optional(Count(0, 5));
        /// Rooms per second whose end the node compares with Redis, at most, after an interruption.
        /// Without one it takes a fifth of that, and looks at each room every 5 s or as often as this lets it.
        probes_per_second: u32 = "5000", Count(1, 1_000_000);
        /// Connections that the node keeps for publishing and reading, on a Cluster to each master.
        pool_size: usize = "4", Count(1, 64);
    }

    /// What a room keeps: the history window.
    history: History {
        /// Entries that a room keeps, about.
        entries: usize = "1000", Count(10, 100_000);
        /// How long a room is kept after its last message.
        keep: Duration = "24h", Span(MINUTE, 365 * DAY);
    }

    /// Bounds; what happens at each is documented in the protocol.
    limits: Limits {
        /// How long the key of a message is remembered, so that sending it again does not double
        /// it.
        dedupe_window: Duration = "5m", Span(10 * SECOND, DAY);
        /// Time after which a message that was not written is refused.
        send_timeout: Duration = "3s", Span(100, MINUTE);
        /// Frames that wait for one session, at most.
        outbox_frames: usize = "1024", Count(16, 1_000_000);
        /// Bytes that wait for one session, at most.
        outbox_bytes: usize = "1MiB", Bytes(64 * KIB, GIB);
        /// Pause between what goes to Redis and the next, once a room had several messages in it: what
        /// comes meanwhile goes together, which costs Redis less. Without such a room there is none, nor while 128
        /// messages wait. 0 = never.
        publish_interval: Duration = "1ms", Span(0, 100);
        /// A room's messages leave the node at most this often: what comes in between leaves together,
        /// in one write for each session. The first after a pause leaves at once. 0 = each by itself.
        fanout_interval: Duration = "1ms", Span(0, 100);
        /// Size of a frame that a node takes, at most.
        frame_bytes: usize = "64KiB", Bytes(4 * KIB, 16 * MIB);
        /// Code points in the text of a message, at most.
        text: usize = "4000", Count(1, 100_000);
        /// Code points in the name of a user or a room, at most.
        names: usize = "64", Count(1, 64);
        /// Rooms that a session is in, at most.
        rooms: usize = "50", Count(1, 10_000);
        /// Messages per second that a session may send; 0 = no limit.
        sends_per_second: u32 = "10", Count(0, 100_000);
        /// Messages that a session may send at once after a pause.
        send_burst: u32 = "20", Count(1, 100_000);
        /// Frames of any type per second that a session may send; 0 = no limit.
        requests_per_second: u32 = "50", Count(0, 100_000);
        /// Frames of any type that a session may send at once after a pause; more closes it as a
        /// flood.
        requests_burst: u32 = "200", Count(1, 100_000);
        /// Sessions of the node, at most; 0 = no limit.
        sessions: usize = "0", Count(0, 10_000_000);
        /// Sessions of the node from one address, at most; 0 = no limit.
        sessions_per_address: usize = "0", Count(0, 10_000_000);
        /// Sessions that the node opens per second, at most; 0 = no limit.
        upgrades_per_second: u32 = "0", Count(0, 1_000_000);
        /// Sessions per second that come back to a room whose log must be read for them, at most; who shares a read or
        /// finds in memory what it missed does not count; 0 = no limit.
        resumes_per_second: u32 = "0", Count(0, 1_000_000);
        /// Messages that wait in the node to be written, at most; more are refused as `overloaded`.
        publish_queue: usize = "10000", Count(64, 1_000_000);
    }

    /// The HTTP API for bots.
    api: Api {
        /// File with the keys of the HTTP API (TOML), read again when it changes; empty = nobody
        /// has one.
        keys_file: Option<PathBuf> = "", Optional(ReadableFile);
        /// Origins whose pages may use the HTTP API (CORS); empty = none but the node's own.
        allowed_origins: Origins = "", OriginList;
        /// Requests per second of a key that has no rate of its own, each message of a batch being
        /// one; 0 = no limit.
        requests_per_second: u32 = "50", Count(0, 100_000);
        /// Requests of a key at once after a pause, if it has no rate of its own.
        requests_burst: u32 = "200", Count(100, 100_000);
        /// Size of a request's body, at most.
        body_bytes: usize = "1MiB", Bytes(16 * KIB, 16 * MIB);
    }

    /// Times of one session.
    session: Session {
        /// Time in which `hello` must come.
        hello_timeout: Duration = "10s", Span(100, 5 * MINUTE);
        /// Time between two pings of the node.
        ping_interval: Duration = "25s", Span(100, HOUR);
        /// Time in which a ping must be answered.
        pong_timeout: Duration = "20s", Span(100, HOUR);
    }

    /// How nodes know of each other.
    fleet: Fleet {
        /// Time after which a node that does not renew its lease counts as dead.
        lease: Duration = "10s", Span(2 * SECOND, 5 * MINUTE);
        /// Time in which a user may be gone and come back without anybody being told.
        debounce: Duration = "3s", Span(100, MINUTE);
        /// Name of the fleet; nodes that find another fleet under their `redis.prefix` say so. Empty = nothing is
        /// compared.
        name: Option<String> = "", Optional(Name(":._/-"));
        /// Names that lead to the internal listeners of all nodes. A node without Redis looks there, and is not ready
        /// beside another one; empty = it takes itself for the only one.
        peers: Vec<String> = "", Hosts;
        /// Address at which other nodes reach the port of `server.internal_listen`; empty = that of the listener, or the
        /// one from which this machine sends to others.
        address: Option<IpAddr> = "", Optional(Host);
        /// What the nodes of one rollout have in common, and those of another do not: the hash of the pod template.
        generation: Option<String> = "", Optional(Name("._-"));
        /// Whether a node that has well more sessions than others lets some go to them.
        rebalance: bool = "true", Choice(&YES_OR_NO);
        /// Percent of its sessions that it lets go per second for that, at most.
        rebalance_percent: u32 = "2", Count(1, 100);
    }

    /// How a node leaves.
    drain: Drain {
        /// Time for which new sessions are still served after the signal to stop.
        delay: Duration = "5s", Span(0, 10 * MINUTE);
        /// Time over which the sessions are let go, at an even pace of at least twenty per second; 0 = at one moment.
        window: Duration = "20s", Span(0, HOUR);
    }

    /// How users are known again.
    identity: Identity {
        /// How long an identity token is good.
        token_life: Duration = "90d", Span(HOUR, 3650 * DAY);
        /// File with the key that signs identity tokens; empty = made once and kept in the broker.
        key_file: Option<PathBuf> = "", Optional(ReadableFile);
    }

    /// What is logged, and how.
    log: Log {
        /// Form of the lines: `auto` is text on a terminal and JSON otherwise.
        format: LogFormat = "auto", Choice(&LOG_FORMATS);
        /// What is logged, such as `info,madang::broker=debug`.
        filter: String = "info", Filter;
    }
}

impl Redis {
    /// Returns the ACL user: the setting `redis.username`, else the one in the URL.
    pub fn user(&self) -> Option<&str> {
        let in_url = || self.url.as_ref()?.username.as_deref();
        self.username.as_deref().or_else(in_url)
    }

    /// Returns the password: the content of `redis.password_file` at this moment without its last
    /// line break, else the one in the URL.
    /// Called at every connect, so that a rotated password is used without a restart.
    ///
    /// # Errors
    /// The file cannot be read, is no UTF-8 or holds nothing; the message names the setting.
    pub fn read_password(&self) -> Result<Option<Secret<String>>, PasswordFileError> {
        let Some(path) = &self.password_file else {
            return Ok(self.url.as_ref().and_then(|url| url.password.clone()));
        };
        read_password("redis.password_file", path).map(Some)
    }

    /// Returns the password for the sentinels, from `redis.sentinel_password_file` as above.
    ///
    /// # Errors
    /// As for [`Redis::read_password`].
    pub fn read_sentinel_password(&self) -> Result<Option<Secret<String>>, PasswordFileError> {
        let path = self.sentinel_password_file.as_ref();
        path.map(|path| read_password("redis.sentinel_password_file", path))
            .transpose()
    }

    /// Returns how many replicas must have a message before it counts as accepted: the setting
    /// `redis.acks`, else 1 where a replica may become the master and 0 on one server.
    pub fn needed_acks(&self) -> u32 {
        let has_replicas = || {
            let topology = self.url.as_ref().map(|url| &url.topology);
            topology.is_some_and(|topology| *topology != Topology::Standalone)
        };
        self.acks.unwrap_or_else(|| u32::from(has_replicas()))
    }
}

/// Returns the content of a file without its last line break.
fn read_password(setting: &'static str, path: &Path) -> Result<Secret<String>, PasswordFileError> {
    let fault = |source| PasswordFileError {
        setting,
        path: path.to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(fault)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    if password.is_empty() {
        return Err(fault(io::Error::other("it holds no password")));
    }
    Ok(Secret::new(password.to_owned()))
}

/// A password file gives no password.
#[derive(Debug, thiserror::Error)]
#[error("{setting} ({}): {} gives no password", variable(setting), path.display())]
pub struct PasswordFileError {
    /// The setting that names it.
    pub setting: &'static str,
    /// The file that was read.
    pub path: PathBuf,
    /// Why it gives no password.
    pub source: io::Error,
}
