//! Why Redis cannot be used, as one sentence with the setting and the remedy.
//!
//! Some reasons pass by themselves; others are faults of the configuration and stay until somebody acts
//! ([`LinkError::is_configuration`]). No sentence holds a password.

use std::path::PathBuf;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Where Redis is and how it is spoken to, as the sentences name it.
#[derive(Clone, Debug)]
pub struct Address {
    /// Host and port.
    pub name: String,
    /// Whether TLS is spoken.
    pub tls: bool,
}

/// Why a link to Redis could not be opened or did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no address.
    #[error("redis.url is empty: set it to redis://host:6379")]
    NoUrl,
    /// The CA file cannot be used.
    #[error(
        "redis.ca_file (MADANG_REDIS__CA_FILE): {} holds no CA certificates in PEM form that can be read ({reason})",
        path.display()
    )]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password file cannot be used.
    #[error("{0}")]
    PasswordFile(String),
    /// User or password is wrong, or one is needed.
    #[error("Redis at {0} refuses the password: check redis.username and redis.password_file")]
    WrongPassword(String),
    /// The user may not do what a node does.
    #[error(
        "Redis at {0} denies its user a right ({1}): grant the user of redis.username what the README lists"
    )]
    MissingRights(String, String),
    /// Redis takes no more links.
    #[error("Redis at {0} has reached its maxclients: raise it, or lower redis.pool_size")]
    MaxClients(String),
    /// It is a replica.
    #[error("Redis at {0} is a replica: point redis.url at the master")]
    NotMaster(String),
    /// The sentinels call it the master, and it is none (yet).
    #[error(
        "Redis at {0} is a replica though the sentinels name it: it is tried again until the failover is done"
    )]
    NotPromoted(String),
    /// It was a master of the Cluster, and is a replica now.
    #[error(
        "Redis at {0} is a replica now: the slots of the Cluster are read anew until another master has them"
    )]
    NoShard(String),
    /// No master has a slot.
    #[error(
        "no master of the Cluster has the slot {0}: give it to one, or wait until the failover is done"
    )]
    NoOwner(u16),
    /// It is no member of a Cluster.
    #[error(
        "Redis at {0} is no member of a Cluster: write redis:// in place of redis+cluster:// in redis.url"
    )]
    NoCluster(String),
    /// It is a member of a Cluster, and used as if it were alone.
    #[error(
        "Redis at {0} is a member of a Cluster: write redis+cluster:// in place of redis:// in redis.url"
    )]
    IsCluster(String),
    /// A sentinel does not know the master's name (any more).
    #[error(
        "the sentinel at {sentinel} knows no master named {master}: check the name behind the sentinels in redis.url"
    )]
    UnknownMaster {
        /// The sentinel.
        sentinel: String,
        /// The name.
        master: String,
    },
    /// A sentinel does not answer.
    #[error("the sentinel at {0} does not answer: check redis.url and the network between")]
    SentinelSilent(String),
    /// User or password of a sentinel is wrong, or one is needed.
    #[error(
        "the sentinel at {0} refuses the password: check redis.sentinel_username and redis.sentinel_password_file"
    )]
    SentinelPassword(String),
    /// The user at a sentinel may not ask for the master.
    #[error(
        "the sentinel at {0} denies its user a right ({1}): grant the user of redis.sentinel_username \
         +sentinel|get-master-addr-by-name"
    )]
    SentinelRights(String, String),
    /// A sentinel is none, or answers with another error.
    #[error(
        "the sentinel at {0} answers with an error ({1}): check that redis.url names sentinels"
    )]
    SentinelAnswer(String, String),
    /// It reads its data.
    #[error("Redis at {0} is still loading its data: it will be tried again")]
    Loading(String),
    /// Nobody listens there.
    #[error("nothing listens at {0}: check redis.url and whether Redis runs")]
    Refused(String),
    /// The host has no address.
    #[error("the host of redis.url, {0}, cannot be resolved ({1}): check its name")]
    Unresolved(String, String),
    /// TLS failed.
    #[error(
        "TLS with Redis at {0} failed ({1}): check redis.ca_file and that this port speaks TLS"
    )]
    Tls(String, String),
    /// No answer in time.
    #[error(
        "Redis at {0} does not answer: check redis.url (rediss:// needs a port that speaks TLS) and the network between"
    )]
    Silent(String),
    /// The link broke.
    #[error(
        "the link to Redis at {0} broke ({1}): it is opened again; a port that speaks TLS needs a redis.url with rediss://"
    )]
    Broken(String, String),
    /// Redis answered with another error.
    #[error("Redis at {0} answers with an error: {1}")]
    Answer(String, String),
}

impl LinkError {
    /// Finds the sentence for what the Redis crate reports.
    #[must_use]
    pub fn of(address: &Address, error: &RedisError) -> Self {
        let name = address.name.clone();
        let text = error.to_string();
        let says = |word: &str| error.code() == Some(word) || text.contains(word);
        if error.is_timeout() {
            Self::Silent(name)
        } else if error.is_connection_refusal() {
            Self::Refused(name)
        } else if error.is_io_error() {
            Self::of_io(address, error, text)
        } else if says("WRONGPASS")
            || says("NOAUTH")
            || error.kind() == ErrorKind::AuthenticationFailed
        {
            Self::WrongPassword(name)
        } else if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) || says("NOPERM") {
            Self::MissingRights(name, error.detail().unwrap_or(&text).to_owned())
        } else if text.contains("max number of clients") {
            Self::MaxClients(name)
        } else if says("LOADING") {
            Self::Loading(name)
        } else if says("READONLY") {
            Self::NotMaster(name)
        } else {
            Self::Answer(name, text)
        }
    }

    /// Finds the sentence for what the Redis crate reports of a sentinel.
    #[must_use]
    pub fn of_sentinel(address: &Address, error: &RedisError) -> Self {
        match Self::of(address, error) {
            Self::Silent(name) => Self::SentinelSilent(name),
            Self::WrongPassword(name) => Self::SentinelPassword(name),
            Self::MissingRights(name, right) => Self::SentinelRights(name, right),
            Self::Answer(name, text) => Self::SentinelAnswer(name, text),
            other => other,
        }
    }

    fn of_io(address: &Address, error: &RedisError, text: String) -> Self {
        let name = address.name.clone();
        if text.contains("lookup address") || text.contains("Name or service not known") {
            Self::Unresolved(name, text)
        } else if address.tls && !error.is_connection_dropped() {
            Self::Tls(name, text)
        } else {
            Self::Broken(name, text)
        }
    }

    /// Returns true if it stays until somebody changes a setting, of the node or of Redis.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NoUrl
                | Self::CaFile { .. }
                | Self::PasswordFile(_)
                | Self::WrongPassword(_)
                | Self::MissingRights(..)
                | Self::MaxClients(_)
                | Self::NoCluster(_)
                | Self::IsCluster(_)
                | Self::SentinelPassword(_)
                | Self::SentinelRights(..)
        )
    }
}
