//! A session's end of the wire: bytes in, messages out, nothing of what they mean.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use super::codec::{Decoder, Incoming, Violation};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// Where a thread's sessions read into, one after the other: none holds a buffer of its own.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What a read came to.
#[derive(Debug)]
pub(super) enum Received {
    /// Whole messages, perhaps none yet.
    Messages,
    /// Behind the messages are bytes that break the protocol.
    Broken(Violation),
    /// The page is gone.
    End,
}

/// What of the wire the session's task has; its outbox has the other half.
#[derive(Debug)]
pub(super) struct Link {
    io: OwnedReadHalf,
    decoder: Decoder,
}

impl Link {
    pub(super) fn new(io: OwnedReadHalf, max_message_bytes: usize) -> Self {
        Self {
            io,
            decoder: Decoder::new(max_message_bytes),
        }
    }

    /// Reads once what has come, and hands the messages in it to `take`.
    ///
    /// A read that does not fill the buffer has emptied the stream: tokio knows that then without another one. The poll
    /// takes the place of the waker that the finished HTTP task left in the reader's slot, and so frees its memory.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnMut(Incoming),
    ) -> Poll<Received> {
        READ.with_borrow_mut(|bytes| {
            let mut buffer = ReadBuf::new(bytes);
            match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(Received::End),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Received::End),
                Poll::Ready(Ok(())) => Poll::Ready(self.decode(buffer.filled(), take)),
            }
        })
    }

    /// Waits until the page's side ends, and throws away what it still says.
    pub(super) async fn end(&mut self) {
        while !matches!(
            poll_fn(|context| self.poll_receive(context, drop)).await,
            Received::End | Received::Broken(_)
        ) {}
    }

    /// Waits until bytes may be written.
    pub(super) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_ref().poll_write_ready(context)
    }

    /// Decodes bytes that have come.
    pub(super) fn decode(&mut self, mut input: &[u8], mut take: impl FnMut(Incoming)) -> Received {
        loop {
            match self.decoder.feed(&mut input) {
                Ok(Some(message)) => take(message),
                Ok(None) => return Received::Messages,
                Err(violation) => return Received::Broken(violation),
            }
        }
    }
}
