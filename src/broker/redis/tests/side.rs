//! A whole node's side of some topology, and what its sessions would do with it.

use super::super::super::{Broker, FleetNode, Health, Sink};
use super::super::RedisBroker;
use super::super::recorder::Recorder;
use super::*;
use crate::config::Settings;
use crate::protocol::NodeId;

/// How long a message is tried again.
const STUBBORN: Duration = Duration::from_secs(30);

/// One node.
pub(super) struct Side {
    pub(super) broker: Arc<RedisBroker>,
    pub(super) seen: Arc<Recorder>,
}

impl Side {
    /// Starts a node and waits until its broker is up.
    pub(super) async fn start(name: &str, options: &Options) -> Self {
        let side = Self::begin(name, options);
        side.wait_up().await;
        side
    }

    /// Starts a node.
    pub(super) fn begin(name: &str, options: &Options) -> Self {
        let node = FleetNode::new(NodeId::parse(name).unwrap());
        let seen = Arc::new(Recorder::default());
        let sink: Arc<dyn Sink> = Arc::clone(&seen) as Arc<dyn Sink>;
        let broker = RedisBroker::start(options, node, sink, Arc::new(Metrics::new())).unwrap();
        Self { broker, seen }
    }

    /// Waits until the broker is up; returns how long it took.
    pub(super) async fn wait_up(&self) -> Duration {
        let (begun, mut health) = (Instant::now(), self.broker.health());
        let up = health.wait_for(|health| *health == Health::Up);
        let waited = tokio::time::timeout(STUBBORN, up).await;
        waited.expect("the broker comes up").unwrap();
        begun.elapsed()
    }

    /// Waits until the broker is down for a reason that holds these words; returns how long it took.
    pub(super) async fn wait_down(&self, words: &str) -> Duration {
        let (begun, mut health) = (Instant::now(), self.broker.health());
        let down = health.wait_for(
            |health| matches!(health, Health::Down(outage) if outage.reason.contains(words)),
        );
        let waited = tokio::time::timeout(STUBBORN, down).await;
        assert!(waited.is_ok(), "never down because of {words:?}");
        begun.elapsed()
    }

    /// Subscribes a room and waits for the confirmation.
    pub(super) async fn join(&self, room: &RoomName) {
        self.broker.subscribe(room.clone(), 1);
        self.seen.expect_subscribed(room, 1).await;
    }

    /// Sends a message once: its text is its key.
    pub(super) async fn send(&self, room: &RoomName, text: &str) -> Result<Accepted, Refusal> {
        let (sender, answer) = oneshot::channel();
        self.broker.publish(Publish {
            room: room.clone(),
            source: Source(1),
            author: UserId::parse("ann").unwrap(),
            key: Key::parse(text).unwrap(),
            hash: 1,
            m: Bytes::from(text.to_owned()),
            arrived: Instant::now(),
            reply: Reply::new(move |result| drop(sender.send(result))),
        });
        super::answer(answer).await
    }

    /// Sends a message until it is accepted; every refusal before must be retryable.
    pub(super) async fn insist(&self, room: &RoomName, text: &str) -> Accepted {
        let begun = Instant::now();
        loop {
            match self.send(room, text).await {
                Ok(accepted) => return accepted,
                Err(Refusal::KeyReused) => panic!("{text:?} is refused for good"),
                Err(refusal) => {
                    assert!(begun.elapsed() < STUBBORN, "{text:?}: still {refusal:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Returns the texts of a room's log, as soon as it can be read.
    pub(super) async fn texts(&self, room: &RoomName) -> Vec<String> {
        let begun = Instant::now();
        loop {
            match self.broker.read(room.clone(), Span::After(0), 1000).await {
                Ok(snapshot) => {
                    let texts = snapshot.entries.iter();
                    return texts
                        .map(|entry| String::from_utf8(entry.m.to_vec()).unwrap())
                        .collect();
                }
                Err(error) => assert!(begun.elapsed() < STUBBORN, "{error}"),
            }
        }
    }
}

/// Returns the options of a node with these variables, such as `("REDIS__URL", …)`.
pub(super) fn options(variables: &[(&str, &str)]) -> Options {
    let variables = variables
        .iter()
        .map(|(name, value)| (format!("MADANG_{name}"), (*value).to_owned()));
    match Settings::load(None, variables) {
        Ok(loaded) => Options::from(&loaded.settings),
        Err(faults) => panic!("{:?}", faults.lines().collect::<Vec<_>>()),
    }
}

/// Asserts that at least five measurements have their median within a deadline and all within three times that.
pub(super) fn assert_within(deadline: Duration, mut taken: Vec<Duration>) {
    taken.sort();
    let slowest = taken.last().copied().unwrap_or_default();
    assert!(
        taken.len() >= 5 && taken[taken.len() / 2] <= deadline,
        "{taken:?}"
    );
    assert!(slowest <= 3 * deadline, "{taken:?}");
}
