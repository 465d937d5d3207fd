//! Payloads between the wire and the sink.
//!
//! The wire must never wait, so it offers what it read to a queue that is bounded in count and bytes. What finds no
//! place is counted and its room suspected: no payload is lost in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::super::{Ephemeral, Event, Sink};
use super::super::keys::Keys;
use super::super::notices::Notices;
use super::super::payload::Payload;
use super::super::probe::Probe;
use crate::protocol::RoomName;
use crate::telemetry::Metrics;

/// Payloads that may wait: some tenths of a second at the rate that one Redis carries.
const QUEUE: usize = 16_384;

/// Bytes of all payloads that may wait.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Payloads handed on before other tasks get their turn.
const BATCH: usize = 128;

/// The place where the wire leaves payloads.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: mpsc::Sender<Arrived>,
    waiting_bytes: AtomicUsize,
    limit_bytes: usize,
    sink: Arc<dyn Sink>,
    keys: Keys,
    notices: Arc<Notices>,
    probe: Arc<Probe>,
    metrics: Arc<Metrics>,
}

/// A payload with the name it was published under.
#[derive(Debug)]
pub(super) struct Arrived {
    name: Vec<u8>,
    payload: Bytes,
}

impl Inbox {
    pub(super) fn new(
        sink: Arc<dyn Sink>,
        keys: Keys,
        notices: Arc<Notices>,
        probe: Arc<Probe>,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, mpsc::Receiver<Arrived>) {
        Self::with_limits(QUEUE, QUEUE_BYTES, sink, keys, notices, probe, metrics)
    }

    fn with_limits(
        count: usize,
        limit_bytes: usize,
        sink: Arc<dyn Sink>,
        keys: Keys,
        notices: Arc<Notices>,
        probe: Arc<Probe>,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, mpsc::Receiver<Arrived>) {
        let (queue, arrived) = mpsc::channel(count);
        let waiting_bytes = AtomicUsize::new(0);
        (
            Arc::new(Self {
                queue,
                waiting_bytes,
                limit_bytes,
                sink,
                keys,
                notices,
                probe,
                metrics,
            }),
            arrived,
        )
    }

    /// Takes a payload from the wire without waiting.
    pub(super) fn offer(&self, name: Vec<u8>, payload: Vec<u8>) {
        let size = payload.len();
        let has_room =
            self.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size <= self.limit_bytes;
        let refused = if has_room {
            match self.queue.try_send(Arrived {
                name,
                payload: payload.into(),
            }) {
                Ok(()) => return,
                Err(
                    mpsc::error::TrySendError::Full(arrived)
                    | mpsc::error::TrySendError::Closed(arrived),
                ) => arrived.name,
            }
        } else {
            name
        };
        self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        self.metrics.broker_pushes_dropped.inc();
        if let Some(room) = self.keys.room_of(&refused) {
            self.suspect(room);
        }
    }

    /// Hands payloads to the sink, for as long as it is polled.
    pub(super) async fn run(&self, mut arrived: mpsc::Receiver<Arrived>) {
        let mut batch = Vec::with_capacity(BATCH);
        while arrived.recv_many(&mut batch, BATCH).await > 0 {
            for Arrived { name, payload } in batch.drain(..) {
                self.waiting_bytes
                    .fetch_sub(payload.len(), Ordering::Relaxed);
                if let Some(room) = self.keys.room_of(&name) {
                    self.hand_on(room, &payload);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn hand_on(&self, room: RoomName, payload: &Bytes) {
        match Payload::decode(payload) {
            Ok(Payload::Entries(entries)) => {
                if !self.sink.event(Event::Entries {
                    room: room.clone(),
                    entries,
                }) {
                    self.metrics.broker_pushes_dropped.inc();
                    self.suspect(room);
                }
            }
            Ok(Payload::Ephemeral(ephemeral)) => self.hand_on_ephemeral(room, ephemeral),
            Ok(Payload::Unknown) => {}
            Err(error) => {
                tracing::debug!(room.name = %room, %error, "a payload is passed over");
                self.suspect(room);
            }
        }
    }

    fn hand_on_ephemeral(&self, room: RoomName, ephemeral: Ephemeral) {
        if !self.sink.event(Event::Ephemeral { room, ephemeral }) {
            self.metrics.broker_pushes_dropped.inc();
        }
    }

    fn suspect(&self, room: RoomName) {
        self.probe.soon(&room);
        self.notices.suspect(room);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::recorder::Recorder;
    use super::super::super::testing::RedisServer;
    use super::super::super::way::Way;
    use super::*;

    #[tokio::test]
    async fn what_finds_no_place_is_counted_and_its_room_suspected() {
        let (seen, metrics) = (Arc::<Recorder>::default(), Arc::new(Metrics::new()));
        let sink = || -> Arc<dyn Sink> { Arc::<Recorder>::clone(&seen) };
        let link = RedisServer::start().link();
        let notices = Arc::new(Notices::new(sink()));
        let way = Arc::new(Way::new(Arc::clone(&notices), Arc::clone(&metrics), true));
        let probe = Arc::new(Probe::new(
            Arc::clone(&link),
            sink(),
            Arc::clone(&notices),
            way,
            Arc::clone(&metrics),
        ));
        let keys = link.keys().clone();
        let inbox = |count, bytes| {
            Inbox::with_limits(
                count,
                bytes,
                sink(),
                keys.clone(),
                Arc::clone(&notices),
                Arc::clone(&probe),
                Arc::clone(&metrics),
            )
        };
        let payload = |seq: u64| format!("1ee1\n{seq} 5 2\n{{}}").into_bytes();
        let size = payload(1).len();
        for (count, bytes) in [(2, usize::MAX), (9, 2 * size)] {
            metrics.broker_pushes_dropped.reset();
            let (inbox, arrived) = inbox(count, bytes);
            for seq in 1..=3 {
                inbox.offer(b"madang:{a}".to_vec(), payload(seq));
            }
            assert_eq!(metrics.broker_pushes_dropped.get(), 1);
            let room = RoomName::trusted("a");
            tokio::select! {
                () = inbox.run(arrived) => {}
                () = notices.run() => {}
                () = seen.expect("suspect", |event| *event == Event::Suspect { room: room.clone() }) => {}
            }
            assert!(seen.seqs(&room).len() <= 2);
            seen.clear();
            inbox.offer(b"madang:{a}".to_vec(), payload(4));
            assert_eq!(
                metrics.broker_pushes_dropped.get(),
                2,
                "its queue is closed"
            );
        }
    }
}
