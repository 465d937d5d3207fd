//! The server over real TCP on a free port of the loopback interface.

mod api;
mod links;
mod page;
mod probes;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::api::keys::Keys;
use super::{Api, Door, Opened, Options, Public, accept, listen, public};
use crate::broker::memory::{self, MemoryBroker};
use crate::broker::{Event, FleetNode, Sink};
use crate::config::Settings;
use crate::protocol::{NodeId, SessionLimits};
use crate::telemetry::Metrics;

/// Longer than anything here takes; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener that serves a router until it is stopped.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Served {
    fn start(router: Router, options: Options) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = listen::bind(address, "server.listen").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(accept::serve(listener, router, options, stop.clone()));
        Self {
            address,
            stop,
            ended,
        }
    }

    async fn dial(&self) -> TcpStream {
        within(TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends one request with these header lines and returns the answer.
    async fn ask(&self, line: &str, headers: &[&str]) -> Answer {
        let mut stream = self.dial().await;
        let mut head = format!("{line} HTTP/1.1\r\n");
        for header in headers {
            head += &format!("{header}\r\n");
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// Sends one request to the right host.
    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &["Host: localhost:8080"])
            .await
    }
}

/// Takes no notice of what happens in the broker.
struct Deaf;

impl Sink for Deaf {
    fn event(&self, _: Event) -> bool {
        true
    }
}

/// The public listener with a door.
struct Node {
    served: Served,
    door: Arc<Door>,
    metrics: Arc<Metrics>,
    opened: UnboundedReceiver<Opened>,
}

impl Node {
    /// Starts with variables such as `("SERVER__HEADER_TIMEOUT", "1s")`.
    fn start(variables: &[(&str, &str)]) -> Self {
        let variable =
            |(name, value): &(&str, &str)| (format!("MADANG_{name}"), (*value).to_owned());
        let settings = Settings::load(None, variables.iter().map(variable))
            .unwrap()
            .settings;
        let metrics = Arc::new(Metrics::new());
        let (sender, opened) = mpsc::unbounded_channel();
        let open = move |session| sender.send(session).expect("the test listens");
        let door = Door::new(
            &settings,
            Arc::clone(&metrics),
            Arc::default(),
            Arc::new(open),
        );
        let memory = MemoryBroker::new(memory::Options::from(&settings));
        let node = FleetNode::new(NodeId::parse("node-1").unwrap());
        let api = Api::new(
            &settings,
            memory.join(node, Arc::new(Deaf), Arc::clone(&metrics)),
            Keys::load(&settings).unwrap(),
            Arc::clone(&metrics),
            NodeId::parse("node-1").unwrap(),
            limits(),
        );
        let router = public::router(Public {
            door: Arc::clone(&door),
            api,
        });
        Self {
            served: Served::start(router, Options::public(&settings.server)),
            door,
            metrics,
            opened,
        }
    }

    /// Asks for a session with further header lines; the stream stays open.
    async fn knock(&self, headers: &[&str]) -> (TcpStream, Answer) {
        let mut stream = self.served.dial().await;
        let request = upgrade_request(headers);
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        (stream, answer)
    }

    /// Asks for a session and returns the status.
    async fn status(&self, headers: &[&str]) -> u16 {
        self.knock(headers).await.1.status
    }

    async fn opened(&mut self) -> Opened {
        within(self.opened.recv()).await.unwrap()
    }

    fn refused(&self, reason: &str) -> u64 {
        self.metrics
            .upgrades_refused
            .with_label_values(&[reason])
            .get()
    }
}

/// The example of RFC 6455 section 1.3; a line `Host: …` among the further ones replaces its own.
fn upgrade_request(headers: &[&str]) -> String {
    let host = if headers.iter().any(|header| header.starts_with("Host:")) {
        ""
    } else {
        "Host: localhost:8080\r\n"
    };
    let more: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    format!(
        "GET /ws HTTP/1.1\r\n{host}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

fn limits() -> SessionLimits {
    SessionLimits {
        frame_bytes: 65_536,
        text: 4_000,
        name: 64,
        rooms: 50,
        sends_per_second: 10,
        send_burst: 20,
        dedupe_ms: 300_000,
        history: 1_000,
    }
}

/// One answer, as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Reads a head, and a body as long as it says.
    async fn read(stream: &mut TcpStream) -> Self {
        let mut answer = Self::read_head(stream).await;
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        answer.body = vec![0; length];
        within(stream.read_exact(&mut answer.body)).await.unwrap();
        answer
    }

    async fn read_head(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head,
            body: Vec::new(),
        }
    }

    /// The value of a header that may come once.
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next()?;
        assert_eq!(values.next(), None, "{name} comes twice");
        Some(value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        let kind = if self.status < 400 {
            "application/json"
        } else {
            "application/problem+json"
        };
        assert_eq!(self.header("content-type"), Some(kind));
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Waits until the other end has closed, and returns how long that took.
async fn closed(stream: &mut TcpStream) -> Duration {
    let begin = tokio::time::Instant::now();
    let mut rest = Vec::new();
    // A reset is a close too.
    let _ = within(stream.read_to_end(&mut rest)).await;
    begin.elapsed()
}
