//! Events on their way to sinks, and faults that tests ask for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::super::{Health, Span};
use super::super::hooks::Lineage;
use super::*;

fn is_entry(seq: u64) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Entries { entries, .. } if entries.iter().any(|entry| entry.seq == seq))
}

/// Calls the broker from within its events, as a hub may.
#[derive(Default)]
struct Caller {
    broker: OnceLock<Arc<dyn Broker>>,
    answered: Arc<AtomicUsize>,
}

impl Sink for Caller {
    fn event(&self, event: Event) -> bool {
        if let (Some(broker), Event::Entries { entries, .. }) = (self.broker.get(), &event)
            && entries[0].seq <= 3
        {
            let answered = self.answered.clone();
            let key = format!("again{}", entries[0].seq);
            let reply = Reply::new(move |result| {
                assert!(result.is_ok());
                answered.fetch_add(1, Ordering::SeqCst);
            });
            broker.publish(draft(2, &key, reply));
            broker.delivered(&room(), None);
        }
        true
    }
}

#[tokio::test]
async fn a_sink_may_call_back() {
    let store = MemoryBroker::new(options());
    let sink = Arc::new(Caller::default());
    let broker = join(&store, "a", sink.clone());
    assert!(sink.broker.set(broker.clone()).is_ok());
    broker.subscribe(room(), 1);
    publish(&broker, "first").unwrap();
    assert_eq!(sink.answered.load(Ordering::SeqCst), 3);
    let read = broker.read(room(), Span::Newest, 10).await.unwrap();
    assert_eq!(read.end, 4);
    broker.stop().await;
}

