use serde_json::json;

use super::*;
use crate::config::Settings;
use crate::node::Node;
use crate::protocol::Epoch;

/// Two talkers in one room, and a broker that is told what to break.
struct World {
    ledger: Ledger,
    epoch: Epoch,
}

impl World {
    fn new() -> Self {
        let mut ledger = Ledger::new(vec![0, 0]);
        ledger.joined(0, 0);
        ledger.joined(1, 0);
        let epoch = Epoch::random();
        Self { ledger, epoch }
    }

    /// The first talker sends so many messages, and is told that they are kept.
    fn say(&mut self, count: u64) -> Vec<Key> {
        (1..=count)
            .map(|seq| {
                let key = Key::random();
                self.ledger.sent(0, &key);
                self.ledger.accepted(&key, &self.epoch, seq);
                key
            })
            .collect()
    }

    fn show(&mut self, who: usize, key: &Key, seq: u64) {
        self.ledger.shown(who, key, &self.epoch.clone(), seq);
    }

    fn show_all(&mut self, who: usize, keys: &[Key]) {
        for (key, seq) in keys.iter().zip(1..) {
            self.show(who, key, seq);
        }
    }

    fn overdue(&mut self) -> usize {
        self.ledger.tick();
        self.ledger.overdue(1)
    }
}

#[test]
fn what_everybody_shows_once_and_in_order_is_good() {
    let mut world = World::new();
    let keys = world.say(3);
    assert_eq!(world.overdue(), 3);
    world.show_all(0, &keys);
    assert_eq!(world.overdue(), 3);
    world.show_all(1, &keys);
    assert_eq!(world.overdue(), 0);
    let counts = world.ledger.counts();
    assert!(counts.is_good(), "{counts:?}");
    assert_eq!((counts.sends, counts.accepted, counts.delivered), (3, 3, 6));
}

#[test]
fn a_silent_hole_is_lost_and_a_told_one_is_a_gap() {
    let mut world = World::new();
    let keys = world.say(5);
    world.show(1, &keys[0], 1);
    world.show(1, &keys[3], 4);
    assert_eq!(world.ledger.counts().lost, 2);

    let mut world = World::new();
    let keys = world.say(5);
    world.show(1, &keys[0], 1);
    world.ledger.gap(1, 2, 3);
    world.show(1, &keys[3], 4);
    let counts = world.ledger.counts();
    assert_eq!((counts.lost, counts.gaps), (0, 2));
}

#[test]
fn the_last_message_that_never_comes_is_overdue() {
    let mut world = World::new();
    let keys = world.say(2);
    world.show_all(0, &keys);
    world.show(1, &keys[0], 1);
    assert_eq!(world.overdue(), 1);
    assert!(verdict(&world.ledger.counts(), false).is_err());
}

#[test]
fn what_comes_twice_is_doubled_at_one_place_and_at_two() {
    let mut world = World::new();
    let keys = world.say(2);
    world.show(1, &keys[0], 1);
    world.show(1, &keys[0], 1);
    assert_eq!(world.ledger.counts().doubled, 1);
    world.show(1, &keys[1], 2);
    world.show(1, &keys[0], 3);
    assert_eq!(world.ledger.counts().doubled, 2);
}

#[test]
fn swapped_messages_are_reordered() {
    let mut world = World::new();
    let keys = world.say(3);
    world.show(1, &keys[0], 1);
    world.show(1, &keys[2], 3);
    world.show(1, &keys[1], 2);
    let counts = world.ledger.counts();
    assert!(
        counts.reordered + counts.doubled > 0 && counts.lost > 0,
        "{counts:?}"
    );
}

#[test]
fn a_sender_whose_messages_changed_places_is_noticed() {
    let mut world = World::new();
    let (first, second) = (Key::random(), Key::random());
    world.ledger.sent(0, &first);
    world.ledger.sent(0, &second);
    world.show(1, &second, 1);
    world.show(1, &first, 2);
    assert_eq!(world.ledger.counts().reordered, 1);
}

#[test]
fn a_number_with_two_messages_and_a_message_of_nobody_are_made_up() {
    let mut world = World::new();
    let keys = world.say(2);
    world.show(0, &keys[0], 1);
    world.show(1, &keys[1], 1);
    assert_eq!(world.ledger.counts().phantom, 1);
    world.show(1, &Key::random(), 2);
    assert_eq!(world.ledger.counts().phantom, 2);
}

