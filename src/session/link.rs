//! A session's end of the wire: bytes in, frames out, nothing of what they mean.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::codec::{Decoder, Incoming, MAX_SLICES, Violation, WriteQueue};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// What a read found.
#[derive(Debug)]
pub(super) enum Received {
    /// Whole messages, perhaps none yet.
    Messages(Vec<Incoming>),
    /// Messages, and behind them bytes that break the protocol.
    Broken(Vec<Incoming>, Violation),
    /// The page is gone.
    End,
}

#[derive(Debug)]
pub(super) struct Link {
    io: TcpStream,
    decoder: Decoder,
    queue: WriteQueue,
    /// When bytes last went out, or began to wait.
    progress_at: Instant,
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
            progress_at: Instant::now(),
        }
    }

    /// Waits until bytes may be read. Polling, not `readable()`: it takes the place of the waker that the finished
    /// HTTP task left in the reader's slot, and so frees that task's memory.
    pub(super) async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.io.poll_read_ready(context)).await
    }

    /// Waits until bytes may be written.
    pub(super) async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| self.io.poll_write_ready(context)).await
    }

    /// Reads once what has come.
    pub(super) fn receive(&mut self) -> Received {
        let mut buffer = [0; READ_BYTES];
        match self.io.try_read(&mut buffer) {
            Ok(0) => Received::End,
            Ok(length) => self.decode(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Received::Messages(Vec::new()),
            Err(_) => Received::End,
        }
    }

    /// Decodes bytes that have come.
    pub(super) fn decode(&mut self, mut input: &[u8]) -> Received {
        let mut messages = Vec::new();
        loop {
            match self.decoder.feed(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return Received::Messages(messages),
                Err(violation) => return Received::Broken(messages, violation),
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
        self.has_unwritten().then_some(self.progress_at)
    }

    /// Notes that there was nothing to write until now.
    pub(super) fn begin_write(&mut self) {
        self.progress_at = Instant::now();
    }

    /// Writes with one system call as much of the queue as it takes; nothing if the page does not read.
    pub(super) fn write(&mut self) -> io::Result<Written> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.queue.slices(&mut slices);
        match self.io.try_write_vectored(&slices[..count]) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                self.progress_at = Instant::now();
                Ok(Written {
                    frames: self.queue.advance(bytes),
                    bytes,
                })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Written::default()),
            Err(error) => Err(error),
        }
    }

    /// Ends the sending side, so that the page reads all that was written before it sees the end.
    pub(super) async fn shut(&mut self) {
        use tokio::io::AsyncWriteExt;
        if let Err(error) = self.io.shutdown().await {
            tracing::debug!(%error, "the page was gone already");
        }
    }
}
