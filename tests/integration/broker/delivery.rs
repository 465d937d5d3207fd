use madang::broker::{Ephemeral, Event, Span};
use madang::protocol::{Position, RoomName};

use super::bench::{Bench, Draft, Node, entries, ephemerals, room, user};

on_both!(
    only_subscribed_nodes_hear_a_room,
    an_older_generation_ends_nothing,
    of_many_changes_of_mind_the_last_one_counts,
    every_subscription_is_told_again_after_a_cut,
    a_restart_is_heard_by_everyone,
    an_entry_whose_payload_was_lost_is_shown_by_the_probe,
    ephemeral_things_reach_the_subscribed_nodes,
);

on_topologies!(
    only_subscribed_nodes_hear_a_room,
    an_older_generation_ends_nothing,
    of_many_changes_of_mind_the_last_one_counts,
    ephemeral_things_reach_the_subscribed_nodes,
);

/// Waits until a node has heard all that was sent to it before: a message in a room of its own comes after it.
async fn settle(node: &Node, name: &str) {
    let room = room(name);
    node.enter(&room, 1).await;
    node.say(&Draft::new(&room, "settled")).await;
    node.ear.until_text(&room, "settled").await;
}

fn texts(node: &Node, room: &RoomName) -> usize {
    entries(&node.ear.heard(), room).len()
}

async fn only_subscribed_nodes_hear_a_room(mut bench: Bench) {
    let (yard, garden) = (room("yard"), room("garden"));
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    a.enter(&yard, 1).await;
    b.enter(&garden, 1).await;
    b.say(&Draft::new(&yard, "in the yard")).await;
    a.say(&Draft::new(&garden, "in the garden")).await;
    a.ear.until_text(&yard, "in the yard").await;
    b.ear.until_text(&garden, "in the garden").await;
    settle(&a, "aside a").await;
    settle(&b, "aside b").await;
    assert_eq!((texts(&a, &garden), texts(&b, &yard)), (0, 0));
    a.unsubscribe(yard.clone(), 1);
    settle(&a, "aside c").await;
    b.say(&Draft::new(&yard, "nobody hears")).await;
    settle(&a, "aside d").await;
    assert_eq!(texts(&a, &yard), 1);
}

async fn an_older_generation_ends_nothing(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.enter(&room, 1).await;
    node.enter(&room, 2).await;
    node.unsubscribe(room.clone(), 1);
    settle(&node, "aside").await;
    node.say(&Draft::new(&room, "still here")).await;
    node.ear.until_text(&room, "still here").await;
}

async fn of_many_changes_of_mind_the_last_one_counts(mut bench: Bench) {
    let node = bench.node("a").await;
    let (stays, goes) = (room("stays"), room("goes"));
    let mark = node.ear.mark();
    for generation in 1..=50 {
        for room in [&stays, &goes] {
            node.subscribe(room.clone(), generation);
            if generation % 3 > 0 {
                node.unsubscribe(room.clone(), generation);
            }
        }
    }
    node.subscribe(stays.clone(), 51);
    node.unsubscribe(goes.clone(), 48);
    node.unsubscribe(stays.clone(), 50);
    node.ear.until_subscribed(&stays, 51, mark).await;
    settle(&node, "aside").await;
    node.say(&Draft::new(&stays, "heard")).await;
    node.say(&Draft::new(&goes, "not heard")).await;
    node.ear.until_text(&stays, "heard").await;
    settle(&node, "aside too").await;
    assert_eq!((texts(&node, &stays), texts(&node, &goes)), (1, 0));
}

async fn every_subscription_is_told_again_after_a_cut(mut bench: Bench) {
    let nodes = [bench.node("a").await, bench.node("b").await];
    let rooms: Vec<RoomName> = (0..20)
        .map(|number| room(&format!("room {number}")))
        .collect();
    for node in &nodes {
        for (number, room) in (1..).zip(&rooms) {
            node.enter(room, number).await;
        }
    }
    let marks = nodes.each_ref().map(|node| node.ear.mark());
    bench.cut().await;
    for (node, mark) in nodes.iter().zip(marks) {
        for (number, room) in (1..).zip(&rooms) {
            node.ear.until_subscribed(room, number, mark).await;
        }
    }
    for room in &rooms {
        nodes[0].say(&Draft::new(room, "after the cut")).await;
        for node in &nodes {
            node.ear.until_text(room, "after the cut").await;
        }
    }
}

async fn a_restart_is_heard_by_everyone(mut bench: Bench) {
    let room = room("yard");
    let nodes = [bench.node("a").await, bench.node("b").await];
    for node in &nodes {
        node.enter(&room, 7).await;
    }
    nodes[0].say(&Draft::new(&room, "before")).await;
    let marks = nodes.each_ref().map(|node| node.ear.mark());
    bench.restart().await;
    for (node, mark) in nodes.iter().zip(marks) {
        node.ear.until_subscribed(&room, 7, mark).await;
        let heard = node.ear.heard();
        let place = |matches: fn(&Event) -> bool| heard[mark..].iter().position(matches);
        let down = place(|event| matches!(event, Event::Down { .. })).expect("the loss is told");
        let up = place(|event| *event == Event::Up).expect("the return is told");
        let subscribed = place(|event| matches!(event, Event::Subscribed { .. }));
        assert!(down < up && Some(down) < subscribed, "{:?}", &heard[mark..]);
    }
    nodes[1].say(&Draft::new(&room, "after")).await;
    for node in &nodes {
        node.ear.until_text(&room, "after").await;
        let read = node.look(&room, Span::Newest, 10).await;
        assert_eq!(read.entries.len(), 2);
    }
}

async fn an_entry_whose_payload_was_lost_is_shown_by_the_probe(mut bench: Bench) {
    let (node, room) = (bench.node("a").await, room("yard"));
    node.enter(&room, 1).await;
    let first = node.say(&Draft::new(&room, "first")).await;
    node.ear.until_text(&room, "first").await;
    let lost = br#"{"key":"x","user":{"id":"u","name":"U"},"text":"lost on the way"}"#;
    let seq = bench.put_silently(&room, lost).await;
    let begun = std::time::Instant::now();
    let position = Position::new(first.epoch, seq);
    let wanted = Event::Probed {
        room: room.clone(),
        position,
    };
    node.ear
        .until("the probe shows the new end", |events| {
            events.contains(&wanted)
        })
        .await;
    assert!(
        begun.elapsed().as_secs() < 6,
        "shown after {:?}",
        begun.elapsed()
    );
    assert_eq!(texts(&node, &room), 1);
    let read = node.look(&room, Span::After(1), 10).await;
    assert_eq!(read.entries[0].m, &lost[..]);
}

async fn ephemeral_things_reach_the_subscribed_nodes(mut bench: Bench) {
    let room = room("yard");
    let nodes = [
        bench.node("a").await,
        bench.node("b").await,
        bench.node("c").await,
    ];
    for node in &nodes[..2] {
        node.enter(&room, 1).await;
    }
    let typing = Ephemeral::Typing { user: user("ann") };
    nodes[2].ephemeral(&room, typing.clone());
    for node in &nodes[..2] {
        node.ear
            .until("typing", |events| {
                ephemerals(events, &room) == [typing.clone()]
            })
            .await;
    }
    settle(&nodes[2], "aside").await;
    assert_eq!(ephemerals(&nodes[2].ear.heard(), &room), []);
}
