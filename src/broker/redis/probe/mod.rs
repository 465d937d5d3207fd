//! The tail probe: is there an entry in a room's log that never arrived?
//!
//! A jump shows only with a successor; the last entry of a room has none. So the node compares meta's position with its
//! own for every room it is subscribed to. The same turns keep rooms with members from expiring.

mod turns;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};
use tokio::time::{MissedTickBehavior, interval};

use self::turns::{Due, Turns};
use super::super::{Event, Sink};
use super::link::Link;
use super::notices::Notices;
use super::script::{self, Call, Script};
use super::subscriber::Subscriber;
use super::way::Way;
use crate::protocol::{Epoch, Position, RoomName};
use crate::telemetry::Metrics;

/// Rooms of one pipeline: some tenths of a millisecond for Redis.
const BATCH: usize = 128;

/// Time between two looks at whose turn it is: each wakes Redis, which costs it more than a dozen probes.
const TICK: Duration = Duration::from_millis(100);

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Parts of `history.keep` after which a room's expiry is moved.
const REFRESHES: u32 = 4;

static REFRESH: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("../scripts/refresh.lua")]));

/// Probes the subscribed rooms.
#[derive(Debug)]
pub(super) struct Probe {
    link: Arc<Link>,
    sink: Arc<dyn Sink>,
    notices: Arc<Notices>,
    way: Arc<Way>,
    metrics: Arc<Metrics>,
    turns: Mutex<Turns>,
}

impl Probe {
    pub(super) fn new(
        link: Arc<Link>,
        sink: Arc<dyn Sink>,
        notices: Arc<Notices>,
        way: Arc<Way>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let options = link.options();
        let refresh_after = options.history_keep / REFRESHES;
        let turns = Mutex::new(Turns::new(
            options.redis.probes_per_second,
            refresh_after,
            Instant::now(),
        ));
        Self {
            link,
            sink,
            notices,
            way,
            metrics,
            turns,
        }
    }

    /// Takes a subscribed room in; one that was interrupted is probed at once.
    pub(super) fn add(&self, room: &RoomName, was_interrupted: bool) {
        let mut turns = self.turns();
        turns.add(room, Instant::now());
        if was_interrupted {
            turns.soon(room);
        }
    }

    /// Probes a room at once: a payload of it may be missing.
    pub(super) fn soon(&self, room: &RoomName) {
        self.turns().soon(room);
    }

    /// Probes rooms when their turn comes, for as long as it is polled.
    pub(super) async fn run(&self, subscriber: &Subscriber) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // On a Cluster the rooms of a lost master are not subscribed and have no turn; the others' come.
            if !self.link.is_cluster() {
                self.way.wait_up().await;
            }
            loop {
                let due = self
                    .turns()
                    .take(BATCH, Instant::now(), |room| subscriber.is_subscribed(room));
                if due.is_empty() || !self.probe(due).await {
                    break;
                }
            }
            let interval = self.turns().interval();
            self.metrics
                .broker_probe_interval
                .set(interval.as_secs_f64());
        }
    }

    /// Probes rooms in one pipeline; returns false if there was no answer.
    async fn probe(&self, due: Vec<Due>) -> bool {
        let until = Instant::now() + LIMIT;
        let mut pipeline = redis::pipe();
        for Due { room, .. } in &due {
            pipeline
                .cmd("HMGET")
                .arg(self.link.keys().meta(room))
                .arg("epoch")
                .arg("seq");
        }
        match self.link.ask(&mut pipeline, until).await {
            Ok(answers) => {
                self.metrics
                    .broker_probes
                    .inc_by(u64::try_from(answers.len()).unwrap_or(0));
                for (Due { room, .. }, answer) in due.iter().zip(answers) {
                    self.tell(room, answer);
                }
                self.refresh(&due, until).await;
                true
            }
            Err(fault) => {
                tracing::debug!(%fault, rooms = due.len(), "probes got no answer");
                let mut turns = self.turns();
                due.iter().for_each(|due| turns.soon(&due.room));
                false
            }
        }
    }

    fn tell(&self, room: &RoomName, answer: RedisResult<Value>) {
        match answer.and_then(position) {
            Ok(position) => {
                if !self.sink.event(Event::Probed {
                    room: room.clone(),
                    position,
                }) {
                    self.notices.suspect(room.clone());
                }
            }
            Err(error) => {
                tracing::debug!(room.name = %room, %error, "a room's meta cannot be read")
            }
        }
    }

    /// Moves the expiry of the rooms whose time for it has come.
    async fn refresh(&self, due: &[Due], until: Instant) {
        let (keys, keep) = (
            self.link.keys(),
            self.link.options().history_keep.as_millis(),
        );
        let rooms = due.iter().filter(|due| due.refresh).map(|due| &due.room);
        let calls: Vec<Call<'_>> = rooms
            .map(|room| {
                REFRESH
                    .call([keys.log(room), keys.meta(room), keys.presence(room)])
                    .arg(keep)
            })
            .collect();
        if calls.is_empty() {
            return;
        }
        // A move that fails is made up for by the next: there are four in the life of a room.
        if let Err(fault) = script::run(&self.link, &calls, until).await {
            tracing::debug!(%fault, rooms = calls.len(), "expiries were not moved");
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the answer of `HMGET meta epoch seq`; a room without keys is at (null, 0).
fn position(answer: Value) -> RedisResult<Position> {
    let (epoch, seq) = redis::from_redis_value::<(Option<String>, Option<u64>)>(answer)?;
    let epoch = epoch.and_then(|epoch| Epoch::parse(&epoch).ok());
    Ok(epoch
        .zip(seq)
        .map_or(Position::EMPTY, |(epoch, seq)| Position::new(epoch, seq)))
}
