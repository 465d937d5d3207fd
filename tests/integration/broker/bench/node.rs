//! One node of a bench, and what it publishes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use madang::broker::{
    Accepted, Broker, PresenceChange, Publish, Refusal, Reply, SharedBroker, Snapshot, Source,
    Span, Verdict,
};
use madang::protocol::{Key, Position, RoomName, User, UserId, UserName};
use madang::telemetry::Metrics;
use tokio::sync::oneshot;

use super::{Ear, Ledger};
use crate::support::PATIENCE;

/// Messages of one source that are under way at a time.
const BURST: usize = 10;

/// Pause after a burst, and before something is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// A message as a test writes it: by default from source 1, its author `ann`, its text the key.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    room: RoomName,
    source: u64,
    author: String,
    key: String,
    text: String,
    m: Option<Bytes>,
}

impl Draft {
    pub(crate) fn new(room: &RoomName, key: impl Into<String>) -> Self {
        let key = key.into();
        Self {
            room: room.clone(),
            source: 1,
            author: "ann".to_owned(),
            text: key.clone(),
            key,
            m: None,
        }
    }

    pub(crate) fn from(mut self, source: u64) -> Self {
        self.source = source;
        self
    }

    pub(crate) fn by(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    pub(crate) fn saying(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// Goes into the log as these bytes.
    pub(crate) fn in_bytes(mut self, m: &'static [u8]) -> Self {
        self.m = Some(Bytes::from_static(m));
        self
    }

    /// Returns what goes into the log.
    pub(crate) fn m(&self) -> Bytes {
        let Self {
            author, key, text, ..
        } = self;
        let object = || serde_json::json!({ "key": key, "user": user(author), "text": text });
        self.m
            .clone()
            .unwrap_or_else(|| object().to_string().into())
    }
}

/// Judges the number that a message got by what was read of its room later.
pub(crate) fn judge(read: &Snapshot, accepted: &Accepted) -> Verdict {
    let position = Position::new(accepted.epoch.clone(), accepted.seq);
    read.chain.judge(read.end, &position)
}

/// A message that the broker has, on its way to an answer.
#[derive(Debug)]
#[must_use]
pub(crate) struct Pending {
    draft: Draft,
    receiver: oneshot::Receiver<Result<Accepted, Refusal>>,
    ledger: Arc<Ledger>,
}

impl Pending {
    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Result<Accepted, Refusal> {
        let answer = tokio::time::timeout(PATIENCE, self.receiver).await;
        let result = answer
            .expect("every publish is answered")
            .expect("a reply is used");
        if let Ok(accepted) = &result {
            self.ledger.note(
                &self.draft.room,
                &accepted.epoch,
                accepted.seq,
                &self.draft.m(),
            );
        }
        result
    }
}

/// Returns a user whose id is also its name.
pub(crate) fn user(id: &str) -> User {
    User {
        id: UserId::parse(id).unwrap(),
        name: UserName::parse(id).unwrap(),
        bot: None,
    }
}

/// See the [module](self). Dies when it is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    broker: SharedBroker,
    pub(crate) ear: Arc<Ear>,
    pub(crate) metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
}

impl Deref for Node {
    type Target = dyn Broker;

    fn deref(&self) -> &Self::Target {
        &*self.broker
    }
}

impl Node {
    pub(crate) fn new(
        broker: SharedBroker,
        ear: Arc<Ear>,
        metrics: Arc<Metrics>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            broker,
            ear,
            metrics,
            ledger,
        }
    }

    /// Hands a message to the broker.
    pub(crate) fn hand(&self, draft: &Draft) -> Pending {
        let (sender, receiver) = oneshot::channel();
        let mut hasher = DefaultHasher::new();
        draft.text.hash(&mut hasher);
        self.broker.publish(Publish {
            room: draft.room.clone(),
            source: Source(draft.source),
            author: UserId::parse(&draft.author).unwrap(),
            key: Key::parse(&draft.key).unwrap(),
            hash: hasher.finish(),
            m: draft.m(),
            arrived: Instant::now(),
            // Who waits no longer does not need the answer.
            reply: Reply::new(move |result| drop(sender.send(result))),
        });
        Pending {
            draft: draft.clone(),
            receiver,
            ledger: self.ledger.clone(),
        }
    }

