//! Where Redis is: the URL of the setting `redis.url`.
//!
//! The password in it is never printed, neither of a good URL nor of one that is refused.

mod hide;
mod parse;

use std::fmt;

use super::secret::{HIDDEN, Secret};

pub(super) use self::parse::Url;

/// How the Redis servers of a URL belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server, or one address that leads to the master: `redis://`.
    Standalone,
    /// Sentinels that know the master: `redis+sentinel://`.
    Sentinel {
        /// Name under which they know it.
        master: String,
    },
    /// Members of a Cluster, which know all others: `redis+cluster://`.
    Cluster,
}

/// Host and port of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerAddress {
    /// Host name or IP address; an IPv6 address has no brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The parts of a Redis URL, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// How the servers belong together.
    pub topology: Topology,
    /// Whether TLS is spoken, with the sentinels too: the scheme begins with `rediss`.
    pub tls: bool,
    /// The servers to begin with, never empty: the one, the sentinels, or some members of the Cluster.
    pub servers: Vec<ServerAddress>,
    /// Number of the database, 0 by default. Publish and subscribe do not know databases.
    pub db: i64,
    /// ACL user; the setting `redis.username` comes before it.
    pub username: Option<String>,
    /// Password; the setting `redis.password_file` comes before it.
    pub password: Option<Secret<String>>,
}

impl RedisUrl {
    /// Returns true if there are several masters.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.topology == Topology::Cluster
    }
}

impl fmt::Display for RedisUrl {
    /// Prints the URL with its password hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss" } else { "redis" })?;
        f.write_str(match &self.topology {
            Topology::Standalone => "://",
            Topology::Sentinel { .. } => "+sentinel://",
            Topology::Cluster => "+cluster://",
        })?;
        f.write_str(self.username.as_deref().unwrap_or_default())?;
        if self.password.is_some() {
            write!(f, ":{HIDDEN}")?;
        }
        if self.username.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        let servers: Vec<_> = self.servers.iter().map(ToString::to_string).collect();
        f.write_str(&servers.join(","))?;
        if let Topology::Sentinel { master } = &self.topology {
            write!(f, "/{master}")?;
        }
        write!(f, "/{}", self.db)
    }
}
