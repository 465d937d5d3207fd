//! Reading the URL of the setting `redis.url`.

use redis::IntoConnectionInfo;

use super::super::kinds::{Kind, Refusal};
use super::super::network::is_host_name;
use super::super::secret::Secret;
use super::{RedisUrl, ServerAddress, Topology, hide};

/// A URL of one of the topologies.
pub(in super::super) struct Url;

/// Port of a server where the URL names none.
const PORT: u16 = 6379;

/// Port of a sentinel where the URL names none.
const SENTINEL_PORT: u16 = 26379;

impl Kind for Url {
    type Value = RedisUrl;

    fn parse(&self, text: &str) -> Result<RedisUrl, Refusal> {
        let (scheme, rest) = text.split_once("://").ok_or(Refusal::NotAllowed)?;
        let (tls, topology) = topology(scheme)?;
        if rest.contains(['?', '#']) {
            return Err(because(
                "? and # have no meaning here and are %3F and %23 in a password",
            ));
        }
        let (user_info, place) = match rest.rsplit_once('@') {
            Some((user_info, place)) => (Some(user_info), place),
            None => (None, rest),
        };
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let (topology, db) = end(topology, path)?;
        let servers = servers(&topology, hosts)?;
        let (username, password) = credentials(text, user_info)?;
        Ok(RedisUrl {
            topology,
            tls,
            servers,
            db,
            username,
            password,
        })
    }

    fn allowed(&self) -> String {
        "redis:// with [user:password@]host[:port][/database], \
         redis+sentinel:// with [user:password@]host[:port],…/master[/database], \
         or redis+cluster:// with [user:password@]host[:port],…; with TLS rediss in place of redis"
            .to_owned()
    }

    fn show(&self, value: &RedisUrl) -> String {
        value.to_string()
    }

    fn hide(&self, text: &str) -> String {
        hide::password(text)
    }
}

fn because(reason: &str) -> Refusal {
    Refusal::Because(reason.to_owned())
}

/// Reads the scheme; the name of a master is still missing.
fn topology(scheme: &str) -> Result<(bool, Topology), Refusal> {
    let sentinel = Topology::Sentinel {
        master: String::new(),
    };
    match scheme {
        "redis" => Ok((false, Topology::Standalone)),
        "rediss" => Ok((true, Topology::Standalone)),
        "redis+sentinel" => Ok((false, sentinel)),
        "rediss+sentinel" => Ok((true, sentinel)),
        "redis+cluster" => Ok((false, Topology::Cluster)),
        "rediss+cluster" => Ok((true, Topology::Cluster)),
        other if other.contains("sentinel") => Err(because(
            "sentinels are redis+sentinel:// or, with TLS, rediss+sentinel://",
        )),
        other if other.contains("cluster") => Err(because(
            "a Cluster is redis+cluster:// or, with TLS, rediss+cluster://",
        )),
        _ => Err(Refusal::NotAllowed),
    }
}

/// Reads what follows the hosts: the name of the master and the database.
fn end(topology: Topology, path: &str) -> Result<(Topology, i64), Refusal> {
    let (topology, db) = match topology {
        Topology::Sentinel { .. } => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if master.is_empty() || !master.bytes().all(fits) {
                return Err(because(
                    "behind the sentinels stands the name under which they know the master, such as /mymaster",
                ));
            }
            let master = master.to_owned();
            (Topology::Sentinel { master }, db)
        }
        Topology::Cluster if !matches!(path, "" | "0") => {
            return Err(because("a Cluster has only database 0"));
        }
        topology => (topology, path),
    };
    if db.is_empty() {
        return Ok((topology, 0));
    }
    let is_number = db.bytes().all(|byte| byte.is_ascii_digit());
    let number = db.parse().ok().filter(|_| is_number);
    number
        .map(|db| (topology, db))
        .ok_or_else(|| because("the database is a number"))
}

fn servers(topology: &Topology, hosts: &str) -> Result<Vec<ServerAddress>, Refusal> {
    let port = match topology {
        Topology::Sentinel { .. } => SENTINEL_PORT,
        Topology::Standalone | Topology::Cluster => PORT,
    };
    if *topology == Topology::Standalone && hosts.contains(',') {
        return Err(because(
            "redis:// is one server; several are redis+sentinel:// or redis+cluster://",
        ));
    }
    let mut servers = Vec::new();
    for host in hosts.split(',') {
        let server = server(host, port).ok_or(Refusal::NotAllowed)?;
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    Ok(servers)
}

/// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
fn server(text: &str, default_port: u16) -> Option<ServerAddress> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let digits = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => default_port,
        Some(port) => Some(port).filter(digits)?.parse().ok()?,
    };
    let is_host = host.contains(':') || is_host_name(host);
    let is_nobody = host == "0.0.0.0" || port == 0;
    (is_host && !is_nobody).then(|| ServerAddress {
        host: host.to_owned(),
        port,
    })
}