#[test]
fn a_told_rewind_withdraws_and_a_silent_one_is_noticed() {
    let mut world = World::new();
    let keys = world.say(4);
    world.show_all(0, &keys);
    world.show_all(1, &keys);
    let epoch = Epoch::random();
    for who in [0, 1] {
        world.ledger.rewound(who, Some(&epoch), 3);
    }
    let counts = world.ledger.counts();
    assert_eq!(counts.withdrawn, 4);
    assert_eq!(world.overdue(), 0, "what was withdrawn is owed to nobody");
    // Sent again, they get the numbers anew.
    for (key, seq) in keys[2..].iter().zip(3..) {
        world.ledger.accepted(key, &epoch, seq);
        for who in [0, 1] {
            world.ledger.shown(who, key, &epoch, seq);
        }
    }
    let counts = world.ledger.counts();
    assert!(counts.is_good(), "{counts:?}");

    let mut world = World::new();
    let keys = world.say(4);
    world.show_all(1, &keys);
    // Everything is gone, and nothing new is written.
    world.ledger.rewound(1, None, 1);
    assert_eq!(world.ledger.counts().withdrawn, 4);

    let mut world = World::new();
    let keys = world.say(4);
    world.show_all(1, &keys);
    let again = Key::random();
    world.ledger.sent(0, &again);
    world.show(1, &again, 3);
    assert!(!world.ledger.counts().is_good());
}

#[test]
fn a_long_soak_forgets_what_is_far_behind() {
    let mut world = World::new();
    for seq in 1..=10_000 {
        let key = Key::random();
        world.ledger.sent(0, &key);
        world.ledger.accepted(&key, &world.epoch.clone(), seq);
        world.show(0, &key, seq);
        world.show(1, &key, seq);
    }
    assert!(world.ledger.counts().is_good());
    assert!(world.ledger.size() < 5_000, "{}", world.ledger.size());
}

#[test]
fn a_talker_speaks_once_it_has_caught_up_and_after_a_rewind_too() {
    let (shared, _) = shared(&options("http://127.0.0.1:1".to_owned()));
    let mut talker = Talker::new(0, "room".to_owned(), shared);
    let epoch = Epoch::random();
    let mut hear = |frame: serde_json::Value| {
        talker.hear(&frame).unwrap();
        talker.is_talking()
    };
    let message =
        |seq| json!({"type": "message", "epoch": epoch, "seq": seq, "key": Key::random()});
    assert!(hear(json!({"type": "joined", "epoch": epoch, "seq": 1})));
    assert!(!hear(json!({"type": "joined", "epoch": epoch, "seq": 3})));
    assert!(!hear(message(2)));
    assert!(hear(message(3)));
    assert!(!hear(json!({"type": "joined", "epoch": epoch, "seq": 9})));
    assert!(hear(json!({"type": "epoch", "epoch": null, "from": 1})));
}

async fn node() -> Node {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.server.internal_listen = ([127, 0, 0, 1], 0).into();
    Node::start(settings).await.unwrap()
}

fn options(url: String) -> Options {
    Options {
        url,
        talkers: 6,
        rooms: 2,
        every: Duration::from_millis(100),
        time: Some(Duration::from_secs(2)),
    }
}

#[tokio::test]
async fn people_talk_through_a_node_and_nothing_is_missing() {
    let node = node().await;
    let options = options(format!("http://{}", node.address()));
    assert_eq!(run(&options).await, Ok(()));
    node.stop().await;
}

#[tokio::test]
async fn options_that_cannot_be_used_are_explained() {
    let good = options("http://127.0.0.1:1".to_owned());
    let more_rooms = Options {
        rooms: 7,
        ..good.clone()
    };
    let refused = run(&more_rooms).await.unwrap_err();
    assert!(refused.contains("each room needs one"), "{refused}");
    let no_address = Options {
        url: "chat".to_owned(),
        ..good.clone()
    };
    let refused = run(&no_address).await.unwrap_err();
    assert!(refused.contains("http://"), "{refused}");
    let fast = Options {
        every: Duration::from_millis(1),
        ..good
    };
    let refused = run(&fast).await.unwrap_err();
    assert!(refused.contains("10ms"), "{refused}");
}
