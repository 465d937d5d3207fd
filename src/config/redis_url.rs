//! Where Redis is: the URL of the setting `redis.url`.
//!
//! The password in it is never printed, neither of a good URL nor of one that is refused.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::kinds::{Kind, Refusal};
use super::network::is_host_name;
use super::secret::{HIDDEN, Secret};

/// The parts of a Redis URL, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// Whether TLS is spoken: the scheme is `rediss`.
    pub tls: bool,
    /// Host name or IP address; an IPv6 address has no brackets.
    pub host: String,
    /// TCP port, 6379 by default.
    pub port: u16,
    /// Number of the database, 0 by default. Publish and subscribe do not know databases.
    pub db: i64,
    /// ACL user; the setting `redis.username` comes before it.
    pub username: Option<String>,
    /// Password; the setting `redis.password_file` comes before it.
    pub password: Option<Secret<String>>,
}

impl fmt::Display for RedisUrl {
    /// Prints the URL with its password hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss://" } else { "redis://" })?;
        f.write_str(self.username.as_deref().unwrap_or_default())?;
        if self.password.is_some() {
            write!(f, ":{HIDDEN}")?;
        }
        if self.username.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        write!(f, ":{}/{}", self.port, self.db)
    }
}

/// A URL of one Redis server.
pub(super) struct Url;

impl Kind for Url {
    type Value = RedisUrl;

    fn parse(&self, text: &str) -> Result<RedisUrl, Refusal> {
        let because = |reason: &str| Refusal::Because(reason.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or(Refusal::NotAllowed)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(because("only one standalone Redis can be used so far")),
        };
        if rest.contains(['?', '#']) {
            return Err(because(
                "? and # have no meaning here and are %3F and %23 in a password",
            ));
        }
        let info = text.into_connection_info().map_err(|error| {
            // Of an error only its description is printed: its detail may repeat the URL.
            let description = error.detail().filter(|detail| !text.contains(*detail));
            Refusal::Because(description.unwrap_or("it does not parse").to_lowercase())
        })?;
        let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) =
            info.addr()
        else {
            return Err(Refusal::NotAllowed);
        };
        let redis = info.redis_settings();
        let is_host = host.contains(':') || is_host_name(host);
        if !is_host || *port == 0 || redis.db() < 0 {
            return Err(Refusal::NotAllowed);
        }
        Ok(RedisUrl {
            tls,
            host: host.clone(),
            port: *port,
            db: redis.db(),
            username: redis.username().map(str::to_owned),
            password: redis
                .password()
                .map(|password| Secret::new(password.to_owned())),
        })
    }

    fn allowed(&self) -> String {
        "redis:// or rediss:// (TLS) with [user:password@]host[:port][/database]".to_owned()
    }

    fn show(&self, value: &RedisUrl) -> String {
        value.to_string()
    }

    fn hide(&self, text: &str) -> String {
        hide_password(text)
    }
}

/// Hides what may be a password in a text that may be no URL at all; when in doubt, it hides more.
fn hide_password(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    if let Some((user_info, host)) = rest.rsplit_once('@') {
        let user = user_info
            .split_once(':')
            .map(|(user, _)| format!("{user}:"));
        return format!(
            "{scheme}{}{HIDDEN}@{}",
            user.unwrap_or_default(),
            hide_after(host, &['?', '#'])
        );
    }
    // Without an `@`, what follows a colon and is no port may be the password of `user:password`
    // with its host lost.
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.split_once(':') {
        Some((host, port))
            if !authority.starts_with('[') && !port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("{scheme}{host}:{HIDDEN}")
        }
        _ => format!("{scheme}{}", hide_after(rest, &['?', '#'])),
    }
}

/// Hides what follows the first of the marks.
fn hide_after(text: &str, marks: &[char]) -> String {
    match text.find(marks) {
        Some(at) => format!("{}{HIDDEN}", &text[..=at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_into_its_parts() {
        let url = Url
            .parse("rediss://chat:p%40ss@redis.example.com:6380/2")
            .unwrap();
        assert!(url.tls);
        assert_eq!(
            (url.host.as_str(), url.port, url.db),
            ("redis.example.com", 6380, 2)
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
        for text in ["redis+sentinel://h", "redis-cluster://h", "valkey://h"] {
            assert_eq!(
                Url.parse(text),
                Err(Refusal::Because(
                    "only one standalone Redis can be used so far".to_owned()
                ))
            );
        }
    }

    #[test]
    fn a_refused_url_hides_its_password() {
        let rows = [
            ("redis://chat:hunter2@h:0", "redis://chat:•••@h:0"),
            ("redis://:hun#t?er/2@h", "redis://:•••@h"),
            ("redis://hun@ter2@h", "redis://•••@h"),
            ("chat:hunter2@h", "chat:•••@h"),
            ("redis://chat:hunter2", "redis://chat:•••"),
            ("redis://:hunter2", "redis://:•••"),
            ("redis://h:6379/0?password=hunter2", "redis://h:6379/0?•••"),
            (
                "redis+sentinel://u:hunter2@a:1,b:2/m",
                "redis+sentinel://u:•••@a:1,b:2/m",
            ),
            ("localhost:6379", "localhost:6379"),
            ("redis://[::1]:0", "redis://[::1]:0"),
        ];
        for (text, expected) in rows {
            assert_eq!(Url.hide(text), expected, "{text:?}");
        }
    }
}