/// User and password of a URL.
type User = (Option<String>, Option<Secret<String>>);

/// Reads user and password as the Redis crate does.
fn credentials(text: &str, user_info: Option<&str>) -> Result<User, Refusal> {
    let Some(user_info) = user_info else {
        return Ok((None, None));
    };
    let info = format!("redis://{user_info}@host").into_connection_info();
    let info = info.map_err(|error| {
        // Of an error only its description is printed: its detail may repeat the URL.
        let description = error.detail().filter(|detail| !text.contains(*detail));
        Refusal::Because(description.unwrap_or("it does not parse").to_lowercase())
    })?;
    let redis = info.redis_settings();
    Ok((
        redis.username().map(str::to_owned),
        redis
            .password()
            .map(|password| Secret::new(password.to_owned())),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> ServerAddress {
        ServerAddress {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn a_url_is_read_into_its_parts() {
        let url = Url
            .parse("rediss://chat:p%40ss@redis.example.com:6380/2")
            .unwrap();
        assert!(url.tls);
        assert_eq!(
            (&url.servers[..], url.db),
            (&[address("redis.example.com", 6380)][..], 2)
        );
        assert_eq!(url.username.as_deref(), Some("chat"));
        assert_eq!(url.password.as_ref().unwrap().expose(), "p@ss");
        assert_eq!(
            url.to_string(),
            "rediss://chat:•••@redis.example.com:6380/2"
        );
        assert!(!format!("{url:?}").contains("p@ss"), "{url:?}");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let rows = [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://127.0.0.1:7000/", "redis://127.0.0.1:7000/0"),
            ("redis://[::1]:7000/3", "redis://[::1]:7000/3"),
            ("redis://:0123456@redis_1", "redis://:•••@redis_1:6379/0"),
            ("redis://chat@h", "redis://chat@h:6379/0"),
        ];
        for (text, expected) in rows {
            assert_eq!(Url.parse(text).unwrap().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_password_of_digits_keeps_its_zeros() {
        let url = Url.parse("redis://:0123456@h").unwrap();
        assert_eq!(url.password, Some(Secret::new("0123456".to_owned())));
        assert_eq!(url.username, None);
    }

    #[test]
    fn other_urls_are_refused() {
        let bad = [
            "localhost:6379",
            "redis://",
            "redis://:6379",
            "redis://h:0",
            "redis://h:99999",
            "redis://h/x",
            "redis://h/-1",
            "redis://a,b:6379",
            "redis://a b",
            "redis://0.0.0.0",
            "redis://h?protocol=resp3",
            "rediss://h#insecure",
            "redis:///var/run/redis.sock",
            "unix:///var/run/redis.sock",
            "http://h",
        ];
        for text in bad {
            assert!(Url.parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sentinels_and_clusters_are_lists() {
        let rows = [
            (
                "redis+sentinel://a,b:5000,[::1]/mymaster",
                "redis+sentinel://a:26379,b:5000,[::1]:26379/mymaster/0",
            ),
            (
                "rediss+sentinel://chat:p%2Css@a,a/my.master-1/3",
                "rediss+sentinel://chat:•••@a:26379/my.master-1/3",
            ),
            ("redis+cluster://a", "redis+cluster://a:6379/0"),
            (
                "rediss+cluster://:p@a:7000,b:7001/0",
                "rediss+cluster://:•••@a:7000,b:7001/0",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(Url.parse(text).unwrap().to_string(), expected, "{text:?}");
        }
        let url = Url.parse("redis+sentinel://u:p%2Css@a,b/m").unwrap();
        assert_eq!(url.password, Some(Secret::new("p,ss".to_owned())));
        assert_eq!(url.servers, [address("a", 26379), address("b", 26379)]);
        let master = "m".to_owned();
        assert_eq!(url.topology, Topology::Sentinel { master });
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        let rows = [
            ("redis+sentinel://a,b", "such as /mymaster"),
            ("redis+sentinel://a/my master", "such as /mymaster"),
            ("redis+sentinel://a/m/x", "the database is a number"),
            ("redis-sentinel://a/m", "redis+sentinel://"),
            ("sentinel://a/m", "redis+sentinel://"),
            ("redis-cluster://a", "redis+cluster://"),
            ("redis+cluster://a/1", "only database 0"),
            ("redis://a,b", "redis:// is one server"),
        ];
        for (text, expected) in rows {
            match Url.parse(text) {
                Err(Refusal::Because(reason)) => {
                    assert!(reason.contains(expected), "{text:?}: {reason}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
        for text in [
            "redis+cluster://",
            "redis+cluster://a,,b",
            "redis+sentinel://a:0/m",
            "valkey://h",
        ] {
            assert_eq!(Url.parse(text), Err(Refusal::NotAllowed), "{text:?}");
        }
    }
}
