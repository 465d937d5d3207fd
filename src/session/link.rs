//! A session's end of the wire: bytes in, frames out, nothing of what they mean.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::codec::{Decoder, Incoming, MAX_SLICES, Violation, WriteQueue};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// What waits is copied together up to this size: one plain `send` of it costs less than a list of frames.
const COPIED_BYTES: usize = 8 * 1024;

thread_local! {
    /// Where a thread's sessions read into, one after the other: none holds a buffer of its own.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    /// Where they put together what they write.
    static WRITE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(COPIED_BYTES));
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

#[derive(Debug)]
pub(super) struct Link {
    io: TcpStream,
    decoder: Decoder,
    queue: WriteQueue,
    /// Since when a write has made no progress.
    stalled_since: Option<Instant>,
}

/// What a write has done.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

impl Link {
    pub(super) fn new(io: TcpStream, max_message_bytes: usize) -> Self {
        Self {
            io,
            decoder: Decoder::new(max_message_bytes),
            queue: WriteQueue::new(),
            stalled_since: None,
        }
    }

    /// Reads once what has come, and hands the messages in it to `take`.
    ///
    /// A read that does not fill the buffer has emptied the stream: tokio knows that then without another one.
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
        self.io.poll_write_ready(context)
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

    pub(super) fn queue(&mut self) -> &mut WriteQueue {
        &mut self.queue
    }

    pub(super) fn has_unwritten(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Returns since when a write has made no progress.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Writes with one system call as much of the queue as it takes; nothing if the page does not read.
    pub(super) fn write(&mut self) -> io::Result<Written> {
        match self.write_once() {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                let frames = self.queue.advance(bytes);
                self.stalled_since = self.has_unwritten().then(Instant::now);
                Ok(Written { frames, bytes })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.stalled_since.get_or_insert_with(Instant::now);
                Ok(Written::default())
            }
            Err(error) => Err(error),
        }
    }

    fn write_once(&self) -> io::Result<usize> {
        WRITE.with_borrow_mut(|buffer| {
            buffer.clear();
            if self.queue.copy_to(buffer, COPIED_BYTES) {
                return self.io.try_write(buffer);
            }
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.queue.slices(&mut slices);
            self.io.try_write_vectored(&slices[..count])
        })
    }

    /// Gives memory back that a silent session does not need.
    pub(super) fn rest(&mut self) {
        self.queue.rest();
    }

    /// Ends the sending side, so that the page reads all that was written before it sees the end.
    pub(super) async fn shut(&mut self) {
        use tokio::io::AsyncWriteExt;
        if let Err(error) = self.io.shutdown().await {
            tracing::debug!(%error, "the page was gone already");
        }
    }
}
