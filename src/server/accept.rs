//! The accept loop over hyper's HTTP/1.
//!
//! A loop of its own because the ready-made ones have no header timeout that holds for a link that
//! sends nothing, no bound on links and no way to keep both. Nothing that a peer or the system
//! does ends the loop; only the stop token does.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::links::{Link, Links};
use crate::config;

/// Links of the public listener at the same time. With a head of at most [`MAX_HEAD_BYTES`] each
/// they hold 64 MiB.
const PUBLIC_LINKS: usize = 4096;
/// Links of the internal listener at the same time: probes, a scraper, a person.
const INTERNAL_LINKS: usize = 128;
/// Longest head of a request; a longer one is answered 431.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Time after the stop in which a request must be answered.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Pause after the system refused a link. Long enough not to spin, short enough that nobody
/// notices.
const PAUSE: Duration = Duration::from_millis(50);
/// Time between two lines about links that cannot be accepted.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Time in which the head of a request must arrive, counted from the accept or the end of the
    /// answer before.
    pub header_timeout: Duration,
    /// Plain HTTP links at the same time; sessions do not count.
    pub links: usize,
}

impl Options {
    /// Returns the bounds of the public listener.
    #[must_use]
    pub fn public(server: &config::Server) -> Self {
        Self {
            header_timeout: server.header_timeout,
            links: PUBLIC_LINKS,
        }
    }

    /// Returns the bounds of the internal listener.
    #[must_use]
    pub fn internal(server: &config::Server) -> Self {
        Self {
            header_timeout: server.header_timeout,
            links: INTERNAL_LINKS,
        }
    }
}

/// What a handler knows about the link of its request; it is among the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Address of the other end; IPv4 as IPv4, also on a listener of both families.
    pub(super) address: IpAddr,
    /// Tasks that the listener waits for when it stops.
    pub(super) tasks: TaskTracker,
}

/// Accepts links and answers their requests until `stop` is canceled, then lets the requests in
/// flight be answered, for at most 5 s, and returns.
///
/// Sessions that began here go on.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: Options,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let links = Links::new(options.links);
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &links) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            // The other end gave up before it was accepted.
            Err(error) if is_of_the_link(&error) => continue,
            Err(error) => {
                trouble.tell(&error);
                // A silent link may hold the file that is missing.
                links.end_silent(Duration::ZERO);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(PAUSE) => continue,
                }
            }
        };
        // A frame that waits for the acknowledgement of the one before would be 40 ms late.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
        let peer = Peer {
            address: peer.ip().to_canonical(),
            tasks: tasks.clone(),
        };
        let link = links.link(place);
        tasks.spawn(serve_link(
            stream,
            router.clone(),
            peer,
            link,
            options,
            stop.clone(),
        ));
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn accept(
    listener: &TcpListener,
    links: &Links,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // The place comes first: without one, a link stays in the backlog and costs nothing.
    let place = links.place().await;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// Answers the requests of one link, until it ends or becomes a session.
async fn serve_link(
    stream: TcpStream,
    router: Router,
    peer: Peer,
    link: Arc<Link>,
    options: Options,
    stop: CancellationToken,
) {
    let ended = link.ended();
    let service = service_fn(move |request: Request<Incoming>| {
        link.wake();
        let link = Arc::clone(&link);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await;
            link.fall_silent();
            answer
        }
    });
    let exchange = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut exchange = std::pin::pin!(exchange);
    let outcome = tokio::select! {
        outcome = exchange.as_mut() => outcome,
        () = ended.cancelled() => return,
        () = stop.cancelled() => {
            exchange.as_mut().graceful_shutdown();
            match timeout(STOP_GRACE, exchange).await {
                Ok(outcome) => outcome,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::trace!(%error, "link ended");
    }
}

/// Returns true if an error of accept is about one link, not about the system.
fn is_of_the_link(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

/// Tells that links cannot be accepted, without flooding the log.
#[derive(Debug, Default)]
struct Trouble {
    told: Option<Instant>,
    since_told: u64,
}

impl Trouble {
    fn tell(&mut self, error: &io::Error) {
        self.since_told += 1;
        if self.told.is_some_and(|told| told.elapsed() < LOG_INTERVAL) {
            return;
        }
        tracing::error!(%error, attempts = self.since_told, "new links cannot be accepted");
        *self = Self {
            told: Some(Instant::now()),
            since_told: 0,
        };
    }
}
