//! Presence of small fleets against a redis-server.

mod changes;
mod fleet;
mod roster;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::super::{Ephemeral, Event, FleetNode, PresenceChange, Roster, Sink};
use super::super::link::Link;
use super::super::recorder::Recorder;
use super::super::subscriber::Subscriber;
use super::super::testing::{RedisServer, eventually};
use super::Presence;
use crate::protocol::{NodeId, RoomName, User, UserId, UserName};
use crate::telemetry::Metrics;

const LEASE: Duration = Duration::from_millis(900);
const DEBOUNCE: Duration = Duration::from_millis(200);

/// A node whose hub tells its users again when the lease was lost.
struct Member {
    presence: Arc<Presence>,
    subscriber: Arc<Subscriber>,
    seen: Arc<Recorder>,
    users: Arc<Mutex<BTreeMap<UserId, User>>>,
    stop: CancellationToken,
}

/// Records, and passes on that the lease is another.
struct Hub {
    seen: Arc<Recorder>,
    renewed: mpsc::UnboundedSender<()>,
}

impl Sink for Hub {
    fn event(&self, event: Event) -> bool {
        if event == Event::LeaseRenewed {
            self.renewed.send(()).unwrap();
        }
        self.seen.event(event)
    }
}

impl Member {
    async fn start(server: &RedisServer, name: &str) -> Self {
        let mut options = server.options();
        options.lease = LEASE;
        let (metrics, seen, stop) = (
            Arc::new(Metrics::new()),
            Arc::<Recorder>::default(),
            CancellationToken::new(),
        );
        let link = Link::new(&options, Arc::clone(&metrics)).unwrap();
        let (renewed, mut told) = mpsc::unbounded_channel();
        let sink = Arc::new(Hub {
            seen: Arc::clone(&seen),
            renewed,
        });
        let tasks = TaskTracker::new();
        let subscriber = Subscriber::start(&link, name, sink, Arc::clone(&metrics), &tasks, &stop);
        let node = FleetNode::new(NodeId::parse(name).unwrap());
        let (way, notices) = (
            Arc::clone(subscriber.way()),
            Arc::clone(subscriber.notices()),
        );
        let presence = Presence::start(link, node, way, notices, metrics, DEBOUNCE, &stop);
        let users = Arc::<Mutex<BTreeMap<UserId, User>>>::default();
        let (again, here) = (Arc::clone(&presence), Arc::clone(&users));
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            while told.recv().await.is_some() {
                let all = here
                    .lock()
                    .unwrap()
                    .values()
                    .cloned()
                    .map(PresenceChange::Here)
                    .collect();
                again.change(&room(), all);
            }
        }));
        let member = Self {
            presence,
            subscriber,
            seen,
            users,
            stop,
        };
        member.subscriber.subscribe(room(), 1);
        member.seen.expect_subscribed(&room(), 1).await;
        member
    }

    fn join(&self, id: &str, name: &str) {
        self.join_all([(id.to_owned(), name.to_owned())]);
    }

    fn join_all(&self, users: impl IntoIterator<Item = (String, String)>) {
        let users: Vec<_> = users
            .into_iter()
            .map(|(id, name)| user(&id, &name))
            .collect();
        self.users
            .lock()
            .unwrap()
            .extend(users.iter().map(|user| (user.id.clone(), user.clone())));
        self.presence.change(
            &room(),
            users.into_iter().map(PresenceChange::Here).collect(),
        );
    }

    fn leave(&self, id: &str) {
        let id = UserId::parse(id).unwrap();
        self.users.lock().unwrap().remove(&id);
        self.presence
            .change(&room(), vec![PresenceChange::Gone(id)]);
    }

    async fn roster(&self) -> Roster {
        self.presence.roster(&room(), None, 500).await.unwrap()
    }

    async fn expect_count(&self, count: u64) {
        let told = |event: &Event| {
            matches!(event, Event::Ephemeral { ephemeral: Ephemeral::Presence { count: told, .. }, .. }
                if *told == count)
        };
        self.seen.expect(&format!("a count of {count}"), told).await;
    }

    /// Returns how often each user was announced to have joined and left.
    fn announced(&self) -> HashMap<String, (usize, usize)> {
        let mut announced = HashMap::<String, (usize, usize)>::new();
        for event in self.seen.events().iter() {
            if let Event::Ephemeral {
                ephemeral: Ephemeral::Presence { joined, left, .. },
                ..
            } = event
            {
                for user in joined {
                    announced.entry(user.id.as_str().to_owned()).or_default().0 += 1;
                }
                for id in left {
                    announced.entry(id.as_str().to_owned()).or_default().1 += 1;
                }
            }
        }
        announced
    }

    fn announcements(&self) -> usize {
        self.seen.count(|event| {
            matches!(
                event,
                Event::Ephemeral {
                    ephemeral: Ephemeral::Presence { .. },
                    ..
                }
            )
        })
    }

    /// Ends as a killed process does.
    fn kill(&self) {
        self.stop.cancel();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

fn room() -> RoomName {
    RoomName::parse("a {1}").unwrap()
}

fn user(id: &str, name: &str) -> User {
    User {
        id: UserId::parse(id).unwrap(),
        name: UserName::trusted(name),
        bot: None,
    }
}

fn presence_key() -> &'static str {
    "madang:{a %7B1%7D}:presence"
}

fn hash(server: &RedisServer) -> BTreeMap<String, String> {
    redis::from_redis_value(server.run(&["HGETALL", presence_key()])).unwrap()
}

fn leases(server: &RedisServer) -> Vec<String> {
    redis::from_redis_value(server.run(&["SMEMBERS", "madang:leases"])).unwrap()
}
