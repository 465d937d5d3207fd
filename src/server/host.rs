//! The host that a request asks, checked character by character.
//!
//! What passes is safe to stand in a header: letters, digits, `-`, `_` and dots, or an IPv6 address
//! in brackets, and a port.

use std::fmt;
use std::net::Ipv6Addr;

/// Longest name of a host (RFC 1035 section 2.3.4, without the last dot).
const MAX_HOST_BYTES: usize = 253;

/// Host and port, as in the header `Host` (RFC 9110 section 7.2) or an `Origin` (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// Name in lower case, IPv4 address, or IPv6 address in brackets.
    name: String,
    /// Port, if one is named.
    port: Option<u16>,
}

impl Host {
    /// Reads `name` or `name:port`; returns nothing if it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The last colon of an IPv6 address without port lies within its brackets.
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(parse_port(port)?)),
            _ => (text, None),
        };
        let bracketed = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = match bracketed {
            Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
            None => Some(name)
                .filter(|name| is_name(name))?
                .to_ascii_lowercase(),
        };
        Some(Self { name, port })
    }

    /// Returns true if both name the same host and port, where `default_port` is meant if none is
    /// named.
    pub(super) fn is_same(&self, other: &Self, default_port: u16) -> bool {
        let port = |host: &Self| host.port.unwrap_or(default_port);
        self.name == other.name && port(self) == port(other)
    }

    /// Returns true if it can stand in a content security policy, whose grammar has no IPv6
    /// addresses.
    pub(super) fn fits_policy(&self) -> bool {
        !self.name.starts_with('[')
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Reads a port: digits and nothing else, from 1 up.
fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

/// Returns true for labels of letters, digits, `-` and `_`, joined by dots; one dot may end it.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= MAX_HOST_BYTES
        && name
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_canonical_form() {
        for (text, want) in [
            ("chat.example.com", "chat.example.com"),
            ("Chat.Example.COM:8080", "chat.example.com:8080"),
            ("chat.example.com.", "chat.example.com."),
            ("localhost:08080", "localhost:8080"),
            ("my_node-1", "my_node-1"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]", "[::1]"),
            ("[0:0::1]:8080", "[::1]:8080"),
        ] {
            let host = Host::parse(text).unwrap();
            assert_eq!(host.to_string(), want);
        }
    }

    #[test]
    fn what_could_break_out_of_a_header_is_no_host() {
        for text in [
            "",
            ":8080",
            "a b",
            "a;b",
            "a'b",
            "a,b",
            "a/b",
            "a\"b",
            "*",
            "*.example.com",
            "user@example.com",
            "a..b",
            ".",
            "마당.kr",
            "example.com:",
            "example.com:0",
            "example.com:+80",
            "example.com:65536",
            "example.com:80:90",
            "[::1",
            "::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            &"a".repeat(254),
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }
}
