//! One shard: the loop that feeds its rooms and does what they ask for.

mod agenda;
mod answers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use prometheus::local::LocalHistogram;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::room::Room;
use super::{Admission, Command, Exit, Timing, lines};
use crate::broker::{
    Ephemeral, Event, PresenceChange, Roster, SharedBroker, Snapshot, Unavailable,
};
use crate::protocol::{Answer, ErrorCode, LeftReason, Position, RoomName, millis};
use crate::telemetry::Metrics;

use agenda::{Agenda, Due};
use answers::{Asked, Question};

/// How long a room without members stays subscribed: who reloads a page finds it as it was.
const UNSUBSCRIBE_DELAY: Duration = Duration::from_secs(3);
/// Events taken from the queue at once.
const BATCH: usize = 256;
/// When to ask again what the broker gave no answer to, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// Writes of one turn that a shard makes itself while others could: beyond it the sessions' own tasks write, on all cores.
const WRITES: usize = 256;
/// Writes that are observed at one time.
const WRITES_AT_ONCE: usize = 16;

/// What the broker answered.
#[derive(Debug)]
enum Done {
    Read {
        room: RoomName,
        generation: u64,
        number: u64,
        result: Result<Snapshot, Unavailable>,
    },
    Roster {
        room: RoomName,
        generation: u64,
        result: Result<Roster, Unavailable>,
    },
    Asked(Asked),
}

#[derive(Debug)]
struct Slot {
    room: Room,
    /// When its members were last written to; `None` is long ago.
    written_at: Option<Instant>,
    /// Whether it is among those whose members are to be written to.
    is_listed: bool,
    generation: u64,
    deserted_at: Option<Instant>,
    is_counted: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Shard {
    broker: SharedBroker,
    timing: Timing,
    metrics: Arc<Metrics>,
    admission: Arc<dyn Admission>,
    rooms: HashMap<RoomName, Slot>,
    generations: u64,
    agenda: Agenda,
    waiting: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Rooms with members to whom the turn has brought something.
    unwritten: Vec<RoomName>,
    latency: LocalHistogram,
}

impl Shard {
    pub(super) fn new(
        broker: SharedBroker,
        timing: Timing,
        metrics: Arc<Metrics>,
        admission: Arc<dyn Admission>,
    ) -> Self {
        Self {
            broker,
            timing,
            latency: metrics.delivery_latency.local(),
            unwritten: Vec::new(),
            metrics,
            admission,
            rooms: HashMap::new(),
            generations: 0,
            agenda: Agenda::default(),
            waiting: FuturesUnordered::new(),
        }
    }

    /// Runs until the hub is gone.
    pub(super) async fn run(mut self, mut exit: Exit) {
        let mut events = Vec::with_capacity(BATCH);
        let is_alone = Handle::current().metrics().num_workers() == 1;
        let most = if is_alone { usize::MAX } else { WRITES };
        let mut write_at = None;
        loop {
            let next = [self.agenda.next(), write_at];
            tokio::select! {
                Some(event) = exit.changes.recv() => self.event(event),
                taken = exit.events.recv_many(&mut events, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    events.drain(..).for_each(|event| self.event(event));
                }
                Some((room, command)) = exit.commands.recv() => self.command(&room, command),
                Some(done) = self.waiting.next() => self.done(done),
                () = sleep_until(next.into_iter().flatten().min()) => self.due(),
            }
            if !self.unwritten.is_empty() {
                // What has come meanwhile, such as the answer to who sent the message, leaves in the same write.
                yield_now().await;
                while events.len() < BATCH
                    && let Ok(event) = exit.events.try_recv()
                {
                    events.push(event);
                }
                events.drain(..).for_each(|event| self.event(event));
                write_at = self.write(most);
            }
        }
    }

    /// Writes what the turn has brought: once for each session, whatever number of events it was. Returns when to come
    /// for rooms whose members were written to a moment ago.
    fn write(&mut self, mut writes: usize) -> Option<Instant> {
        let now = now();
        let (mut now_ms, mut observed, mut next) = (0, 0, None::<Instant>);
        let Self {
            rooms,
            broker,
            latency,
            ..
        } = self;
        self.unwritten.retain(|name| {
            let Some(slot) = rooms.get_mut(name) else {
                return false;
            };
            let not_before = slot.written_at.map(|at| at + self.timing.fanout_interval);
            if let Some(at) = not_before.filter(|at| *at > now) {
                next = Some(next.map_or(at, |next| next.min(at)));
                return true;
            }
            (slot.written_at, slot.is_listed) = (Some(now), false);
            slot.room.write(&mut writes, |at| {
                if observed % WRITES_AT_ONCE == 0 {
                    now_ms = broker.now_ms();
                }
                observed += 1;
                let waited = Duration::from_millis(now_ms.saturating_sub(at));
                latency.observe(waited.as_secs_f64());
            });
            false
        });
        latency.flush();
        next
    }