#[tokio::test]
async fn a_reply_may_publish_the_next() {
    let store = MemoryBroker::new(options());
    let (broker, _) = node(&store, "a");
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let next = broker.clone();
    broker.publish(draft(
        1,
        "one",
        Reply::new(move |_| {
            next.publish(draft(
                1,
                "two",
                Reply::new(move |result| sender.send(result).unwrap()),
            ));
        }),
    ));
    assert_eq!(receiver.try_recv().unwrap().unwrap().seq, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn entries_reach_every_sink_in_order_whoever_publishes() {
    let store = MemoryBroker::new(Options {
        history_entries: 10_000,
        ..options()
    });
    let nodes: Vec<_> = (0..4)
        .map(|number| node(&store, &format!("n{number}")))
        .collect();
    nodes
        .iter()
        .for_each(|(broker, _)| broker.subscribe(room(), 1));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let broker = nodes[thread % 4].0.clone();
            tokio::task::spawn_blocking(move || {
                for number in 0..500 {
                    let reply = Reply::new(|result| assert!(result.is_ok()));
                    broker.publish(draft(thread as u64, &format!("{thread}-{number}"), reply));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.await.unwrap();
    }
    for (_, ear) in &nodes {
        ear.until(is_entry(4_000)).await;
        let seqs: Vec<u64> = ear.entries().iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=4_000).collect::<Vec<u64>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_is_told_which_room_to_suspect() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 1);
    *ear.room_for.lock().unwrap() = Some(1);
    for key in ["a", "b", "c"] {
        publish(&broker, key).unwrap();
    }
    ear.until(|event| *event == Event::Suspect { room: room() })
        .await;
    assert_eq!(ear.entries().len(), 1);
    assert_eq!(ear.count(|event| matches!(event, Event::Suspect { .. })), 1);
}

#[tokio::test]
async fn a_stopped_node_hears_nothing_and_is_refused() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 1);
    broker.stop().await;
    let heard = ear.heard.lock().unwrap().len();
    let (other, _) = node(&store, "b");
    publish(&other, "k").unwrap();
    assert_eq!(publish(&broker, "l"), Err(Refusal::Unavailable));
    assert!(broker.read(room(), Span::Newest, 1).await.is_err());
    assert!(matches!(*broker.health().borrow(), Health::Down(_)));
    assert_eq!(ear.heard.lock().unwrap().len(), heard);
    assert_eq!(other.read(room(), Span::Newest, 9).await.unwrap().end, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_payload_shows_at_the_next_probe() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 1);
    store.faults().drop_payloads(&room(), 1);
    let accepted = publish(&broker, "k").unwrap();
    let position = crate::protocol::Position::new(accepted.epoch, accepted.seq);
    ear.until(|event| {
        *event
            == Event::Probed {
                room: room(),
                position: position.clone(),
            }
    })
    .await;
    assert!(ear.entries().is_empty());
    publish(&broker, "l").unwrap();
    ear.until(is_entry(2)).await;
}

#[tokio::test]
async fn a_lost_answer_is_a_timeout_and_the_repeat_finds_the_first_result() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 1);
    store.faults().lose_answers(1);
    assert_eq!(publish(&broker, "k"), Err(Refusal::Timeout));
    assert_eq!(publish(&broker, "l"), Err(Refusal::Timeout));
    let again = publish(&broker, "k").unwrap();
    assert_eq!((again.seq, again.duplicate), (1, true));
    assert_eq!(publish(&broker, "l").unwrap().seq, 2);
    assert_eq!(ear.entries().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn delayed_payloads_come_late_and_in_order() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 1);
    store.faults().delay_payloads(Some(Duration::from_secs(2)));
    let asked = tokio::time::Instant::now();
    for key in ["a", "b", "c"] {
        publish(&broker, key).unwrap();
    }
    assert!(ear.entries().is_empty());
    ear.until(is_entry(3)).await;
    assert_eq!(asked.elapsed(), Duration::from_secs(2));
    assert_eq!(
        ear.entries()
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[tokio::test]
async fn a_restart_cuts_every_node_and_begins_an_epoch() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 5);
    let before = publish(&broker, "k").unwrap();
    let image = store.faults().image();
    publish(&broker, "l").unwrap();
    store.faults().rewind(&image, Lineage::New);
    let heard = ear.heard.lock().unwrap().clone();
    let down = heard
        .iter()
        .position(|event| matches!(event, Event::Down { .. }))
        .expect("the way was cut");
    assert_eq!(
        heard[down + 1..],
        [
            Event::Up,
            Event::Subscribed {
                room: room(),
                generation: 5
            }
        ]
    );
    let after = publish(&broker, "m").unwrap();
    assert_eq!(after.seq, 2);
    assert_ne!(after.epoch, before.epoch);
    assert!(publish(&broker, "k").unwrap().duplicate);
    assert!(!publish(&broker, "l").unwrap().duplicate);
}

#[tokio::test]
async fn losing_everything_ends_the_leases() {
    let store = MemoryBroker::new(options());
    let (broker, ear) = node(&store, "a");
    broker.subscribe(room(), 1);
    broker.presence(room(), vec![here("u")]);
    publish(&broker, "k").unwrap();
    store.faults().set_up(false);
    store.faults().lose_all();
    assert_eq!(ear.count(|event| *event == Event::LeaseRenewed), 0);
    store.faults().set_up(true);
    assert_eq!(ear.count(|event| *event == Event::LeaseRenewed), 1);
    assert_eq!(broker.roster(room(), None, 9).await.unwrap().count, 0);
    assert_eq!(publish(&broker, "k").unwrap().seq, 1);
}

#[tokio::test]
async fn one_node_can_be_cut_off_alone() {
    let store = MemoryBroker::new(options());
    let (a, a_ear) = node(&store, "a");
    let (b, _) = node(&store, "b");
    a.subscribe(room(), 1);
    store.faults().set_node_up("a", false);
    assert_eq!(publish(&a, "k"), Err(Refusal::Unavailable));
    publish(&b, "k").unwrap();
    store.faults().set_node_up("a", true);
    assert!(a_ear.entries().is_empty());
    assert_eq!(
        a_ear.count(|event| matches!(event, Event::Subscribed { .. })),
        2
    );
}
