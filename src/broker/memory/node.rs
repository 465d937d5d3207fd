//! One node's view of the store: the contract's methods.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::super::{
    Broker, Ephemeral, Event, FleetNode, Grant, Health, PresenceChange, Publish, Roster, Snapshot,
    Source, Span, Unavailable,
};
use super::agenda::now;
use super::publishing::Outcome;
use super::state::{Node, NodeNumber, State};
use super::{MemoryBroker, unix_ms};
use crate::protocol::{NodeId, Position, RoomName};

/// Ends its node when it is dropped: like a process that died, unless [`Broker::stop`] came first.
#[derive(Debug)]
pub(super) struct View {
    pub(super) store: Arc<MemoryBroker>,
    pub(super) number: NodeNumber,
    pub(super) health: watch::Receiver<Health>,
}

impl View {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.store.lock());
        self.store.emit();
        result
    }

    /// Answers from the store when the future is first polled, if the way works then.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Unavailable>> {
        let (store, number) = (self.store.clone(), self.number);
        Box::pin(async move {
            let mut state = store.lock();
            match state
                .nodes
                .get(&number)
                .map(|node| node.health.borrow().clone())
            {
                Some(Health::Up) => Ok(question(&mut state)),
                Some(Health::Down(outage)) => Err(Unavailable(outage.reason)),
                Some(Health::Starting(Some(reason))) => Err(Unavailable(reason)),
                Some(Health::Starting(None)) | None => {
                    Err(Unavailable("the node has ended".to_owned()))
                }
            }
        })
    }
}

impl Broker for View {
    fn publish(&self, publish: Publish) {
        match self.with(|state| state.publish(self.number, &publish)) {
            Outcome::Answer(result) => publish.reply.send(result),
            Outcome::Silence => drop(publish.reply),
        }
    }

    fn forget(&self, source: Source, room: Option<&RoomName>) {
        self.with(|state| {
            if let Some(node) = state.nodes.get_mut(&self.number) {
                node.refusals.forget(source, room);
            }
        });
    }

    fn subscribe(&self, room: RoomName, generation: u64) {
        self.with(|state| state.subscribe(self.number, room, generation));
    }

    fn unsubscribe(&self, room: RoomName, generation: u64) {
        self.with(|state| state.unsubscribe(self.number, &room, generation));
    }

    fn delivered(&self, room: &RoomName, position: Option<&Position>) {
        self.with(|state| state.delivered(self.number, room, position));
    }

    fn read(
        &self,
        room: RoomName,
        span: Span,
        limit: usize,
    ) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        self.ask(move |state| match state.existing(&room, now()) {
            Some(room) => room.record.read(span, limit),
            None => Snapshot::default(),
        })
    }

    fn ephemeral(&self, room: &RoomName, ephemeral: Ephemeral) {
        self.with(|state| {
            if state.nodes.get(&self.number).is_some_and(Node::is_up) {
                state.tell_room(
                    room,
                    &Event::Ephemeral {
                        room: room.clone(),
                        ephemeral,
                    },
                );
            }
        });
    }

    fn presence(&self, room: RoomName, changes: Vec<PresenceChange>) {
        self.with(|state| state.presence(self.number, &room, changes));
    }

    fn roster(
        &self,
        room: RoomName,
        cursor: Option<String>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Roster, Unavailable>> {
        self.ask(move |state| match state.existing(&room, now()) {
            Some(room) => room.presence.roster(cursor.as_deref(), limit),
            None => Roster::default(),
        })
    }

    fn fleet(&self) -> BoxFuture<'static, Result<Vec<FleetNode>, Unavailable>> {
        self.ask(|state| state.fleet())
    }

    fn leaving(&self) {
        self.with(|state| {
            if let Some(node) = state.nodes.get_mut(&self.number) {
                node.is_leaving = true;
            }
        });
    }

    fn sees(&self) -> BoxFuture<'static, Result<(), Unavailable>> {
        self.ask(|_| ())
    }

    fn grant(&self, node: &NodeId) -> BoxFuture<'static, Result<Grant, Unavailable>> {
        let node = node.clone();
        self.ask(move |state| state.grant(&node))
    }

    fn give_back(&self, node: &NodeId) -> BoxFuture<'static, Result<(), Unavailable>> {
        let node = node.clone();
        self.ask(move |state| {
            state.grants.remove(&node);
        })
    }

    fn identity_key(&self, candidate: Bytes) -> BoxFuture<'static, Result<Bytes, Unavailable>> {
        self.ask(move |state| state.identity.get_or_insert(candidate).clone())
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    fn now_ms(&self) -> u64 {
        unix_ms()
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let (store, number) = (self.store.clone(), self.number);
        Box::pin(async move { store.end(number, true) })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.store.end(self.number, false);
    }
}
