//! What comes of an entry on a node, up to what it writes.

use std::hint::black_box;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::Bytes;
use madang::broker::{Chain, Entry, Roster, Snapshot};
use madang::hub::room::Room;
use madang::hub::{Line, Run, Seat, SeatId};
use madang::protocol::{Frame, Position, RequestId, RoomName, User, UserId, UserName};
use madang::session::{Bounds, Outbox, Wire};
use madang::telemetry::Metrics;

use super::broker::{epoch, m};
use super::{Round, Workload, texts};

/// 64 messages in payloads of 8 to 1,000 members.
pub(super) const BIG_ROOM: Workload = Workload {
    name: "big-room",
    operation: "delivery",
    operations: 64 * 1_000,
    rounds: 1,
    prepare: || Box::new(traffic(1, 1_000, 64, 8)),
};

/// A message in each of 100 rooms of 10.
pub(super) const SMALL_ROOMS: Workload = Workload {
    name: "small-rooms",
    operation: "delivery",
    operations: 100 * 10,
    rounds: 10,
    prepare: || Box::new(traffic(100, 10, 1, 1)),
};

/// 16 messages, four in each payload, in each of 10 rooms of 10.
pub(super) const HOT_ROOMS: Workload = Workload {
    name: "hot-rooms",
    operation: "delivery",
    operations: 10 * 10 * 16,
    rounds: 10,
    prepare: || Box::new(traffic(10, 10, 16, 4)),
};

/// A member comes back to a room that has kept the 100 messages it missed.
pub(super) const RESUME: Workload = Workload {
    name: "resume",
    operation: "resume",
    operations: 1,
    rounds: 100,
    prepare: resume,
};

/// A page that takes all it is given, and counts the bytes.
#[derive(Debug, Default)]
struct Page(Arc<AtomicUsize>);

impl Wire for Page {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(black_box(bytes).len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn write_list(&self, list: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = black_box(list).iter().map(|part| part.len()).sum();
        self.0.fetch_add(length, Ordering::Relaxed);
        Ok(length)
    }
}

/// A place whose frames go through an outbox to a page.
#[derive(Debug)]
struct Chair {
    id: SeatId,
    user: User,
    outbox: Outbox<Page>,
    arrived: Arc<AtomicUsize>,
}

impl Seat for Chair {
    fn id(&self) -> SeatId {
        self.id
    }

    fn user(&self) -> User {
        self.user.clone()
    }

    fn answer(&self, frame: Frame) {
        self.outbox.answer(frame);
    }

    fn stream(&self, room: &RoomName, lines: &[Line]) -> usize {
        self.outbox.stream(room, lines)
    }

    fn write(&self) -> Option<u64> {
        self.outbox.write()
    }

    fn deliver(&self, room: &RoomName, run: &Run<'_>) -> (usize, Option<u64>) {
        self.outbox.deliver(room, run)
    }

    fn wake(&self) {
        self.outbox.nudge();
    }

    fn ephemeral(&self, frame: &Frame) {
        self.outbox.ephemeral(frame);
    }

    fn expelled(&self, room: &RoomName) {
        panic!("a member of {room} was expelled");
    }
}

impl Chair {
    /// Does what the session's task does when it is woken; returns the bytes that the page got since the last time.
    fn turn(&self) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        assert!(self.outbox.poll_news(&mut context).is_ready());
        let flushed = self.outbox.flush().expect("the page takes all");
        assert!(flushed.blocked_since.is_none());
        assert!(self.outbox.poll_news(&mut context).is_pending());
        self.arrived.swap(0, Ordering::Relaxed)
    }
}

/// A room with members.
struct Crowd {
    room: Room,
    chairs: Vec<Arc<Chair>>,
    seq: u64,
    now: Instant,
}

