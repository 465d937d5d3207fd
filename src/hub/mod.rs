//! The rooms of this node and their members.
//!
//! The hub is a few shards; a room lives in the one that its name chooses, and everything about it happens there, one
//! thing after the other: no room is ever locked. Sessions send [`Command`]s and wait while a shard's queue is full;
//! the broker's events never wait: what finds a full queue is lost, and the broker tells later which rooms to suspect.

pub mod admission;
pub mod lines;
pub mod room;
pub mod seat;
mod shard;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;

use crate::broker::{Event, SharedBroker, Sink};
use crate::protocol::{Position, Range, RequestId, RoomName};
use crate::telemetry::Metrics;

pub use admission::Admission;
pub use seat::{Line, Run, Seat, SeatId};

/// Commands that wait for one shard; sessions wait at the bound.
const COMMAND_QUEUE: usize = 1024;
/// Events that wait for one shard; at the bound they are lost, and read from the log later.
const EVENT_QUEUE: usize = 16 * 1024;

/// What a session asks of a room.
#[derive(Debug)]
pub enum Command {
    /// Answered with `joined` and the stream, or with an error after which the session is no member.
    Join {
        /// Who.
        seat: Arc<dyn Seat>,
        /// Of the request.
        id: RequestId,
        /// Where the page stands.
        after: Option<Position>,
        /// Most messages to catch up with.
        limit: usize,
    },
    /// Ends a membership; answered with `left` if the request has an id.
    Leave {
        /// Who.
        seat: Arc<dyn Seat>,
        /// Of the request; `None` when the session has ended.
        id: Option<RequestId>,
    },
    /// The outbox has drained: the stream may go on.
    Drained {
        /// Whose.
        seat: SeatId,
    },
    /// The user has another name.
    Rename {
        /// Whose.
        seat: SeatId,
    },
    /// Answered with `history`.
    History {
        /// Who.
        seat: Arc<dyn Seat>,
        /// Of the request.
        id: RequestId,
        /// Which messages.
        range: Range,
        /// How many at most.
        limit: usize,
        /// Dropped with the answer.
        ticket: Ticket,
    },
    /// Answered with `members`.
    Members {
        /// Who.
        seat: Arc<dyn Seat>,
        /// Of the request.
        id: RequestId,
        /// Where the page begins.
        cursor: Option<String>,
        /// How many at most.
        limit: usize,
        /// Dropped with the answer.
        ticket: Ticket,
    },
}

/// A command and the room that it is for.
pub type Order = (RoomName, Command);

/// Held while a request has no answer yet, so that its session can bound how many there are.
pub struct Ticket(Box<dyn Send + Sync>);

impl Ticket {
    /// Wraps what notices its own drop.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ticket({:p})", self.0)
    }
}

#[derive(Debug)]
struct Entrance {
    commands: mpsc::Sender<Order>,
    /// Entries and ephemerals: bounded, lost at the bound.
    events: mpsc::Sender<Event>,
    /// Changes of state, at most a few per room: never lost.
    changes: mpsc::UnboundedSender<Event>,
}

#[derive(Debug)]
struct Exit {
    commands: mpsc::Receiver<Order>,
    events: mpsc::Receiver<Event>,
    changes: mpsc::UnboundedReceiver<Event>,
}

/// How the hub times its rooms.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a user who left may come back unnoticed. Setting `fleet.debounce`.
    pub debounce: Duration,
    /// How long a join may wait. Setting `limits.send_timeout`.
    pub join_timeout: Duration,
    /// Least time between two writes of a room to its members. Setting `limits.fanout_interval`.
    pub fanout_interval: Duration,
}

/// The way into the shards.
#[derive(Debug)]
pub struct Hub {
    shards: Vec<Entrance>,
}

/// A hub whose shards do not run yet: the broker, which the shards need, needs the hub first.
#[derive(Debug)]
pub struct Idle {
    exits: Vec<Exit>,
}

impl Hub {
    /// Makes a hub of `shards` shards, at least one.
    #[must_use]
    pub fn new(shards: usize) -> (Arc<Self>, Idle) {
        let (shards, exits) = (0..shards.max(1)).map(|_| pair()).unzip();
        (Arc::new(Self { shards }), Idle { exits })
    }

    /// Hands a session's command to the room.
    ///
    /// A command given after the hub has stopped is dropped: its session is ending too.
    ///
    /// # Errors
    /// The order itself, if the shard's queue is full: [`Hub::command`] waits.
    pub fn offer(&self, room: RoomName, command: Command) -> Result<(), Order> {
        match self.shard(&room).commands.try_send((room, command)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(order)) => Err(order),
            Err(TrySendError::Closed(_)) => {
                tracing::debug!("the hub has stopped");
                Ok(())
            }
        }
    }

    /// As [`Hub::offer`], but waits while the shard's queue is full.
    pub async fn command(&self, order: Order) {
        if self.shard(&order.0).commands.send(order).await.is_err() {
            tracing::debug!("the hub has stopped");
        }
    }

    fn shard(&self, room: &RoomName) -> &Entrance {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        let index = hasher.finish() % self.shards.len() as u64;
        &self.shards[usize::try_from(index).unwrap_or_default()]
    }
}

impl Idle {
    /// Runs the shards until the returned set is dropped.
    #[must_use]
    pub fn start(
        self,
        broker: &SharedBroker,
        timing: Timing,
        metrics: &Arc<Metrics>,
        admission: &Arc<dyn Admission>,
    ) -> JoinSet<()> {
        let mut shards = JoinSet::new();
        for exit in self.exits {
            let (metrics, admission) = (metrics.clone(), admission.clone());
            let shard = shard::Shard::new(broker.clone(), timing, metrics, admission);
            shards.spawn(shard.run(exit));
        }
        shards
    }
}

impl Sink for Hub {
    fn event(&self, event: Event) -> bool {
        match &event {
            Event::Entries { room, .. }
            | Event::Ephemeral { room, .. }
            | Event::Probed { room, .. } => self.shard(room).events.try_send(event).is_ok(),
            Event::Subscribed { room, .. } | Event::Suspect { room } => {
                self.shard(room).changes.send(event).is_ok()
            }
            Event::Up | Event::Down { .. } | Event::LeaseRenewed => self
                .shards
                .iter()
                .all(|shard| shard.changes.send(event.clone()).is_ok()),
        }
    }
}

fn pair() -> (Entrance, Exit) {
    let (commands, commands_out) = mpsc::channel(COMMAND_QUEUE);
    let (events, events_out) = mpsc::channel(EVENT_QUEUE);
    let (changes, changes_out) = mpsc::unbounded_channel();
    let exit = Exit {
        commands: commands_out,
        events: events_out,
        changes: changes_out,
    };
    (
        Entrance {
            commands,
            events,
            changes,
        },
        exit,
    )
}
