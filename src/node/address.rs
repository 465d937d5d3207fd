//! Where other nodes reach the internal listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address that nobody has, of the documentation's networks: the way to it is the way to others.
const ANYWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9),
    SocketAddr::new(
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        9,
    ),
];

/// Returns the address that was set, else the one that the listener has, else the one from which this machine sends to
/// others, with the listener's port; `None` if there is none.
pub(super) fn choose(set: Option<IpAddr>, listener: SocketAddr) -> Option<SocketAddr> {
    let bound = || Some(listener.ip()).filter(|ip| !ip.is_unspecified());
    let ip = set.or_else(bound).or_else(|| outgoing(listener.ip()))?;
    Some(SocketAddr::new(ip, listener.port()))
}

/// Returns the source of what this machine sends to others; nothing is sent.
fn outgoing(listener: IpAddr) -> Option<IpAddr> {
    let source = |target: &SocketAddr| {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // A listener of IPv4 alone is not reached over IPv6; one of both families takes either.
    let reached = ANYWHERE
        .iter()
        .filter(|target| target.is_ipv4() || listener.is_ipv6());
    reached.filter_map(source).find(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_comes_before_what_is_bound() {
        let listener: SocketAddr = "127.0.0.1:9090".parse().unwrap();
        assert_eq!(choose(None, listener), Some(listener));
        let set = choose(Some("10.0.0.7".parse().unwrap()), listener);
        assert_eq!(set, "10.0.0.7:9090".parse().ok());
        let set = choose(Some("fd00::1".parse().unwrap()), "[::]:7".parse().unwrap());
        assert_eq!(set.unwrap().to_string(), "[fd00::1]:7");
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_at_one() {
        let found = choose(None, "0.0.0.0:9090".parse().unwrap());
        // A machine without any route has none.
        if let Some(found) = found {
            assert!(found.is_ipv4() && !found.ip().is_unspecified());
            assert_eq!(found.port(), 9090);
        }
    }
}