    fn command(&mut self, name: &RoomName, command: Command) {
        let now = now();
        match command {
            Command::Join {
                seat,
                id,
                after,
                limit,
            } => {
                if let Err(wait) = self.admit(name, after.as_ref()) {
                    self.metrics
                        .requests_refused
                        .with_label_values(&[ErrorCode::Overloaded.as_str()])
                        .inc();
                    seat.expelled(name);
                    seat.answer(lines::frame(&Answer::Error {
                        id: Some(&id),
                        room: Some(name.as_str()),
                        code: ErrorCode::Overloaded,
                        field: None,
                        message: "many come back at once; join again later",
                        retry_after_ms: Some(millis(wait)),
                    }));
                    return;
                }
                let expires = Due::Expire {
                    room: name.clone(),
                    seat: seat.id(),
                    id: id.clone(),
                };
                self.agenda.add(now + self.timing.join_timeout, expires);
                let change = self.open(name).room.join(seat, id, after, limit, now);
                self.tell(name, change);
            }
            Command::Leave { seat, id } => {
                self.leave(name, seat.id());
                if let Some(id) = id {
                    let answer = Answer::Left {
                        id: Some(&id),
                        room: name,
                        reason: LeftReason::Asked,
                    };
                    seat.answer(lines::frame(&answer));
                }
            }
            Command::Drained { seat } => self.with(name, |room| room.drained(seat, now)),
            Command::Rename { seat } => {
                let change = self
                    .rooms
                    .get_mut(name)
                    .and_then(|slot| slot.room.rename(seat));
                self.tell(name, change);
            }
            Command::History {
                seat,
                id,
                range,
                limit,
                ticket,
            } => {
                self.ask_history(
                    Question {
                        room: name.clone(),
                        seat,
                        id,
                        ticket,
                    },
                    range,
                    limit,
                );
            }
            Command::Members {
                seat,
                id,
                cursor,
                limit,
                ticket,
            } => {
                self.ask_members(
                    Question {
                        room: name.clone(),
                        seat,
                        id,
                        ticket,
                    },
                    cursor,
                    limit,
                );
            }
        }
        self.serve(name);
    }

    /// Lets one in, unless the log would have to be read for it alone and others come back too fast.
    fn admit(&self, name: &RoomName, after: Option<&Position>) -> Result<(), Duration> {
        let Some(after) = after else { return Ok(()) };
        let slot = self.rooms.get(name);
        match slot.is_none_or(|slot| slot.room.would_read(after)) {
            true => self.admission.resume(),
            false => Ok(()),
        }
    }

    fn leave(&mut self, name: &RoomName, seat: super::SeatId) {
        let now = now();
        let Some(slot) = self.rooms.get_mut(name) else {
            return;
        };
        if let Some(user) = slot.room.leave(seat, now) {
            self.agenda.add(
                now + self.timing.debounce,
                Due::Sweep {
                    room: name.clone(),
                    user,
                },
            );
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Entries { room, entries } => {
                self.with(&room, |it| it.entries(entries));
                self.serve(&room);
            }
            Event::Ephemeral { room, ephemeral } => self.ephemeral(&room, &ephemeral),
            Event::Probed { room, position } => {
                self.with(&room, |it| it.probed(&position));
                self.serve(&room);
            }
            Event::Subscribed { room, generation } => {
                if let Some(slot) = self
                    .rooms
                    .get_mut(&room)
                    .filter(|slot| slot.generation == generation)
                {
                    slot.room.subscribed();
                }
                self.serve(&room);
            }
            Event::Suspect { room } => {
                self.with(&room, Room::suspect);
                self.serve(&room);
            }
            Event::Up => {}
            Event::Down { .. } => self
                .rooms
                .values_mut()
                .for_each(|slot| slot.room.unsubscribed()),
            Event::LeaseRenewed => {
                for (name, slot) in &self.rooms {
                    self.broker.presence(name.clone(), slot.room.everybody());
                }
            }
        }
    }

    fn ephemeral(&mut self, name: &RoomName, ephemeral: &Ephemeral) {
        let Some(slot) = self.rooms.get_mut(name) else {
            return;
        };
        match ephemeral {
            Ephemeral::Typing { user } => slot
                .room
                .ephemeral(&Answer::Typing { room: name, user }, Some(&user.id)),
            Ephemeral::Presence {
                joined,
                left,
                renamed,
                count,
            } => {
                let answer = Answer::Presence {
                    room: name,
                    joined,
                    left,
                    renamed,
                    count: as_count(*count),
                };
                slot.room.ephemeral(&answer, None);
            }
        }
    }