    /// Publishes a message once.
    pub(crate) async fn publish(&self, draft: &Draft) -> Result<Accepted, Refusal> {
        self.hand(draft).answer().await
    }

    /// Publishes a message as a page does: again with the same key until it is accepted.
    pub(crate) async fn say(&self, draft: &Draft) -> Accepted {
        let begun = Instant::now();
        loop {
            match self.publish(draft).await {
                Ok(accepted) => return accepted,
                Err(refusal) => {
                    let may_repeat = refusal.is_retryable() && begun.elapsed() < PATIENCE;
                    assert!(may_repeat, "{draft:?} is refused for good: {refusal}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Publishes messages of one source as a page does, a few at a time: what was refused is repeated in order, before
    /// anything new. Returns their numbers.
    pub(crate) async fn send_in_order(&self, drafts: &[Draft]) -> Vec<u64> {
        let mut seqs: BTreeMap<usize, u64> = BTreeMap::new();
        let begun = Instant::now();
        while seqs.len() < drafts.len() {
            let rest = drafts.len() - seqs.len();
            assert!(
                begun.elapsed() < 2 * PATIENCE,
                "{rest} of {} have no number",
                drafts.len()
            );
            let open = (0..drafts.len())
                .filter(|index| !seqs.contains_key(index))
                .take(BURST);
            let pending: Vec<_> = open
                .map(|index| (index, self.hand(&drafts[index])))
                .collect();
            for (index, pending) in pending {
                match pending.answer().await {
                    Ok(accepted) => drop(seqs.insert(index, accepted.seq)),
                    Err(refusal) => assert!(refusal.is_retryable(), "{refusal:?}"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        seqs.into_values().collect()
    }

    /// Publishes a message and tells that it was delivered here, as a node with members in the room does.
    pub(crate) async fn say_and_deliver(&self, draft: &Draft) -> Accepted {
        let accepted = self.say(draft).await;
        let position = Position::new(accepted.epoch.clone(), accepted.seq);
        self.broker.delivered(&draft.room, Some(&position));
        accepted
    }

    /// Publishes messages with the keys `k<number>` and tells that they were delivered here.
    pub(crate) async fn fill(&self, room: &RoomName, numbers: Range<u64>) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        for number in numbers {
            accepted.push(
                self.say_and_deliver(&Draft::new(room, format!("k{number}")))
                    .await,
            );
        }
        accepted
    }

    /// Subscribes to a room and waits until its payloads arrive.
    pub(crate) async fn enter(&self, room: &RoomName, generation: u64) {
        let mark = self.ear.mark();
        self.broker.subscribe(room.clone(), generation);
        self.ear.until_subscribed(room, generation, mark).await;
    }

    /// Reads a part of a log, again until the broker answers.
    pub(crate) async fn look(&self, room: &RoomName, span: Span, limit: usize) -> Snapshot {
        let begun = Instant::now();
        loop {
            match self.broker.read(room.clone(), span, limit).await {
                Ok(snapshot) => {
                    self.ledger.note_all(room, &snapshot.entries);
                    return snapshot;
                }
                Err(error) => assert!(begun.elapsed() < PATIENCE, "no answer to a read: {error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tells that users are in a room.
    pub(crate) fn bring(&self, room: &RoomName, ids: &[&str]) {
        let here = |id: &&str| PresenceChange::Here(user(id));
        self.broker
            .presence(room.clone(), ids.iter().map(here).collect());
    }

    /// Tells that users are in a room no more.
    pub(crate) fn take_away(&self, room: &RoomName, ids: &[&str]) {
        let gone = |id: &&str| PresenceChange::Gone(UserId::parse(id).unwrap());
        self.broker
            .presence(room.clone(), ids.iter().map(gone).collect());
    }

    /// Returns all users of a room, page by page, and the count that the last page told.
    pub(crate) async fn people(&self, room: &RoomName, page: usize) -> (Vec<UserId>, u64) {
        let (mut ids, mut cursor) = (Vec::new(), None);
        let begun = Instant::now();
        loop {
            match self.broker.roster(room.clone(), cursor.clone(), page).await {
                Ok(roster) => {
                    ids.extend(roster.members.into_iter().map(|user| user.id));
                    cursor = roster.cursor;
                    if cursor.is_none() {
                        return (ids, roster.count);
                    }
                }
                Err(error) => {
                    assert!(begun.elapsed() < PATIENCE, "no answer to a roster: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
