//! The store as its nodes see it. What holds for every broker is tested in `tests/integration/broker`; here stands what
//! needs a clock that can be moved, or a look inside.

mod delivery;
mod time;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::super::{
    Accepted, Broker, Entry, Ephemeral, Event, FleetNode, PresenceChange, Publish, Refusal, Reply,
    Sink, Source,
};
use super::{MemoryBroker, Options};
use crate::protocol::{Key, NodeId, RoomName, User, UserId, UserName};
use crate::telemetry::Metrics;

/// A sink that keeps what it hears, up to a bound that a test may set.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Event>>,
    /// Entries that still fit; `None` = all.
    room_for: Mutex<Option<usize>>,
    changed: Notify,
}

impl Sink for Ear {
    fn event(&self, event: Event) -> bool {
        if let (Event::Entries { .. }, Some(left)) =
            (&event, self.room_for.lock().unwrap().as_mut())
        {
            if *left == 0 {
                return false;
            }
            *left -= 1;
        }
        self.heard.lock().unwrap().push(event);
        self.changed.notify_one();
        true
    }
}

impl Ear {
    fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .filter(|event| matches(event))
            .count()
    }

    /// Waits until an event matches; returns all events until then.
    async fn until(&self, matches: impl Fn(&Event) -> bool) -> Vec<Event> {
        let wait = async {
            loop {
                let heard = self.heard.lock().unwrap().clone();
                if let Some(index) = heard.iter().position(&matches) {
                    return heard[..=index].to_vec();
                }
                self.changed.notified().await;
            }
        };
        let patience = Duration::from_secs(3600 * 24 * 30);
        tokio::time::timeout(patience, wait)
            .await
            .unwrap_or_else(|_| panic!("only {:?}", self.heard.lock().unwrap()))
    }

    fn entries(&self) -> Vec<Entry> {
        let heard = self.heard.lock().unwrap();
        let of = |event: &Event| match event {
            Event::Entries { entries, .. } => entries.clone(),
            _ => Vec::new(),
        };
        heard.iter().flat_map(of).collect()
    }

    fn presence(&self) -> Vec<Ephemeral> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .filter_map(|event| match event {
                Event::Ephemeral { ephemeral, .. } => Some(ephemeral.clone()),
                _ => None,
            })
            .collect()
    }
}

fn options() -> Options {
    Options {
        history_entries: 100,
        history_keep: Duration::from_secs(86_400),
        dedupe_window: Duration::from_secs(300),
        send_timeout: Duration::from_secs(3),
        debounce: Duration::from_secs(3),
        lease: Duration::from_secs(10),
    }
}

fn node(store: &Arc<MemoryBroker>, name: &str) -> (Arc<dyn Broker>, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    (join(store, name, ear.clone()), ear)
}

fn join(store: &Arc<MemoryBroker>, name: &str, sink: Arc<dyn Sink>) -> Arc<dyn Broker> {
    let node = FleetNode::new(NodeId::parse(name).unwrap());
    store.join(node, sink, Arc::new(Metrics::new()))
}

fn room() -> RoomName {
    RoomName::trusted("room")
}

fn here(id: &str) -> PresenceChange {
    PresenceChange::Here(User {
        id: UserId::parse(id).unwrap(),
        name: UserName::trusted(id),
        bot: None,
    })
}

fn draft(source: u64, key: &str, reply: Reply) -> Publish {
    Publish {
        room: room(),
        source: Source(source),
        author: UserId::parse("ann").unwrap(),
        key: Key::parse(key).unwrap(),
        hash: 7,
        m: Bytes::from(key.to_owned()),
        arrived: tokio::time::Instant::now().into_std(),
        reply,
    }
}

fn publish(broker: &Arc<dyn Broker>, key: &str) -> Result<Accepted, Refusal> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    broker.publish(draft(
        1,
        key,
        Reply::new(move |result| sender.send(result).unwrap()),
    ));
    receiver
        .try_recv()
        .expect("the memory broker answers at once")
}
