//! The log side of the Redis broker against a real redis-server.

mod cluster;
mod core;
mod faults;
mod links;
mod numbering;
mod order;
mod reading;
mod sentinel;
mod side;
mod whole;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{Accepted, Publish, Refusal, Reply, Snapshot, Source, Span};
use super::link::Link;
use super::options::Options;
use super::positions::Positions;
use super::publisher::Publisher;
use super::reader;
use super::testing::{PATIENCE, RedisServer};
use crate::protocol::{Epoch, Key, Position, RoomName, UserId};
use crate::telemetry::Metrics;

type Answer = oneshot::Receiver<Result<Accepted, Refusal>>;

/// A server and the publishing side of one node.
struct Log {
    server: RedisServer,
    link: Arc<Link>,
    positions: Arc<Positions>,
    publisher: Publisher,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Log {
    fn start() -> Self {
        Self::start_with(&[], |_| {})
    }

    fn start_with(arguments: &[&str], change: impl FnOnce(&mut Options)) -> Self {
        let server = RedisServer::start_with(arguments);
        let mut options = server.options();
        change(&mut options);
        let link = Link::new(&options, Arc::new(Metrics::new())).unwrap();
        let (positions, tasks, stop) = (
            Arc::new(Positions::new()),
            TaskTracker::new(),
            CancellationToken::new(),
        );
        let publisher = Publisher::start(&link, &positions, &tasks, &stop);
        Self {
            server,
            link,
            positions,
            publisher,
            tasks,
            stop,
        }
    }

    /// Hands messages over, one for each text, which is its key too.
    fn post_all(&self, texts: &[String]) -> Vec<Answer> {
        let post = |text: &String| {
            self.post(Message {
                key: text,
                text,
                ..Message::default()
            })
        };
        texts.iter().map(post).collect()
    }

    /// Hands a message over: the text is its content too.
    fn post(&self, message: Message<'_>) -> Answer {
        let (sender, answer) = oneshot::channel();
        self.publisher.publish(Publish {
            room: RoomName::trusted(message.room),
            source: Source(message.source),
            author: UserId::parse(message.author).unwrap(),
            key: Key::parse(message.key).unwrap(),
            hash: message.text.bytes().fold(7_u64, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(u64::from(byte))
            }),
            m: Bytes::from(message.text.to_owned()),
            arrived: Instant::now(),
            reply: Reply::new(move |result| drop(sender.send(result))),
        });
        answer
    }

    async fn send(&self, message: Message<'_>) -> Result<Accepted, Refusal> {
        answer(self.post(message)).await
    }

    /// Sends a message of its own key and text, which must be accepted.
    async fn say(&self, text: &str) -> Accepted {
        self.send(Message {
            key: text,
            text,
            ..Message::default()
        })
        .await
        .unwrap()
    }

    async fn read(&self, span: Span, limit: usize) -> Snapshot {
        reader::read(&self.link, &room(), span, limit)
            .await
            .unwrap()
    }

    /// Returns seq and content of all that a room's log holds, as soon as it can be read.
    async fn all_of(&self, room: &str) -> Vec<(u64, String)> {
        let (room, patience) = (RoomName::trusted(room), Instant::now() + PATIENCE);
        let snapshot = loop {
            match reader::read(&self.link, &room, Span::After(0), 100_000).await {
                Ok(snapshot) => break snapshot,
                Err(error) => assert!(Instant::now() < patience, "{error}"),
            }
        };
        let text = |m: &Bytes| String::from_utf8(m.to_vec()).unwrap();
        let entries = snapshot.entries.iter();
        entries.map(|entry| (entry.seq, text(&entry.m))).collect()
    }

    async fn all(&self) -> Vec<(u64, String)> {
        self.all_of("lobby").await
    }

    fn deliver(&self, accepted: &Accepted) {
        self.positions.deliver(
            &room(),
            Some(&Position::new(accepted.epoch.clone(), accepted.seq)),
        );
    }

    fn key(&self, part: &str) -> String {
        format!("{}:{part}", self.link.keys().payloads(&room()))
    }
}

/// What is sent; only what a test is about is given.
#[derive(Clone, Copy)]
struct Message<'a> {
    room: &'a str,
    source: u64,
    author: &'a str,
    key: &'a str,
    text: &'a str,
}

impl Default for Message<'_> {
    fn default() -> Self {
        Self {
            room: "lobby",
            source: 1,
            author: "ann",
            key: "k",
            text: "hello",
        }
    }
}

fn room() -> RoomName {
    RoomName::trusted("lobby")
}

fn epochs(snapshot: &Snapshot) -> Vec<(&Epoch, u64)> {
    snapshot
        .chain
        .pairs()
        .iter()
        .map(|(epoch, first)| (epoch, *first))
        .collect()
}

async fn answer(answer: Answer) -> Result<Accepted, Refusal> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .expect("a publish is always answered")
        .unwrap()
}

const SHORT: Duration = Duration::from_millis(300);
