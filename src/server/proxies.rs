//! What proxies in front of a node say about the request behind them.
//!
//! Only what a proxy of `server.trusted_proxies` says is believed. Each proxy writes the address
//! that it sees at the right end of `X-Forwarded-For` (or `Forwarded`, RFC 7239), so the address
//! behind all of ours is the right-most one that is not ours; what stands left of it anybody can
//! have written.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

use super::host::Host;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The proxies that are believed.
#[derive(Clone, Debug)]
pub(super) struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Takes the networks of `server.trusted_proxies`.
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Returns the address that asks: the peer's own, or the one behind our proxies.
    ///
    /// `Forwarded` counts only without `X-Forwarded-For`: nearly all proxies write the latter and
    /// pass the former through as it came.
    pub(super) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer;
        let mut hops: Vec<Option<IpAddr>> = parts(headers, &X_FORWARDED_FOR)
            .map(|part| parse_address(part.trim()))
            .collect();
        if hops.is_empty() {
            hops = parts(headers, &FORWARDED)
                .map(|part| parameter(part, "for").and_then(parse_address))
                .collect();
        }
        while self.trusts(address) {
            // A hop that hides itself or is garbled ends the chain at the last one known.
            let Some(Some(hop)) = hops.pop() else { break };
            address = hop;
        }
        address
    }

    /// Returns the host that the page was asked for, as the nearest proxy says it; nothing if there
    /// is no proxy of ours or it does not say.
    pub(super) fn host(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Host> {
        if !self.trusts(peer) {
            return None;
        }
        if let Some(host) = parts(headers, &X_FORWARDED_HOST).last() {
            return Host::parse(host.trim());
        }
        let nearest = parts(headers, &FORWARDED).last()?;
        parameter(nearest, "host").and_then(Host::parse)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Returns the comma-separated parts of all headers of this name, left to right.
///
/// A value beyond visible ASCII is one part that says nothing.
fn parts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
}

/// Returns a parameter of one element of `Forwarded`, without its quotes.
fn parameter<'h>(element: &'h str, name: &str) -> Option<&'h str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let unquoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| unquoted.unwrap_or(value))
    })
}

/// Reads an address with or without a port, as proxies write it; IPv4 as IPv4.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let plain = bracketed.unwrap_or(text).parse().ok();
    let address = plain.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn proxies() -> Proxies {
        Proxies::new(vec![
            "10.0.0.0/8".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ])
    }

    #[test]
    fn the_right_most_address_that_is_not_ours_asks() {
        let (xff, forwarded) = ("x-forwarded-for", "forwarded");
        for (peer, lines, want) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            // A stranger says what it likes.
            ("192.0.2.1", &[(xff, "198.51.100.1")], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "198.51.100.1")], "198.51.100.1"),
            (
                "10.0.0.1",
                &[(xff, "1.1.1.1, 198.51.100.1, 10.0.0.2")],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &[(xff, "1.1.1.1"), (xff, "198.51.100.1")],
                "198.51.100.1",
            ),
            ("10.0.0.1", &[(xff, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            (
                "10.0.0.1",
                &[(xff, "198.51.100.1, unknown, 10.0.0.2")],
                "10.0.0.2",
            ),
            ("10.0.0.1", &[(xff, "")], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "198.51.100.1:4711")], "198.51.100.1"),
            ("10.0.0.1", &[(xff, "::ffff:198.51.100.1")], "198.51.100.1"),
            ("fd00::1", &[(xff, "2001:db8::1")], "2001:db8::1"),
            ("fd00::1", &[(xff, "[2001:db8::1]:4711")], "2001:db8::1"),
            (
                "10.0.0.1",
                &[(forwarded, "for=198.51.100.1;proto=https")],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &[(forwarded, "For=\"[2001:db8::1]:4711\"")],
                "2001:db8::1",
            ),
            (
                "10.0.0.1",
                &[(forwarded, "for=1.1.1.1, for=198.51.100.1, for=10.0.0.2")],
                "198.51.100.1",
            ),
            ("10.0.0.1", &[(forwarded, "for=_hidden")], "10.0.0.1"),
            // Our proxy writes the one and passes the other through.
            (
                "10.0.0.1",
                &[(forwarded, "for=1.1.1.1"), (xff, "198.51.100.1")],
                "198.51.100.1",
            ),
        ] {
            let address = proxies().address(peer.parse().unwrap(), &headers(lines));
            assert_eq!(address.to_string(), want, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_host_is_taken_from_the_nearest_proxy_of_ours() {
        let (xfh, forwarded) = ("x-forwarded-host", "forwarded");
        for (peer, lines, want) in [
            (
                "10.0.0.1",
                &[(xfh, "chat.example.com")][..],
                Some("chat.example.com"),
            ),
            (
                "10.0.0.1",
                &[(xfh, "evil.example, Chat.example.com:8443")],
                Some("chat.example.com:8443"),
            ),
            (
                "10.0.0.1",
                &[(forwarded, "for=1.1.1.1;host=\"chat.example.com:81\"")],
                Some("chat.example.com:81"),
            ),
            ("10.0.0.1", &[(xfh, "a b")], None),
            ("10.0.0.1", &[], None),
            ("192.0.2.1", &[(xfh, "chat.example.com")], None),
        ] {
            let host = proxies().host(peer.parse().unwrap(), &headers(lines));
            assert_eq!(
                host.map(|host| host.to_string()).as_deref(),
                want,
                "{peer} {lines:?}"
            );
        }
    }
}
