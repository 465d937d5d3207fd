//! The one wire that payloads arrive on.
//!
//! Each wire has its own marks, so that what an old one still reports cannot confuse the new one. On a Cluster each
//! room has a command of its own, since a command is about one slot; and only the server's own confirmation counts,
//! since one that it sends unasked when a slot moves may be taken for the answer to another command.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::super::cluster::Redirect;
use super::super::fault::LinkError;
use super::super::keys::Keys;
use super::super::shard::Shard;
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

/// What a server did not take.
#[derive(Debug, Default)]
pub(super) struct Refused {
    pub(super) rooms: HashSet<RoomName>,
    /// Who has the slot of one of them.
    pub(super) redirect: Option<Redirect>,
}

/// What the watchdog sees of a line.
#[derive(Clone, Debug)]
pub(in super::super) struct View {
    pub(in super::super) wire: Wire,
    /// Whether names have slots.
    pub(in super::super) is_sharded: bool,
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
    /// Names that the server has confirmed, on a Cluster.
    on: Mutex<HashSet<Vec<u8>>>,
}

impl Line {
    /// Opens a wire and subscribes the canary on it.
    pub(super) async fn open(
        shard: &Shard,
        canary: String,
        is_sharded: bool,
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
        let mut wire = shard.open(push).await?;
        let subscribed = if is_sharded {
            let mut command = redis::cmd("SSUBSCRIBE");
            command.arg(&canary).exec_async(&mut wire.commands).await
        } else {
            wire.commands.subscribe(&canary).await
        };
        subscribed.map_err(|error| shard.fault(&error))?;
        Ok(Self {
            view: View {
                wire,
                is_sharded,
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

    /// Does what a batch says; returns once the server has answered all of it, with what it did not take.
    pub(super) async fn change(&mut self, keys: &Keys, batch: &Batch) -> RedisResult<Refused> {
        let name = |room: &RoomName| keys.payloads(room);
        let enter: Vec<_> = batch.enter.iter().map(|(room, _)| name(room)).collect();
        let leave: Vec<_> = batch.leave.iter().map(name).collect();
        self.marks
            .leaving()
            .extend(leave.iter().map(|name| name.clone().into_bytes()));
        if self.view.is_sharded {
            return self.change_sharded(&batch.enter, &enter, &leave).await;
        }
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
        entered.and(left).map(|()| Refused::default())
    }

    async fn change_sharded(
        &mut self,
        rooms: &[(RoomName, u64)],
        enter: &[String],
        leave: &[String],
    ) -> RedisResult<Refused> {
        let send = |command: &'static str, name: &String| {
            let (mut commands, mut command) =
                (self.view.wire.commands.clone(), redis::cmd(command));
            command.arg(name);
            async move { command.exec_async(&mut commands).await }
        };
        let entering = join_all(enter.iter().map(|name| send("SSUBSCRIBE", name)));
        let leaving = join_all(leave.iter().map(|name| send("SUNSUBSCRIBE", name)));
        let (entered, left) = tokio::join!(entering, leaving);
        let mut refused = Refused::default();
        for error in entered.into_iter().chain(left).filter_map(Result::err) {
            // What is left belongs to somebody else, and the server has ended it.
            if error.code().is_none() || !error.is_cluster_error() {
                return Err(error);
            }
            let redirect = Redirect::of(&error, &self.view.wire.server);
            refused.redirect = refused.redirect.or(redirect);
        }
        let on = self.marks.on();
        let is_on = |name: &String| on.contains(name.as_bytes());
        let refused_rooms = rooms.iter().zip(enter).filter(|(_, name)| !is_on(name));
        refused.rooms = refused_rooms.map(|((room, _), _)| room.clone()).collect();
        Ok(refused)
    }
}

impl Marks {
    fn leaving(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
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
        (
            PushKind::Message | PushKind::SMessage,
            Some(Value::BulkString(name)),
            Some(Value::BulkString(payload)),
        ) => {
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
        (PushKind::SSubscribe, Some(Value::BulkString(name)), _) => {
            marks.on().insert(name);
        }
        (PushKind::Unsubscribe | PushKind::SUnsubscribe, Some(Value::BulkString(name)), _) => {
            marks.on().remove(&name);
            if !marks.leaving().remove(&name) {
                // A closed receiver means that the wire is given up.
                let _ = end.send(name);
            }
        }
        (PushKind::Disconnection, ..) => marks.broken.cancel(),
        _ => {}
    }
}
