//! The probe of a node by itself, for images without a shell.
//!
//! It asks the internal listener over the loopback interface, so it needs the settings of the node
//! and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for the whole probe; Kubernetes gives a probe one second and kills at three misses.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

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
    let answer = timeout(TIMEOUT, ask(internal, path)).await.map_err(|_| {
        format!(
            "{internal}{path} gives no answer within {} s",
            TIMEOUT.as_secs()
        )
    })??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) => Err(format!("{path} answers {status}: {}", body.trim())),
        None => Err(format!("{internal}{path} does not speak HTTP")),
    }
}

/// Sends one request and returns the whole answer.
async fn ask(internal: SocketAddr, path: &str) -> Result<String, String> {
    let mut stream = connect(internal).await?;
    let failed = |error| format!("{internal}{path} breaks off: {error}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut limited = stream.take(MAX_ANSWER_BYTES);
    limited.read_to_end(&mut answer).await.map_err(failed)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
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
