//! What comes of an entry on a node, up to what a writer takes.

use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::Bytes;
use madang::broker::{Chain, Entry, Roster, Snapshot};
use madang::hub::room::Room;
use madang::hub::{Line, Seat, SeatId};
use madang::protocol::{Frame, Position, RequestId, RoomName, User, UserId, UserName};
use madang::session::codec::{MAX_SLICES, WriteQueue};
use madang::session::{Bounds, Outbox};
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

/// A place whose frames end in an outbox.
#[derive(Debug)]
struct Chair {
    id: SeatId,
    user: User,
    outbox: Outbox,
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

    fn ephemeral(&self, frame: &Frame) {
        self.outbox.ephemeral(frame);
    }

    fn expelled(&self, room: &RoomName) {
        panic!("a member of {room} was expelled");
    }
}

/// A room with members, and what their sessions have besides.
struct Crowd {
    room: Room,
    chairs: Vec<Arc<Chair>>,
    writers: Vec<WriteQueue>,
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
            writers: (0..members).map(|_| WriteQueue::new()).collect(),
            seq: end,
            now,
        };
        (0..members).for_each(|index| crowd.join(index, None));
        assert_eq!(crowd.write(), members);
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

    /// Lets every session write what it has, as a task does but for the system call; returns how many frames.
    fn write(&mut self) -> usize {
        let each = self.chairs.iter().zip(&mut self.writers);
        each.map(|(chair, writer)| write(&chair.outbox, writer))
            .sum()
    }
}

fn chair(number: u64, metrics: &Arc<Metrics>) -> Arc<Chair> {
    let bounds = Bounds {
        frames: 1024,
        bytes: 1024 * 1024,
    };
    Arc::new(Chair {
        id: SeatId(number),
        user: User {
            id: UserId::parse(&format!("user-{number:017}")).expect("a lawful id"),
            name: UserName::parse("Ann").expect("a lawful name"),
            bot: None,
        },
        outbox: Outbox::new(bounds, metrics.outbox_bytes.clone()),
    })
}

fn write(outbox: &Outbox, writer: &mut WriteQueue) -> usize {
    // Nobody is woken, but whoever would be is told and asks again.
    let mut context = Context::from_waker(Waker::noop());
    assert!(outbox.poll_news(&mut context).is_ready());
    outbox.take(writer);
    let mut frames = 0;
    while !writer.is_empty() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = writer.slices(&mut slices);
        let bytes = black_box(&slices[..used])
            .iter()
            .map(|slice| slice.len())
            .sum();
        let completed = writer.advance(bytes);
        black_box(outbox.written(completed, bytes));
        frames += completed;
    }
    assert!(outbox.poll_news(&mut context).is_pending());
    frames
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
                assert_eq!(crowd.write(), members * payload.len());
            }
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
    let missed = 100;
    Box::new(move || {
        let after = Position::new(epoch(), crowd.seq - missed);
        crowd.room.leave(crowd.chairs[0].id, crowd.now);
        crowd.join(0, Some(after));
        assert_eq!(crowd.write() as u64, 1 + missed);
    })
}
