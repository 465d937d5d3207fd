//! The publishing side: workers that number and keep what sessions send.
//!
//! A room always goes to the same worker, and a worker holds back the rooms whose calls are under way: so two calls of one
//! room never are, and what a source sends to a room is numbered in its order. Each worker's queue is bounded; a full one
//! refuses at the door, where the order across refusals is kept as it is behind it.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{Ephemeral, Publish, Refusal, Source};
use super::batch::{self, Item};
use super::cluster::{SLOTS, slot_of};
use super::link::Link;
use super::payload;
use super::pipeline::Sender;
use super::positions::Positions;
use super::refusals::Refusals;
use crate::protocol::RoomName;

/// Items that a worker looks at for one pipeline: as many keep Redis at work for some milliseconds, and nobody's answer
/// waits longer for those of others.
const MAX_ITEMS: usize = 128;

/// Pipelines that a worker has under way, unless rooms are hot or it is one of many.
const PIPELINES: usize = 2;

/// Workers on a Cluster for each wire that a master's pool has.
const CLUSTER_WORKERS: usize = 4;

/// Hands messages to the workers.
#[derive(Debug)]
pub struct Publisher {
    link: Arc<Link>,
    queues: Vec<Queue>,
    hasher: RandomState,
}

/// One worker's queue.
#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<Item>,
    door: Door,
    /// What the worker has refused; the worker alone asks it, in the order of the queue.
    refusals: Arc<Mutex<Refusals>>,
}

/// What was refused before it came into the queue.
#[derive(Debug)]
struct Door {
    refusals: Mutex<Refusals>,
    /// Number of latches, so that an open door costs no lock.
    latches: AtomicUsize,
}

impl Publisher {
    /// Starts one worker, on a Cluster several; once `stop` is given they answer what waits and end.
    #[must_use]
    pub fn start(
        link: &Arc<Link>,
        positions: &Arc<Positions>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let options = link.options();
        // Redis runs one script at a time: more workers would only carry less each. On a Cluster a worker has some of the
        // slots, so that a master that hangs holds up few others' rooms.
        let workers = if link.is_cluster() {
            CLUSTER_WORKERS * options.redis.pool_size.max(1)
        } else {
            1
        };
        let space = options.publish_queue.div_ceil(workers).max(1);
        let queues = (0..workers).map(|_| {
            let (sender, items) = mpsc::channel(space);
            let refusals = Arc::new(Mutex::new(Refusals::new(Instant::now())));
            let sends = Sender::new(
                Arc::clone(link),
                Arc::clone(positions),
                Arc::clone(&refusals),
            );
            tasks.spawn(Work::new(sends).run(items, stop.clone()));
            Queue {
                sender,
                door: Door::new(),
                refusals,
            }
        });
        Self {
            queues: queues.collect(),
            link: Arc::clone(link),
            hasher: RandomState::new(),
        }
    }

    /// Hands a message over; a full queue refuses it at once.
    pub fn publish(&self, message: Publish) {
        let queue = self.queue_of(&message.room);
        if let Err(refusal) = queue.door.admit(&message) {
            message.reply.send(Err(refusal));
            return;
        }
        let (refusal, item) = match queue.sender.try_send(Item::Publish(message)) {
            Ok(()) => return,
            Err(TrySendError::Full(item)) => (Refusal::Overloaded, item),
            Err(TrySendError::Closed(item)) => (Refusal::Unavailable, item),
        };
        if let Item::Publish(message) = item {
            queue.door.refused(&message, refusal);
            message.reply.send(Err(refusal));
        }
    }

    /// Hands over something without a number; a full queue loses it.
    pub fn ephemeral(&self, room: &RoomName, ephemeral: &Ephemeral) {
        let (name, payload) = (
            self.link.keys().payloads(room),
            payload::encode_ephemeral(ephemeral),
        );
        let _ = self
            .queue_of(room)
            .sender
            .try_send(Item::Ephemeral(name, payload));
    }

    /// Forgets what a source was refused, in one room behind what it has sent there, or everywhere at once.
    pub fn forget(&self, source: Source, room: Option<&RoomName>) {
        let Some(room) = room else {
            for queue in &self.queues {
                queue.forget(source, None);
            }
            return;
        };
        let queue = self.queue_of(room);
        queue.door.forget(source, Some(room));
        if queue
            .sender
            .try_send(Item::Forget(source, room.clone()))
            .is_err()
        {
            queue.forget(source, Some(room));
        }
    }

    fn queue_of(&self, room: &RoomName) -> &Queue {
        let count = self.queues.len();
        if self.link.is_cluster() {
            let slot = slot_of(self.link.keys().payloads(room).as_bytes());
            return &self.queues[usize::from(slot) * count / SLOTS];
        }
        let index = self.hasher.hash_one(room) % count as u64;
        &self.queues[usize::try_from(index).unwrap_or(0)]
    }
}

impl Queue {
    fn forget(&self, source: Source, room: Option<&RoomName>) {
        self.door.forget(source, room);
        lock(&self.refusals).forget(source, room);
    }
}