    fn done(&mut self, done: Done) {
        let now = now();
        match done {
            Done::Read {
                room,
                generation,
                number,
                result,
            } => {
                let slot = self
                    .rooms
                    .get_mut(&room)
                    .filter(|slot| slot.generation == generation);
                if let Some(retry_at) = slot.and_then(|slot| slot.room.read(number, result, now)) {
                    self.agenda.add(retry_at, Due::Read { room: room.clone() });
                }
                self.serve(&room);
            }
            Done::Roster {
                room,
                generation,
                result,
            } => {
                if let Some(slot) = self
                    .rooms
                    .get_mut(&room)
                    .filter(|slot| slot.generation == generation)
                {
                    slot.room.roster(result, now);
                }
                self.serve(&room);
            }
            Done::Asked(asked) => self.answer(asked),
        }
    }

    fn due(&mut self) {
        let now = now();
        while let Some(due) = self.agenda.take(now) {
            match due {
                Due::Expire { room, seat, id } => {
                    if self
                        .rooms
                        .get(&room)
                        .is_some_and(|slot| slot.room.expire(seat, &id, RETRY_AFTER_MS))
                    {
                        self.leave(&room, seat);
                    }
                    self.serve(&room);
                }
                Due::Sweep { room, user } => {
                    let before = now - self.timing.debounce;
                    let change = self
                        .rooms
                        .get_mut(&room)
                        .and_then(|slot| slot.room.sweep(&user, before));
                    self.tell(&room, change);
                    self.serve(&room);
                }
                Due::Read { room } => self.serve(&room),
                Due::Unsubscribe { room } => self.close(&room, now),
            }
        }
    }

    /// Returns the room, subscribing to it if it is new.
    fn open(&mut self, name: &RoomName) -> &mut Slot {
        self.rooms.entry(name.clone()).or_insert_with(|| {
            self.generations += 1;
            self.broker.subscribe(name.clone(), self.generations);
            Slot {
                room: Room::new(name.clone(), self.metrics.clone()),
                written_at: None,
                is_listed: false,
                generation: self.generations,
                deserted_at: None,
                is_counted: false,
            }
        })
    }

    /// Unsubscribes a room that has been deserted for the whole delay, and forgets where it stood in the same step.
    fn close(&mut self, name: &RoomName, now: Instant) {
        let Some(slot) = self.rooms.get(name) else {
            return;
        };
        if slot
            .deserted_at
            .is_some_and(|at| at + UNSUBSCRIBE_DELAY <= now)
        {
            self.broker.delivered(name, None);
            self.broker.unsubscribe(name.clone(), slot.generation);
            self.rooms.remove(name);
        }
    }

    fn with(&mut self, name: &RoomName, change: impl FnOnce(&mut Room)) {
        if let Some(slot) = self.rooms.get_mut(name) {
            change(&mut slot.room);
        }
    }

    fn tell(&self, name: &RoomName, change: Option<PresenceChange>) {
        if let Some(change) = change {
            self.broker.presence(name.clone(), vec![change]);
        }
    }

    /// Does what a room asks for after something happened to it.
    fn serve(&mut self, name: &RoomName) {
        let Some(slot) = self.rooms.get_mut(name) else {
            return;
        };
        let now = now();
        if let Some(position) = slot.room.take_delivered() {
            self.broker.delivered(name, Some(position));
        }
        if slot.room.is_unwritten() && !std::mem::replace(&mut slot.is_listed, true) {
            self.unwritten.push(name.clone());
        }
        let generation = slot.generation;
        if let Some(request) = slot.room.begin_read(now) {
            let read = self
                .broker
                .read(name.clone(), request.span, super::room::PAGE);
            let (room, number) = (name.clone(), request.number);
            self.waiting.push(Box::pin(async move {
                Done::Read {
                    room,
                    generation,
                    number,
                    result: read.await,
                }
            }));
        }
        if slot.room.begin_roster(now) {
            let roster = self
                .broker
                .roster(name.clone(), None, crate::protocol::JOINED_MEMBERS);
            let room = name.clone();
            self.waiting.push(Box::pin(async move {
                Done::Roster {
                    room,
                    generation,
                    result: roster.await,
                }
            }));
        }
        let has_members = slot.room.members() > 0;
        if has_members != slot.is_counted {
            slot.is_counted = has_members;
            self.metrics.rooms.add(if has_members { 1 } else { -1 });
        }
        if !slot.room.is_deserted() {
            slot.deserted_at = None;
        } else if slot.deserted_at.is_none() {
            slot.deserted_at = Some(now);
            self.agenda.add(
                now + UNSUBSCRIBE_DELAY,
                Due::Unsubscribe { room: name.clone() },
            );
        }
    }
}

/// Returns the time by tokio's clock, which tests may pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns a count of users as the wire tells it.
fn as_count(users: u64) -> usize {
    usize::try_from(users).unwrap_or(usize::MAX)
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
