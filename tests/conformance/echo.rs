//! A server that sends every message back, on the session's own codec and handshake.
//!
//! It reads and writes at once, as a session does, so that a page that reads nothing while it sends is served too.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, IoSlice},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming as Body,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE},
    server::conn::http1,
    service::service_fn,
    upgrade::{self, OnUpgrade},
};
use hyper_util::rt::TokioIo;
use madang::session::{
    codec::{Decoder, Frame, Incoming, MAX_SLICES, WriteQueue},
    handshake,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// The largest message of the suite has 16 MiB.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// Bytes read at once; small, so that messages come in many pieces.
const SCRATCH_BYTES: usize = 8 * 1024;
/// How long the other side may take to end after the close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Accepts until it is dropped.
pub(crate) async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // A case may well break off; what counts is in the report.
            let _ = stream.set_nodelay(true);
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(
    mut request: Request<Body>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::http::Error> {
    match handshake::accept(request.method(), request.version(), request.headers()) {
        Ok(accepted) => {
            tokio::spawn(echo(upgrade::on(&mut request)));
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header(CONNECTION, "upgrade")
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_ACCEPT, accepted.accept)
                .body(Empty::new().boxed())
        }
        Err(rejection) => Response::builder()
            .status(rejection.status)
            .body(Full::from(rejection.message).boxed()),
    }
}

async fn echo(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return;
    };
    let mut echo = Echo {
        decoder: Decoder::new(MAX_MESSAGE_BYTES).accept_binary(),
        queue: WriteQueue::new(),
        ended: false,
    };
    let mut stream = parts.io.into_inner();
    echo.receive(&parts.read_buf);
    if echo.run(&stream).await.is_ok() {
        let _ = stream.shutdown().await;
        // Closing with unread bytes would reset the stream and could take the close frame with it.
        let mut rest = [0; SCRATCH_BYTES];
        let _ = timeout(CLOSE_WAIT, async {
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        })
        .await;
    }
}

struct Echo {
    decoder: Decoder,
    queue: WriteQueue,
    /// The last frame is queued.
    ended: bool,
}

impl Echo {
    /// Echoes until both sides have said all.
    async fn run(&mut self, stream: &TcpStream) -> io::Result<()> {
        let mut scratch = [0; SCRATCH_BYTES];
        while !(self.ended && self.queue.is_empty()) {
            let interest = match self.queue.is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let ready = stream.ready(interest).await?;
            if ready.is_readable() {
                match stream.try_read(&mut scratch) {
                    Ok(0) => return Ok(()),
                    Ok(read) => self.receive(&scratch[..read]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            self.write(stream)?;
        }
        Ok(())
    }

    fn receive(&mut self, mut input: &[u8]) {
        loop {
            let answer = match self.decoder.feed(&mut input) {
                Ok(None) => return,
                Ok(Some(Incoming::Text(text))) => Frame::text(&text),
                Ok(Some(Incoming::Binary(bytes))) => Frame::binary(&bytes),
                Ok(Some(Incoming::Ping(payload))) => Frame::pong(&payload),
                Ok(Some(Incoming::Pong(_))) => continue,
                Ok(Some(Incoming::Close(reason))) => {
                    self.ended = true;
                    Frame::close_reply(reason.as_ref())
                }
                Err(violation) => {
                    self.ended = true;
                    violation.frame()
                }
            };
            self.queue.push(answer);
        }
    }

    fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = self.queue.slices(&mut slices);
            match stream.try_write_vectored(&slices[..used]) {
                Ok(written) => {
                    self.queue.advance(written);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
