//! A small world: one broker, three nodes, five pages.
//!
//! [`World::walk`] takes random steps and lets it become calm every now and then. Whatever breaks the protocol on the
//! way panics where it is seen; what holds only in the end is checked when it is calm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::dice::Dice;
use super::keys::{Key, Keys};
use super::node::Node;
use super::page::Page;
use super::told::Reader;
use crate::hub::seat::{Seat, SeatId};
use crate::protocol::{Position, RequestId};
use crate::telemetry::Metrics;

/// Nodes of a world.
const NODES: usize = 3;
/// Pages of a world.
const PAGES: usize = 5;
/// Steps between two calms.
const CALM_AFTER: usize = 100;

/// What may happen to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Payloads are lost, nodes cut off, Redis restarts with its data: nobody may ever be told of a loss.
    Gentle,
    /// The log is trimmed too: gaps are told, and only where something is gone.
    Dry,
    /// Redis restarts all the time, so that there are more epochs than the chain keeps.
    Restless,
    /// Everything.
    Wild,
}

/// A page's place in a node's room.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) desk: Arc<Desk>,
}

/// A page, and where it sits.
#[derive(Debug, Default)]
pub(super) struct Guest {
    pub(super) page: Page,
    /// The page as it was some time ago: a tab that the browser puts back.
    pub(super) earlier: Page,
    pub(super) place: Option<Place>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    is_traced: bool,
    pub(super) now: Instant,
    pub(super) keys: Keys,
    pub(super) nodes: Vec<Node>,
    pub(super) guests: Vec<Guest>,
    pub(super) reader: Reader,
    /// Keys sent so far.
    pub(super) sent: Key,
    /// Keys whose answer was lost.
    pub(super) unanswered: Vec<Key>,
    /// Clean restarts so far.
    pub(super) restarts: usize,
    /// Whether meta was ever lost.
    pub(super) is_meta_lost: bool,
    seats: u64,
}

impl World {
    pub(super) fn new(
        seed: u64,
        weather: Weather,
        metrics: &Arc<Metrics>,
        is_traced: bool,
    ) -> Self {
        Self {
            dice: Dice::new(seed),
            weather,
            is_traced,
            now: Instant::now(),
            keys: Keys::default(),
            nodes: (0..NODES).map(|_| Node::new(metrics.clone())).collect(),
            guests: (0..PAGES).map(|_| Guest::default()).collect(),
            reader: Reader::default(),
            sent: 0,
            unanswered: Vec::new(),
            restarts: 0,
            is_meta_lost: false,
            seats: 0,
        }
    }

    /// Takes random steps, with a calm every now and then and at the end.
    pub(super) fn walk(&mut self, steps: usize) {
        for step in 1..=steps {
            self.now += Duration::from_millis(self.dice.below(200));
            self.step();
            if step % CALM_AFTER == 0 || step == steps {
                self.calm();
            }
        }
    }

    /// Notes what happens, for the one who reads a failure.
    pub(super) fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            eprintln!("  {}", what());
        }
    }

    /// Lets a page join the room of a node, from where it stands.
    pub(super) fn join(&mut self, guest: usize, node: usize, limit: usize, bound: usize) {
        self.seats += 1;
        let desk = Desk::new(self.seats, bound);
        let page = &mut self.guests[guest].page;
        page.join(limit);
        let after = page.position().cloned();
        self.trace(|| {
            format!(
                "page {guest} joins at node {node} after {after:?}, limit {limit}, outbox {bound}"
            )
        });
        let id = RequestId::from(self.seats);
        self.nodes[node]
            .open()
            .join(desk.clone(), id, after, limit, self.now);
        self.guests[guest].place = Some(Place { node, desk });
        self.serve(node);
    }

    /// Lets a page go; what is in its outbox is lost unless it `reads_on`.
    pub(super) fn leave(&mut self, guest: usize, reads_on: bool) {
        if reads_on {
            self.take(guest, usize::MAX);
        }
        if let Some(place) = self.guests[guest].place.take() {
            self.trace(|| format!("page {guest} leaves node {}", place.node));
            self.nodes[place.node].leave(place.desk.id(), self.now);
            self.serve(place.node);
        }
    }

    /// Lets a page read up to `count` frames out of its outbox.
    pub(super) fn take(&mut self, guest: usize, count: usize) {
        let Some(Place { node, desk }) = &self.guests[guest].place else {
            return;
        };
        let (node, seat) = (*node, desk.id());
        let (frames, goes_on) = desk.take(count);
        for frame in frames {
            let told = self.reader.read(&frame);
            self.trace(|| format!("page {guest} is told {told:?}"));
            self.guests[guest].page.take(&told);
        }
        if goes_on {
            self.nodes[node].drained.push_back(seat);
        }
    }

    /// Gives up a join that waits.
    pub(super) fn expire(&mut self, guest: usize) {
        let Some(Place { node, desk }) = &self.guests[guest].place else {
            return;
        };
        let (node, desk) = (*node, desk.clone());
        let request = RequestId::from(desk.id().0);
        let gave_up = self.nodes[node]
            .room
            .as_ref()
            .is_some_and(|room| room.expire(desk.id(), &request, 1000));
        assert_eq!(
            gave_up,
            !desk.has_joined(),
            "a join is given up if and only if it waits"
        );
        assert_eq!(gave_up, desk.is_expelled());
        if gave_up {
            self.trace(|| format!("the join of page {guest} is given up"));
            self.leave(guest, true);
        }
    }

    /// Lets a node do what its room asks for, and most often end its turn.
    pub(super) fn serve(&mut self, node: usize) {
        let before = self.nodes[node].reads;
        self.nodes[node].serve(self.now);
        if self.dice.hits(70) {
            self.nodes[node].write();
        }
        let is_unwritten = self.nodes[node].is_unwritten();
        let places = self.guests.iter().filter_map(|guest| guest.place.as_ref());
        for place in places.filter(|place| place.node == node) {
            assert!(
                is_unwritten || !place.desk.is_unwritten(),
                "a stream that nobody writes"
            );
        }
        if self.nodes[node].reads > before {
            self.trace(|| {
                format!(
                    "node {node} begins a read at {:?}",
                    self.nodes[node].position()
                )
            });
        }
    }

    /// Returns the page's seat, if it sits.
    pub(super) fn seat(&self, guest: usize) -> Option<SeatId> {
        self.guests[guest]
            .place
            .as_ref()
            .map(|place| place.desk.id())
    }

    /// Returns where the log ends, as a room without epochs counts it.
    pub(super) fn end(&self) -> u64 {
        if self.keys.chain().is_empty() {
            0
        } else {
            self.keys.end()
        }
    }

    /// Returns a position that never was, or (null, 0).
    pub(super) fn odd_position(&mut self) -> Position {
        if self.dice.hits(50) {
            return Position::EMPTY;
        }
        let chain = self.keys.chain();
        let epoch = match chain.len() {
            0 => crate::protocol::Epoch::parse("nowhere").unwrap(),
            length if self.dice.hits(60) => chain[self.dice.index(length)].0.clone(),
            _ => crate::protocol::Epoch::parse("nowhere").unwrap(),
        };
        Position::new(epoch, self.dice.below(self.keys.end() + 4))
    }
}
