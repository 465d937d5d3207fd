//! Settings of the network: addresses, networks, origins.
//!
//! An address is written with digits: a name would be looked up at another moment than it is
//! checked.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::kinds::{Kind, Refusal};

/// An IP address with a port.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn parse(&self, text: &str) -> Result<SocketAddr, Refusal> {
        text.parse().map_err(|_| Refusal::NotAllowed)
    }

    fn allowed(&self) -> String {
        "an IP address and a port, such as [::]:8080 or 127.0.0.1:8080".to_owned()
    }

    fn show(&self, value: &SocketAddr) -> String {
        value.to_string()
    }
}

/// An IP address without a port.
pub(super) struct Host;

impl Kind for Host {
    type Value = IpAddr;

    fn parse(&self, text: &str) -> Result<IpAddr, Refusal> {
        text.parse().map_err(|_| Refusal::NotAllowed)
    }

    fn allowed(&self) -> String {
        "an IP address, such as 10.0.0.7 or fd00::7".to_owned()
    }

    fn show(&self, value: &IpAddr) -> String {
        value.to_string()
    }
}

/// A list of networks; a single address is a network of one.
pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<IpNet>;

    fn parse(&self, text: &str) -> Result<Vec<IpNet>, Refusal> {
        let network = |part: &str| {
            let address = || part.parse::<IpAddr>().map(IpNet::from);
            let found = part.parse::<IpNet>().or_else(|_| address());
            found.map(|network| network.trunc()).map_err(|_| {
                Refusal::Because(format!("{part:?} is neither an address nor a network"))
            })
        };
        parts(text).map(network).collect()
    }

    fn allowed(&self) -> String {
        "a list of IP addresses and networks, such as 10.0.0.0/8, fd00::/8".to_owned()
    }

    fn show(&self, value: &Vec<IpNet>) -> String {
        let networks: Vec<_> = value.iter().map(IpNet::to_string).collect();
        networks.join(", ")
    }
}

/// A list of hosts: names or addresses, without a port.
pub(super) struct Hosts;

impl Kind for Hosts {
    type Value = Vec<String>;

    fn parse(&self, text: &str) -> Result<Vec<String>, Refusal> {
        let host = |part: &str| {
            let is_host =
                part.parse::<IpAddr>().is_ok() || is_host_name(part.trim_end_matches('.'));
            is_host.then(|| part.to_owned()).ok_or_else(|| {
                Refusal::Because(format!(
                    "{part:?} is neither the name of a host nor an address"
                ))
            })
        };
        parts(text).map(host).collect()
    }

    fn allowed(&self) -> String {
        "a list of hosts without ports, such as madang-internal".to_owned()
    }

    fn show(&self, value: &Vec<String>) -> String {
        value.join(", ")
    }
}

/// Whose pages may open sessions, by the `Origin` that a browser sends (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host that they ask: host and port of the origin are those of `Host`.
    SameHost,
    /// Every page.
    Any,
    /// Pages of exactly these origins, written as browsers send them: lower case, no default port,
    /// no slash at the end.
    Only(Vec<String>),
}

/// [`Origins`] as a list, or `*`.
pub(super) struct OriginList;

impl Kind for OriginList {
    type Value = Origins;

    fn parse(&self, text: &str) -> Result<Origins, Refusal> {
        let list: Vec<_> = parts(text).collect();
        match list.as_slice() {
            [] => return Ok(Origins::SameHost),
            ["*"] => return Ok(Origins::Any),
            _ => {}
        }
        let origin = |part: &&str| {
            canonical_origin(part)
                .ok_or_else(|| Refusal::Because(format!("{part:?} is not an origin")))
        };
        list.iter()
            .map(origin)
            .collect::<Result<_, _>>()
            .map(Origins::Only)
    }

    fn allowed(&self) -> String {
        "a list of origins such as https://chat.example.com (no path), or * alone".to_owned()
    }

    fn show(&self, value: &Origins) -> String {
        match value {
            Origins::SameHost => String::new(),
            Origins::Any => "*".to_owned(),
            Origins::Only(list) => list.join(", "),
        }
    }
}

/// Returns an origin as browsers write it, `None` if it is none.
fn canonical_origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    // The last colon of an IPv6 address without port lies within its brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse::<u16>().ok().filter(|port| *port != 0)?)
        }
        _ => (authority, default_port),
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
        None => Some(host).filter(|host| is_host_name(host))?.to_owned(),
    };
    Some(if port == default_port {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    })
}

/// Returns true if a text can be the name of a host: labels of letters, digits, `-` and `_`, joined
/// by dots.
pub(super) fn is_host_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= 253
        && text
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(fits))
}

/// The parts of a comma-separated list, without empty ones.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ip_and_port() {
        for text in ["[::]:8080", "127.0.0.1:0", "[fd00::1]:9090"] {
            let address = Address.parse(text).unwrap();
            assert_eq!(Address.show(&address), text);
        }
        for text in [
            "",
            ":8080",
            "8080",
            "localhost:8080",
            "[::]",
            "::8080",
            "1.2.3.4:65536",
        ] {
            assert_eq!(Address.parse(text), Err(Refusal::NotAllowed), "{text:?}");
        }
    }

    #[test]
    fn networks_take_addresses_too() {
        let list = Networks
            .parse("10.1.2.3/8, 192.168.0.1,, fd00::/8 ,::1")
            .unwrap();
        assert_eq!(
            Networks.show(&list),
            "10.0.0.0/8, 192.168.0.1/32, fd00::/8, ::1/128"
        );
        assert_eq!(Networks.parse(""), Ok(Vec::new()));
        for text in ["10.0.0.0/33", "proxy", "10.0.0.0/8 fd00::/8", "10.0.0.*"] {
            assert!(Networks.parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            Networks.parse("::1, proxy"),
            Err(Refusal::Because(
                "\"proxy\" is neither an address nor a network".to_owned()
            ))
        );
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let list = Hosts.parse("madang-internal, a.b.svc.,,fd00::1").unwrap();
        assert_eq!(Hosts.show(&list), "madang-internal, a.b.svc., fd00::1");
        assert_eq!(Hosts.parse(""), Ok(Vec::new()));
        for text in ["madang:9090", "http://madang", "a b", "a..b", "[::1]"] {
            assert!(Hosts.parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        let rows = [
            ("https://chat.example.com", "https://chat.example.com"),
            ("HTTPS://Chat.Example.com:443", "https://chat.example.com"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://a:80,https://b:80", "http://a, https://b:80"),
            ("https://[FD00::0:1]", "https://[fd00::1]"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("*", "*"),
            (" , ", ""),
        ];
        for (text, expected) in rows {
            let origins = OriginList.parse(text).unwrap();
            assert_eq!(OriginList.show(&origins), expected, "{text:?}");
            assert_eq!(OriginList.parse(expected), Ok(origins), "{expected:?}");
        }
        assert_eq!(OriginList.parse(""), Ok(Origins::SameHost));
        let bad = [
            "chat.example.com",
            "https://",
            "https://a/",
            "https://a/chat",
            "https://a?b",
            "https://u@a",
            "https://*.example.com",
            "ws://a",
            "https://a:0",
            "https://a:x",
            "https://[::1",
            "https://a..b",
            "*, https://a",
            "null",
        ];
        for text in bad {
            assert!(OriginList.parse(text).is_err(), "{text:?}");
        }
    }
}
