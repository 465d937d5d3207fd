//! What joins nodes: the contract, and its two implementations.
//!
//! A broker numbers a room's entries, keeps the recent ones in the room's log and carries them to every node that
//! subscribed to the room. What it guarantees:
//!
//! * **Accepted means kept.** [`Accepted`] is answered only for an entry that stands in the log. Its (epoch, seq) never
//!   names another entry.
//! * **Order.** The publishes of one [`Source`] to one room are numbered in the order of the calls, across retryable
//!   refusals too: after one of them every later publish of that source and room is refused with the same code until
//!   one of the refused keys comes again, the source is forgotten, or ten seconds pass since the last one that was refused
//!   on its own account.
//! * **Once.** A publish repeated with the same author, key and text within the dedupe window answers with the first
//!   result and `duplicate`, and is not carried again.
//! * **Delivery is a hint, the log is the truth.** [`Event::Entries`] may be lost, repeated or late. Whoever needs
//!   every entry compares positions and uses [`Broker::read`]; [`Event::Probed`] bounds how long a lost last entry
//!   stays unnoticed.

pub mod chain;
pub mod event;
pub mod fleet;
pub mod grant;
pub mod memory;
pub mod presence;
pub mod publish;
pub mod redis;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::protocol::{Epoch, NodeId, Position, RoomName};

pub use chain::{Chain, Verdict};
pub use event::{Ephemeral, Event, Sink};
pub use fleet::FleetNode;
pub use grant::Grant;
pub use presence::{PresenceChange, Roster};
pub use publish::{Accepted, Publish, Refusal, Reply, Source};

/// One numbered entry as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lineage that the number belongs to.
    pub epoch: Epoch,
    /// Number in the room, from 1.
    pub seq: u64,
    /// Unix time in milliseconds by the broker's clock; never less than the entry before it.
    pub at: u64,
    /// The JSON object `{key, user, kind?, text?, …}` as its publisher wrote it, or bytes that are none.
    pub m: Bytes,
}

/// Which entries a read is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The oldest entries above this seq.
    After(u64),
    /// The newest entries below this seq.
    Before(u64),
    /// The newest entries of the log.
    Newest,
}

/// What one read saw, all of it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Epochs of the room, oldest first; empty for a room without keys.
    pub chain: Chain,
    /// Lowest seq kept in the log, 0 when it holds none.
    pub first: u64,
    /// Highest seq ever numbered in the log's lineage, 0 for a room without keys.
    pub end: u64,
    /// The entries asked for, ascending, holes left out.
    pub entries: Vec<Entry>,
    /// Whether the span holds more entries than the limit allowed to answer.
    pub more: bool,
}

/// State of the way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Never reached since the node started; the reason of the last failure, if there was one.
    Starting(Option<String>),
    /// Publishing and subscribing work.
    Up,
    /// Reached before, not now.
    Down(Outage),
}

/// Why the broker is not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The reason in words for a person.
    pub reason: String,
    /// Whether it stays until somebody changes a setting, of the node or of the broker: no node is sick by that.
    pub is_configuration: bool,
}

/// A read that got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker is not available: {0}")]
pub struct Unavailable(pub String);

/// The contract. See the [module](self) for the guarantees.
///
/// No method blocks. Those that answer do so through a future, a [`Reply`] or an [`Event`] given to the [`Sink`] that
/// the implementation was started with.
pub trait Broker: Send + Sync + 'static {
    /// Hands an entry over to be numbered and kept; the answer comes through [`Publish::reply`].
    fn publish(&self, publish: Publish);

    /// Forgets the refusals of a source in a room, or in all rooms: it left, what it sends next starts anew.
    fn forget(&self, source: Source, room: Option<&RoomName>);

    /// Asks for a room's payloads. [`Event::Subscribed`] with this generation follows once they arrive, and again
    /// after each time that the subscription was interrupted.
    fn subscribe(&self, room: RoomName, generation: u64);

    /// Ends a room's subscription, if `generation` is still the one asked for last.
    fn unsubscribe(&self, room: RoomName, generation: u64);

    /// Tells which position this node has delivered in a room; `None` forgets the room.
    ///
    /// The broker keeps the highest seq ever told for each of the room's recent epochs. A publish whose log ends below
    /// it starts a new epoch: the log was rewound.
    fn delivered(&self, room: &RoomName, position: Option<&Position>);

    /// Reads a part of a room's log, at most `limit` entries.
    ///
    /// # Errors
    /// [`Unavailable`] when no answer came within the setting `limits.send_timeout`.
    fn read(
        &self,
        room: RoomName,
        span: Span,
        limit: usize,
    ) -> BoxFuture<'static, Result<Snapshot, Unavailable>>;

    /// Carries something without a number to the nodes with members in the room; lost when the broker is away.
    fn ephemeral(&self, room: &RoomName, ephemeral: Ephemeral);

    /// Applies changes of this node's users to the room's presence and announces to all nodes those that changed it.
    ///
    /// A user is in the room while any node's lease holds it.
    fn presence(&self, room: RoomName, changes: Vec<PresenceChange>);

    /// Reads who is in a room over all nodes: `limit` users from an opaque cursor on.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Broker::read`].
    fn roster(
        &self,
        room: RoomName,
        cursor: Option<String>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Roster, Unavailable>>;

    /// Reads which nodes hold a lease now: the fleet, ordered by node name.
    ///
    /// A node that stopped is in it, marked as leaving, for the setting `fleet.debounce` at most; one that died for
    /// `fleet.lease` at most; one that has said so ([`Broker::leaving`]) is marked until it stops.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Broker::read`].
    fn fleet(&self) -> BoxFuture<'static, Result<Vec<FleetNode>, Unavailable>>;

    /// Marks the node's lease as leaving from now on; the node goes on with all else.
    fn leaving(&self);

    /// Makes a round trip to the broker that begins when the future is first polled.
    ///
    /// # Errors
    /// [`Unavailable`] when no answer came within a second.
    fn sees(&self) -> BoxFuture<'static, Result<(), Unavailable>>;

    /// Asks on behalf of another node, which does not reach the broker, for the grant to be unready, or renews it.
    ///
    /// At most a quarter of the nodes that were seen within [`grant::SEEN_FOR`] have one at a time, and one node always
    /// may. It ends by the broker's clock.
    ///
    /// # Errors
    /// [`Unavailable`] when no answer came within a second; the grant may have been given.
    fn grant(&self, node: &NodeId) -> BoxFuture<'static, Result<Grant, Unavailable>>;

    /// Ends a node's grant before its time, for it sees the broker again: another one may have it.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Broker::grant`]; the grant ends by itself then.
    fn give_back(&self, node: &NodeId) -> BoxFuture<'static, Result<(), Unavailable>>;

    /// Returns the fleet's identity key: the one kept in the broker, or `candidate` if it holds none yet.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Broker::read`].
    fn identity_key(&self, candidate: Bytes) -> BoxFuture<'static, Result<Bytes, Unavailable>>;

    /// Returns the state of the way to the broker and its changes.
    fn health(&self) -> watch::Receiver<Health>;

    /// Returns the broker's time as this node knows it, in Unix milliseconds.
    fn now_ms(&self) -> u64;

    /// Answers what is under way, gives up the node's lease and ends.
    fn stop(&self) -> BoxFuture<'static, ()>;
}

/// A broker shared by all parts of a node.
pub type SharedBroker = Arc<dyn Broker>;

impl std::fmt::Debug for dyn Broker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Broker")
    }
}
