//! What the store does by its deadlines: expiry, sweeps, announcements. Time is paused and moves by itself.

use super::super::super::{Roster, Span};
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

async fn end_of(broker: &Arc<dyn Broker>) -> u64 {
    broker.read(room(), Span::Newest, 1).await.unwrap().end
}

async fn roster_of(broker: &Arc<dyn Broker>) -> Roster {
    broker.roster(room(), None, 100).await.unwrap()
}

/// Returns the names of the fleet, with a dash behind those that leave.
async fn fleet_of(broker: &Arc<dyn Broker>) -> String {
    let fleet = broker.fleet().await.unwrap();
    let told = |it: &FleetNode| format!("{}{}", it.node, if it.leaving { "-" } else { "" });
    fleet.iter().map(told).collect::<Vec<_>>().join(" ")
}

fn rooms_of(store: &Arc<MemoryBroker>) -> usize {
    store.lock().rooms.len()
}

fn is_presence(event: &Event) -> bool {
    matches!(event, Event::Ephemeral { .. })
}

#[tokio::test(start_paused = true)]
async fn a_room_goes_when_nobody_writes_for_the_time_it_is_kept() {
    let store = MemoryBroker::new(options());
    let (broker, _) = node(&store, "a");
    publish(&broker, "a").unwrap();
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!(publish(&broker, "b").unwrap().seq, 2);
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!(end_of(&broker).await, 2);
    tokio::time::sleep(HOUR).await;
    assert_eq!(end_of(&broker).await, 0);
    tokio::time::sleep(HOUR).await;
    assert_eq!(rooms_of(&store), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_with_members_stays() {
    let store = MemoryBroker::new(options());
    let (broker, _) = node(&store, "a");
    broker.subscribe(room(), 1);
    publish(&broker, "a").unwrap();
    tokio::time::sleep(200 * HOUR).await;
    assert_eq!(end_of(&broker).await, 1);
    broker.unsubscribe(room(), 1);
    tokio::time::sleep(23 * HOUR).await;
    assert_eq!(end_of(&broker).await, 1);
    tokio::time::sleep(HOUR).await;
    assert_eq!(end_of(&broker).await, 0);
}

#[tokio::test(start_paused = true)]
async fn rooms_that_nobody_wrote_to_leave_nothing_behind() {
    let store = MemoryBroker::new(options());
    let (broker, _) = node(&store, "a");
    broker.subscribe(room(), 1);
    assert_eq!(end_of(&broker).await, 0);
    broker.unsubscribe(room(), 1);
    assert_eq!(rooms_of(&store), 0);
    let mut keys = store.lock();
    assert!(keys.existing(&room(), std::time::Instant::now()).is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_after_two_windows_in_a_quiet_room() {
    let store = MemoryBroker::new(options());
    let (broker, _) = node(&store, "a");
    broker.subscribe(room(), 1);
    publish(&broker, "a").unwrap();
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert!(publish(&broker, "a").unwrap().duplicate);
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert!(store.lock().rooms[&room()].dedupe.is_empty());
    assert!(!publish(&broker, "a").unwrap().duplicate);
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_waited_too_long_is_not_written() {
    let store = MemoryBroker::new(options());
    let (broker, _) = node(&store, "a");
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let late = draft(
        1,
        "a",
        Reply::new(move |result| sender.send(result).unwrap()),
    );
    tokio::time::sleep(Duration::from_millis(3_001)).await;
    broker.publish(late);
    assert_eq!(receiver.try_recv().unwrap(), Err(Refusal::Timeout));
    assert_eq!(end_of(&broker).await, 0);
}

#[tokio::test(start_paused = true)]
async fn users_of_a_stopped_node_leave_after_the_debounce() {
    let store = MemoryBroker::new(options());
    let (a, _) = node(&store, "a");
    let (b, ear) = node(&store, "b");
    b.subscribe(room(), 1);
    a.presence(room(), vec![here("u"), here("v")]);
    b.presence(room(), vec![here("v")]);
    ear.until(is_presence).await;
    a.stop().await;
    tokio::time::sleep(Duration::from_millis(2_900)).await;
    assert_eq!(roster_of(&b).await.count, 2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(roster_of(&b).await.members, [user_of(here("v"))]);
    let left = vec![UserId::parse("u").unwrap()];
    let wanted = Ephemeral::Presence {
        joined: vec![],
        left,
        renamed: vec![],
        count: 1,
    };
    assert_eq!(ear.presence().last(), Some(&wanted));
}

#[tokio::test(start_paused = true)]
async fn a_user_back_on_another_node_within_the_debounce_is_not_announced() {
    let store = MemoryBroker::new(options());
    let (a, _) = node(&store, "a");
    let (b, ear) = node(&store, "b");
    b.subscribe(room(), 1);
    a.presence(room(), vec![here("u")]);
    ear.until(is_presence).await;
    a.stop().await;
    b.presence(room(), vec![here("u")]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(ear.presence().len(), 1);
    assert_eq!(roster_of(&b).await.count, 1);
}

#[tokio::test(start_paused = true)]
async fn users_of_a_node_that_died_leave_after_its_lease() {
    let store = MemoryBroker::new(options());
    let (a, _) = node(&store, "a");
    let (b, _) = node(&store, "b");
    a.presence(room(), vec![here("u")]);
    drop(a);
    tokio::time::sleep(Duration::from_millis(9_900)).await;
    assert_eq!(roster_of(&b).await.count, 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(roster_of(&b).await.count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ended_is_listed_as_long_as_its_lease() {
    let store = MemoryBroker::new(options());
    let nodes = ["a", "b", "c"].map(|name| node(&store, name).0);
    let [stops, dies, stays] = nodes;
    stops.stop().await;
    drop(dies);
    assert_eq!(stops.fleet().await.unwrap_err().0, "the node has ended");
    let ms = Duration::from_millis;
    for (wait, wanted) in [
        (ms(0), "a- b c"),
        (ms(2_900), "a- b c"),
        (ms(200), "b c"),
        (ms(6_800), "b c"),
        (ms(200), "c"),
    ] {
        tokio::time::sleep(wait).await;
        assert_eq!(fleet_of(&stays).await, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_not_listed_before_there_is_another() {
    let store = MemoryBroker::new(options());
    let (a, _) = node(&store, "a");
    let (b, _) = node(&store, "b");
    let (dead, _) = node(&store, "dead");
    drop(dead);
    store.faults().set_node_up("a", false);
    store.faults().lose_all();
    assert_eq!(fleet_of(&b).await, "b");
    store.faults().set_node_up("a", true);
    assert_eq!(fleet_of(&a).await, "a b");
}

#[tokio::test(start_paused = true)]
async fn presence_told_while_the_way_is_cut_counts_when_it_is_back() {
    let store = MemoryBroker::new(options());
    let (a, _) = node(&store, "a");
    let (b, _) = node(&store, "b");
    a.presence(room(), vec![here("u")]);
    store.faults().set_node_up("a", false);
    a.presence(
        room(),
        vec![here("v"), PresenceChange::Gone(UserId::parse("u").unwrap())],
    );
    assert_eq!(roster_of(&b).await.members, [user_of(here("u"))]);
    store.faults().set_node_up("a", true);
    assert_eq!(roster_of(&b).await.members, [user_of(here("v"))]);
}

#[tokio::test(start_paused = true)]
async fn the_task_of_a_store_ends_with_it() {
    let store = MemoryBroker::new(options());
    let weak = Arc::downgrade(&store);
    let (broker, _) = node(&store, "a");
    broker.stop().await;
    drop((broker, store));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(weak.upgrade().is_none());
    assert_eq!(
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        0
    );
}

fn user_of(change: PresenceChange) -> User {
    match change {
        PresenceChange::Here(user) => user,
        PresenceChange::Gone(id) => panic!("{id} is gone"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_ends_after_its_time_and_the_dead_count_for_a_while() {
    use super::super::super::Grant;
    let store = MemoryBroker::new(options());
    let mut nodes: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .map(|name| node(&store, name).0)
        .into();
    let last = nodes.remove(0);
    let ask = |name: &str| last.grant(&crate::protocol::NodeId::parse(name).unwrap());
    assert_eq!(ask("b").await, Ok(Grant::Given));
    assert_eq!(ask("c").await, Ok(Grant::Given));
    let refused = Grant::Refused { given: 2, most: 2 };
    assert_eq!(ask("d").await, Ok(refused));
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(ask("b").await, Ok(Grant::Given), "it is renewed");
    assert_eq!(ask("d").await, Ok(refused));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ask("d").await, Ok(Grant::Given), "that of c has ended");
    drop(nodes);
    assert_eq!(ask("c").await, Ok(refused), "the dead count");
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(ask("c").await, Ok(Grant::Given));
    let refused = Grant::Refused { given: 1, most: 1 };
    assert_eq!(ask("d").await, Ok(refused), "and are forgotten");
}
