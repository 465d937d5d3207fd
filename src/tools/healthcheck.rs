//! The probe of a node by itself, for images without a shell.
//!
//! It asks the internal listener over the loopback interface, so it needs the settings of the node
//! and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fleet::ask;

/// Time for the whole probe; Kubernetes gives a probe one second and kills at three misses.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Whether the node wants sessions: `/readyz`.
    #[default]
    Ready,
    /// Whether the event loop turns: `/livez`.
    Live,
}

/// Asks the node whose `server.internal_listen` is `internal`.
///
/// # Errors
/// The node does not answer within 2 s, or answers that it is not; the message is for a person.
pub async fn run(internal: SocketAddr, probe: Probe) -> Result<(), String> {
    let path = match probe {
        Probe::Ready => "/readyz",
        Probe::Live => "/livez",
    };
    let answer = timeout(TIMEOUT, async {
        let stream = connect(internal).await?;
        ask::get_over(stream, internal, path).await
    })
    .await
    .map_err(|_| {
        format!(
            "{internal}{path} gives no answer within {} s",
            TIMEOUT.as_secs()
        )
    })??;
    match answer.status {
        200 => Ok(()),
        status => Err(format!("{path} answers {status}: {}", answer.body.trim())),
    }
}

/// Reaches a listener from the same machine.
async fn connect(internal: SocketAddr) -> Result<TcpStream, String> {
    let mut last = String::new();
    for address in loopback(internal) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("nothing listens on {address}: {error}"),
        }
    }
    Err(format!(
        "{last}; server.internal_listen (MADANG_SERVER__INTERNAL_LISTEN) is {internal}"
    ))
}

/// The addresses under which a listener is reached from the same machine, best first.
fn loopback(internal: SocketAddr) -> Vec<SocketAddr> {
    let addresses: &[IpAddr] = match internal.ip() {
        // A listener on [::] serves 0.0.0.0 where there is no IPv6.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => &[
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ],
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        address => &[address],
    };
    let with_port = |address: &IpAddr| SocketAddr::from((*address, internal.port()));
    addresses.iter().map(with_port).collect()
}
