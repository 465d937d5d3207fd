use std::sync::Mutex;

use tokio::task::JoinHandle;

use super::super::pace::tests::Leavers;
use super::*;
use crate::broker::memory::{self, MemoryBroker};
use crate::broker::{Event, FleetNode, Grant, Sink};
use crate::config::Settings;

struct Deaf;

impl Sink for Deaf {
    fn event(&self, _: Event) -> bool {
        true
    }
}

/// Other nodes that say what the test wants.
struct Told {
    answers: Mutex<Vec<Seen>>,
    grant: Mutex<Result<(), String>>,
    pleas: Mutex<usize>,
}

impl Others for Told {
    fn sees(&self, _: NodeId, address: SocketAddr) -> BoxFuture<'static, Seen> {
        let index = usize::from(address.port()) - 1;
        let answer = self.answers.lock().unwrap()[index];
        Box::pin(async move { answer })
    }

    fn grant(&self, _: SocketAddr, _: Plea) -> BoxFuture<'static, Result<(), String>> {
        *self.pleas.lock().unwrap() += 1;
        let grant = self.grant.lock().unwrap().clone();
        Box::pin(async move { grant })
    }
}

struct World {
    memory: Arc<MemoryBroker>,
    readiness: Arc<Readiness>,
    crowd: Arc<Leavers>,
    others: Arc<Told>,
    metrics: Arc<Metrics>,
    _watch: JoinHandle<()>,
    brokers: Vec<SharedBroker>,
}

impl World {
    /// A node with 100 sessions and as many others as there are answers.
    async fn new(answers: &[Seen]) -> Self {
        let memory = MemoryBroker::new(memory::Options::from(&Settings::default()));
        let join = |name: &str, port: usize| {
            let node = FleetNode {
                address: format!("127.0.0.1:{port}"),
                ..FleetNode::new(NodeId::parse(name).unwrap())
            };
            memory.join(node, Arc::new(Deaf), Arc::default())
        };
        let broker = join("me", 99);
        let others = (1..=answers.len()).map(|port| join(&format!("n{port}"), port));
        let others: Vec<_> = others.collect();
        let told = Arc::new(Told {
            answers: Mutex::new(answers.to_vec()),
            grant: Mutex::new(Ok(())),
            pleas: Mutex::default(),
        });
        let (readiness, crowd) = (Arc::new(Readiness::new()), Arc::new(Leavers::new(100)));
        readiness.set_started();
        readiness.set_broker_seen();
        let metrics = Arc::new(Metrics::new());
        let doubt = Doubt {
            node: NodeId::parse("me").unwrap(),
            broker,
            crowd: crowd.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            others: told.clone(),
            look: Duration::from_secs(10),
        };
        let world = Self {
            memory,
            readiness,
            crowd,
            others: told,
            metrics,
            _watch: tokio::spawn(doubt.watch()),
            brokers: others,
        };
        // It has looked who is there.
        sleep(Duration::from_secs(1)).await;
        world
    }

    fn cut(&self, is_cut: bool) {
        self.memory.faults().set_node_up("me", !is_cut);
    }

    fn answer(&self, answers: &[Seen]) {
        *self.others.answers.lock().unwrap() = answers.to_vec();
    }

    fn rule(&self, ruling: Result<(), &str>) {
        *self.others.grant.lock().unwrap() = ruling.map_err(str::to_owned);
    }

    fn is_ready(&self) -> bool {
        self.readiness.check().is_ok()
    }

    fn staying(&self) -> usize {
        self.crowd.staying()
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_alone_hands_over_within_ten_seconds() {
    let world = World::new(&[Seen::Sees, Seen::Unreachable, Seen::DoesNot]).await;
    world.cut(true);
    sleep(secs(4)).await;
    assert!(world.is_ready(), "seen once is not enough");
    assert_eq!(*world.others.pleas.lock().unwrap(), 0);
    sleep(secs(2)).await;
    assert!(!world.is_ready());
    sleep(secs(4)).await;
    assert_eq!(world.staying(), 0);
    let told = world.crowd.told.lock().unwrap().clone();
    assert!(
        told.iter()
            .all(|(_, letter)| letter.reason == ReconnectReason::Sick)
    );
    let answers = |word: &str| world.metrics.peer_answers.with_label_values(&[word]).get();
    assert!(answers("sees") >= 5 && answers("unreachable") >= 5 && answers("does_not") >= 5);
    // Whoever comes all the same leaves too.
    world.crowd.set(5);
    sleep(secs(3)).await;
    assert_eq!((world.staying(), world.is_ready()), (0, false));
    // Who granted took it in the broker, where there is one for all of them.
    let (me, other) = ["me", "n1"].map(|name| NodeId::parse(name).unwrap()).into();
    let broker = &world.brokers[0];
    assert_eq!(broker.grant(&me).await, Ok(Grant::Given));
    assert_ne!(broker.grant(&other).await, Ok(Grant::Given));
    world.cut(false);
    sleep(secs(1)).await;
    assert!(world.is_ready());
    assert_eq!(world.metrics.sick.get(), 0);
    assert_eq!(
        broker.grant(&other).await,
        Ok(Grant::Given),
        "it was given back"
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_shared_outage_or_alone_a_node_stays_ready_and_keeps_its_sessions() {
    for answers in [
        &[][..],
        &[Seen::DoesNot, Seen::DoesNot, Seen::Unreachable],
        &[Seen::Unreachable],
    ] {
        let world = World::new(answers).await;
        world.cut(true);
        sleep(secs(60)).await;
        assert!(world.is_ready());
        assert_eq!(world.staying(), 100);
        assert_eq!(*world.others.pleas.lock().unwrap(), 0, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn others_must_see_the_broker_for_five_seconds_without_a_break() {
    let world = World::new(&[Seen::Sees]).await;
    world.cut(true);
    for _ in 0..10 {
        sleep(secs(4)).await;
        world.answer(&[Seen::DoesNot]);
        sleep(secs(2)).await;
        world.answer(&[Seen::Sees]);
    }
    assert!(world.is_ready());
    assert_eq!(world.staying(), 100);
}

#[tokio::test(start_paused = true)]
async fn without_a_grant_a_node_stays_ready() {
    let world = World::new(&[Seen::Sees, Seen::Sees]).await;
    world.rule(Err("as many nodes as may be (1) are unready already"));
    world.cut(true);
    sleep(secs(30)).await;
    assert!(world.is_ready());
    assert_eq!(world.staying(), 100);
    // It asks on, and takes the grant once it is free.
    world.rule(Ok(()));
    sleep(secs(2)).await;
    assert!(!world.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_renews_ends_after_fifteen_seconds() {
    let world = World::new(&[Seen::Sees]).await;
    world.cut(true);
    sleep(secs(40)).await;
    assert!(!world.is_ready(), "it is renewed");
    world.answer(&[Seen::Unreachable]);
    sleep(secs(10)).await;
    assert!(!world.is_ready(), "it stands for a while");
    sleep(secs(6)).await;
    assert!(world.is_ready());
    world.crowd.set(20);
    sleep(secs(20)).await;
    assert_eq!(world.staying(), 20, "who comes back now stays");
}