impl Crowd {
    /// Makes a room with a log whose members have all joined and taken their `joined`.
    fn new(name: &str, members: usize, metrics: &Arc<Metrics>) -> Self {
        let now = Instant::now();
        let mut room = Room::new(
            RoomName::parse(name).expect("a lawful name"),
            metrics.clone(),
        );
        room.subscribed();
        let first = room.begin_read(now).expect("a new room reads");
        // An entry is delivered at once only where one of its epoch went before.
        let end = 1_000;
        let log = Snapshot {
            chain: Chain::new(vec![(epoch(), 1)]),
            first: 1,
            end,
            entries: Vec::new(),
            more: false,
        };
        assert_eq!(room.read(first.number, Ok(log), now), None);
        room.roster(Ok(Roster::default()), now);
        let chair = |number| chair(number, metrics);
        let mut crowd = Self {
            room,
            chairs: (0..members as u64).map(chair).collect(),
            seq: end,
            now,
        };
        (0..members).for_each(|index| crowd.join(index, None));
        assert!(
            crowd.chairs.iter().all(|chair| chair.turn() > 0),
            "each is told that it has joined"
        );
        crowd
    }

    fn join(&mut self, index: usize, after: Option<Position>) {
        let seat = self.chairs[index].clone();
        self.room
            .join(seat, RequestId::from(1), after, 200, self.now);
    }

    /// Takes the next entries of the log, in one payload.
    fn deliver(&mut self, contents: &[Bytes]) {
        let entry = |m: &Bytes| {
            self.seq += 1;
            Entry {
                epoch: epoch(),
                seq: self.seq,
                at: 1_700_000_000_000,
                m: m.clone(),
            }
        };
        let entries = contents.iter().map(entry).collect();
        self.room.entries(entries);
    }

    /// Writes to all members what came, as a shard does when its turn ends; returns to how many.
    fn write(&mut self) -> usize {
        let mut written = 0;
        let mut most = usize::MAX;
        self.room.write(&mut most, |_| written += 1);
        written
    }

    /// Returns the bytes that each page got, which must be the same.
    fn arrived(&self) -> usize {
        let mut each = self
            .chairs
            .iter()
            .map(|chair| chair.arrived.swap(0, Ordering::Relaxed));
        let first = each.next().expect("a crowd has members");
        assert!(each.all(|bytes| bytes == first));
        first
    }
}

fn chair(number: u64, metrics: &Arc<Metrics>) -> Arc<Chair> {
    let bounds = Bounds {
        frames: 1024,
        bytes: 1024 * 1024,
    };
    let arrived = Arc::default();
    Arc::new(Chair {
        id: SeatId(number),
        user: User {
            id: UserId::parse(&format!("user-{number:017}")).expect("a lawful id"),
            name: UserName::parse("Ann").expect("a lawful name"),
            bot: None,
        },
        outbox: Outbox::new(
            Page(Arc::clone(&arrived)),
            bounds,
            metrics.outbox_bytes.clone(),
        ),
        arrived,
    })
}

fn traffic(rooms: usize, members: usize, messages: usize, in_payload: usize) -> impl FnMut() {
    let metrics = Arc::new(Metrics::new());
    let crowd = |number| Crowd::new(&format!("room-{number}"), members, &metrics);
    let mut crowds: Vec<_> = (0..rooms).map(crowd).collect();
    let contents: Vec<Bytes> = texts()
        .iter()
        .map(|text| m(text))
        .cycle()
        .take(messages)
        .collect();
    move || {
        for crowd in &mut crowds {
            for payload in contents.chunks(in_payload) {
                crowd.deliver(payload);
                assert_eq!(crowd.write(), members);
            }
            let least: usize = contents.iter().map(Bytes::len).sum();
            assert!(crowd.arrived() > least);
        }
    }
}

fn resume() -> Round {
    let mut crowd = Crowd::new("lobby", 1, &Arc::new(Metrics::new()));
    let texts: Vec<Bytes> = texts()
        .iter()
        .map(|text| m(text))
        .cycle()
        .take(128)
        .collect();
    for payload in texts.chunks(8) {
        crowd.deliver(payload);
        crowd.write();
    }
    crowd.arrived();
    let missed = 100;
    let least: usize = texts[..missed].iter().map(Bytes::len).sum();
    Box::new(move || {
        let after = Position::new(epoch(), crowd.seq - missed as u64);
        crowd.room.leave(crowd.chairs[0].id, crowd.now);
        crowd.join(0, Some(after));
        assert!(crowd.chairs[0].turn() > least);
    })
}
