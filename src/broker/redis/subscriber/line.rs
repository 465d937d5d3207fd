//! The one wire that payloads arrive on.
//!
//! Each wire has its own marks, so that what an old one still reports cannot confuse the new one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::super::fault::LinkError;
use super::super::link::Link;
use super::super::wire::Wire;
use super::inbox::Inbox;
use super::wanted::Batch;
use crate::protocol::RoomName;

/// An open wire with what it reports.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) view: View,
    marks: Arc<Marks>,
    ended: mpsc::UnboundedReceiver<Vec<u8>>,
}

/// What the watchdog sees of a line.
#[derive(Clone, Debug)]
pub(in super::super) struct View {
    pub(in super::super) wire: Wire,
    /// Name that this node publishes to itself under.
    pub(in super::super) canary: String,
    /// The last canary that arrived.
    pub(in super::super) heard: watch::Receiver<Heard>,
}

/// A canary and when it arrived.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Heard {
    pub(in super::super) number: u64,
    pub(in super::super) at: Instant,
}

#[derive(Debug, Default)]
struct Marks {
    broken: CancellationToken,
    /// Names that are being unsubscribed.
    leaving: Mutex<HashSet<Vec<u8>>>,
}

impl Line {
    /// Opens a wire and subscribes the canary on it.
    pub(super) async fn open(
        link: &Link,
        canary: String,
        inbox: Arc<Inbox>,
    ) -> Result<Self, LinkError> {
        let marks = Arc::new(Marks::default());
        let (told, heard) = watch::channel(Heard {
            number: 0,
            at: Instant::now(),
        });
        // It holds at most the names subscribed on this wire.
        let (end, ended) = mpsc::unbounded_channel();
        let push = {
            let (marks, canary) = (Arc::clone(&marks), canary.clone().into_bytes());
            move |info: PushInfo| take(info, &canary, &told, &inbox, &marks, &end)
        };
        let mut wire = link.open(push).await?;
        wire.commands
            .subscribe(&canary)
            .await
            .map_err(|error| link.fault(&error))?;
        Ok(Self {
            view: View {
                wire,
                canary,
                heard,
            },
            marks,
            ended,
        })
    }

    /// Returns the mark that is set when the wire breaks.
    pub(super) fn broken(&self) -> CancellationToken {
        self.marks.broken.clone()
    }

    /// Waits for a subscription to end unasked and returns its name.
    pub(super) async fn ended(&mut self) -> Vec<u8> {
        match self.ended.recv().await {
            Some(name) => name,
            // The wire is gone, which is told elsewhere.
            None => std::future::pending().await,
        }
    }

    /// Does what a batch says; returns once the server has confirmed all of it.
    pub(super) async fn change(&mut self, link: &Link, batch: &Batch) -> RedisResult<()> {
        let name = |room: &RoomName| link.keys().payloads(room);
        let enter: Vec<_> = batch.enter.iter().map(|(room, _)| name(room)).collect();
        let leave: Vec<_> = batch.leave.iter().map(name).collect();
        self.marks
            .leaving()
            .extend(leave.iter().map(|name| name.clone().into_bytes()));
        let (mut one, mut other) = (
            self.view.wire.commands.clone(),
            self.view.wire.commands.clone(),
        );
        let entering = async {
            if enter.is_empty() {
                Ok(())
            } else {
                one.subscribe(&enter).await
            }
        };
        let leaving = async {
            if leave.is_empty() {
                Ok(())
            } else {
                other.unsubscribe(&leave).await
            }
        };
        let (entered, left) = tokio::join!(entering, leaving);
        entered.and(left)
    }
}

impl Marks {
    fn leaving(&self) -> std::sync::MutexGuard<'_, HashSet<Vec<u8>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the server sends unasked. Runs in the task that reads the wire, so nothing here waits.
fn take(
    info: PushInfo,
    canary: &[u8],
    told: &watch::Sender<Heard>,
    inbox: &Inbox,
    marks: &Marks,
    end: &mpsc::UnboundedSender<Vec<u8>>,
) {
    let mut data = info.data.into_iter();
    match (info.kind, data.next(), data.next()) {
        (PushKind::Message, Some(Value::BulkString(name)), Some(Value::BulkString(payload))) => {
            if name != canary {
                inbox.offer(name, payload);
            } else if let Some(number) = str::from_utf8(&payload)
                .ok()
                .and_then(|text| text.parse().ok())
            {
                told.send_replace(Heard {
                    number,
                    at: Instant::now(),
                });
            }
        }
        (PushKind::Unsubscribe, Some(Value::BulkString(name)), _)
            if !marks.leaving().remove(&name) =>
        {
            // A closed receiver means that the wire is given up.
            let _ = end.send(name);
        }
        (PushKind::Disconnection, ..) => marks.broken.cancel(),
        _ => {}
    }
}