impl Door {
    fn new() -> Self {
        Self {
            refusals: Mutex::new(Refusals::new(Instant::now())),
            latches: AtomicUsize::new(0),
        }
    }

    fn admit(&self, message: &Publish) -> Result<(), Refusal> {
        if self.latches.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        self.change(|refusals| {
            refusals.admit(message.source, &message.room, &message.key, Instant::now())
        })
    }

    fn refused(&self, message: &Publish, refusal: Refusal) {
        let Publish {
            source, room, key, ..
        } = message;
        self.change(|refusals| refusals.refused(*source, room, key, refusal, Instant::now()));
    }

    fn forget(&self, source: Source, room: Option<&RoomName>) {
        if self.latches.load(Ordering::Acquire) > 0 {
            self.change(|refusals| refusals.forget(source, room));
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Refusals) -> T) -> T {
        let mut refusals = lock(&self.refusals);
        let result = change(&mut refusals);
        self.latches.store(refusals.len(), Ordering::Release);
        result
    }
}

/// What a worker has, and what it has under way.
struct Work {
    sends: Arc<Sender>,
    waiting: VecDeque<Item>,
    under_way: FuturesUnordered<BoxFuture<'static, Vec<RoomName>>>,
    /// Rooms whose calls are under way.
    busy: HashSet<RoomName>,
    /// Whether one of them had several messages: what comes now had better wait for what follows.
    is_hot: bool,
    /// No pipeline begins before.
    not_before: Option<Instant>,
}

impl Work {
    fn new(sends: Sender) -> Self {
        Self {
            sends: Arc::new(sends),
            waiting: VecDeque::new(),
            under_way: FuturesUnordered::new(),
            busy: HashSet::new(),
            is_hot: false,
            not_before: None,
        }
    }

    /// Sends what comes in until the queue is closed and empty.
    async fn run(mut self, mut items: mpsc::Receiver<Item>, stop: CancellationToken) {
        let mut taken = Vec::with_capacity(MAX_ITEMS);
        let options = self.sends.link().options();
        let (interval, most) = (options.publish_interval, self.most_pipelines());
        let mut is_over = false;
        let mut stopped = pin!(stop.cancelled());
        loop {
            let takes = self.may_send(most, &items) && !is_over && self.waiting.len() < MAX_ITEMS;
            tokio::select! {
                Some(rooms) = self.under_way.next() => {
                    for room in &rooms {
                        self.busy.remove(room);
                    }
                    if self.is_hot && self.under_way.is_empty() {
                        self.is_hot = false;
                        self.not_before = Some(Instant::now() + interval);
                    }
                }
                count = items.recv_many(&mut taken, MAX_ITEMS), if takes => {
                    is_over = count == 0;
                    self.waiting.extend(taken.drain(..));
                }
                () = rest(self.not_before), if self.not_before.is_some() => self.not_before = None,
                () = &mut stopped, if !items.is_closed() => items.close(),
                else => return,
            }
            while self.may_send(most, &items) {
                while self.waiting.len() < MAX_ITEMS
                    && let Ok(item) = items.try_recv()
                {
                    self.waiting.push_back(item);
                }
                if !self.send() {
                    break;
                }
            }
        }
    }

    /// Returns true unless enough is under way, or it is better to wait for more; what fills a pipeline gains nothing by
    /// that.
    fn may_send(&self, most: usize, items: &mpsc::Receiver<Item>) -> bool {
        let rests = self.is_hot || self.not_before.is_some();
        let is_full = || self.waiting.len() + items.len() >= MAX_ITEMS;
        self.under_way.len() < most && (!rests || is_full())
    }

    /// A second pipeline keeps Redis at work while the node is at work with the first one's answers. On a Cluster others
    /// do.
    fn most_pipelines(&self) -> usize {
        let link = self.sends.link();
        if link.is_cluster() {
            1
        } else {
            link.options().redis.pool_size.clamp(1, PIPELINES)
        }
    }

    /// Begins a pipeline with all that may go now; returns false if there is nothing.
    fn send(&mut self) -> bool {
        let batch = batch::form(
            &mut self.waiting,
            &self.busy,
            &mut lock(self.sends.refusals()),
            self.sends.send_timeout(),
            Instant::now(),
        );
        if batch.is_empty() {
            return false;
        }
        self.is_hot |= batch.is_hot();
        let (sends, rooms) = (Arc::clone(&self.sends), batch.rooms());
        self.busy.extend(rooms.iter().cloned());
        self.under_way.push(Box::pin(async move {
            sends.send(batch).await;
            rooms
        }));
        true
    }
}

async fn rest(until: Option<Instant>) {
    if let Some(until) = until {
        sleep_until(until.into()).await;
    }
}

/// Locks without a care for poison: nothing is left half-changed.
pub(super) fn lock(refusals: &Mutex<Refusals>) -> MutexGuard<'_, Refusals> {
    refusals.lock().unwrap_or_else(PoisonError::into_inner)
}
