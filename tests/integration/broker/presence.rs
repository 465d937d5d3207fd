use std::collections::BTreeSet;

use madang::broker::{Ephemeral, Event, PresenceChange};
use madang::protocol::{RoomName, User, UserId, UserName};

use super::bench::{Bench, Node, ephemerals, room, user};
use crate::support::eventually;

on_both!(
    a_user_on_two_nodes_is_one_user,
    a_user_leaves_when_both_nodes_let_go,
    a_new_name_is_told,
    the_users_of_a_node_that_stopped_leave,
    a_user_who_comes_back_elsewhere_is_not_announced,
    a_thousand_joins_are_few_payloads,
    pages_list_everybody,
    lost_presence_is_told_again,
    presence_told_while_the_broker_is_away_counts_later,
);

on_topologies!(
    a_user_on_two_nodes_is_one_user,
    a_user_leaves_when_both_nodes_let_go,
    a_new_name_is_told,
    the_users_of_a_node_that_stopped_leave,
    a_user_who_comes_back_elsewhere_is_not_announced,
    a_thousand_joins_are_few_payloads,
    pages_list_everybody,
);

/// Who is here according to the announcements that a node has heard.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    ids: BTreeSet<String>,
    joined: usize,
    left: usize,
    renamed: Vec<User>,
    count: u64,
    payloads: usize,
}

fn told(events: &[Event], room: &RoomName) -> Told {
    let mut told = Told::default();
    for ephemeral in ephemerals(events, room) {
        if let Ephemeral::Presence {
            joined,
            left,
            renamed,
            count,
        } = ephemeral
        {
            told.joined += joined.len();
            told.left += left.len();
            told.ids
                .extend(joined.iter().map(|user| user.id.to_string()));
            told.ids
                .retain(|id| !left.iter().any(|gone| gone.as_str() == id));
            told.renamed.extend(renamed);
            told.count = count;
            told.payloads += 1;
        }
    }
    told
}

async fn until_told(
    node: &Node,
    room: &RoomName,
    what: &str,
    holds: impl Fn(&Told) -> bool,
) -> Told {
    let heard = node
        .ear
        .until(what, |events| holds(&told(events, room)))
        .await;
    told(&heard, room)
}

async fn count(node: &Node, room: &RoomName) -> u64 {
    node.people(room, 100).await.1
}

fn ids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn a_user_on_two_nodes_is_one_user(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    b.enter(&room, 1).await;
    a.bring(&room, &["ann", "bob"]);
    until_told(&b, &room, "ann and bob", |told| told.count == 2).await;
    b.bring(&room, &["bob", "cho"]);
    let told = until_told(&b, &room, "cho", |told| told.count == 3).await;
    assert_eq!(
        (told.ids, told.joined, told.left),
        (ids(&["ann", "bob", "cho"]), 3, 0)
    );
    let (people, count) = a.people(&room, 100).await;
    let people: BTreeSet<String> = people.iter().map(ToString::to_string).collect();
    assert_eq!((people, count), (ids(&["ann", "bob", "cho"]), 3));
}

async fn a_user_leaves_when_both_nodes_let_go(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    b.enter(&room, 1).await;
    for node in [&a, &b] {
        node.bring(&room, &["ann"]);
    }
    b.bring(&room, &["zoe"]);
    until_told(&b, &room, "ann and zoe", |told| told.count == 2).await;
    a.take_away(&room, &["ann"]);
    a.bring(&room, &["bob"]);
    let seen = until_told(&b, &room, "bob", |told| told.ids.contains("bob")).await;
    assert_eq!((seen.ids, seen.left), (ids(&["ann", "bob", "zoe"]), 0));
    b.take_away(&room, &["ann"]);
    let seen = until_told(&b, &room, "ann goes", |told| told.left == 1).await;
    assert_eq!((seen.ids, seen.count), (ids(&["bob", "zoe"]), 2));
    a.take_away(&room, &["nobody"]);
    assert_eq!(count(&a, &room).await, 2);
}

async fn a_new_name_is_told(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    b.enter(&room, 1).await;
    a.bring(&room, &["ann"]);
    until_told(&b, &room, "ann", |told| told.count == 1).await;
    let anna = User {
        name: UserName::parse("Anna \"the\" 안나, [1]").unwrap(),
        ..user("ann")
    };
    a.presence(room.clone(), vec![PresenceChange::Here(anna.clone())]);
    let seen = until_told(&b, &room, "the name", |told| !told.renamed.is_empty()).await;
    assert_eq!(
        (seen.renamed, seen.joined, seen.count),
        (vec![anna.clone()], 1, 1)
    );
    assert_eq!(b.roster(room, None, 10).await.unwrap().members, [anna]);
}

async fn the_users_of_a_node_that_stopped_leave(mut bench: Bench) {
    let (yard, garden) = (room("yard"), room("garden"));
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    for room in [&yard, &garden] {
        b.enter(room, 1).await;
        a.bring(room, &["ann", "bob"]);
    }
    b.bring(&yard, &["bob", "cho"]);
    until_told(&b, &yard, "three", |told| told.count == 3).await;
    until_told(&b, &garden, "two", |told| told.count == 2).await;
    a.stop().await;
    let seen = until_told(&b, &yard, "ann goes", |told| told.left > 0).await;
    assert_eq!((seen.ids, seen.count), (ids(&["bob", "cho"]), 2));
    let seen = until_told(&b, &garden, "both go", |told| told.left == 2).await;
    assert_eq!((seen.ids, seen.count), (ids(&[]), 0));
    assert_eq!((count(&b, &yard).await, count(&b, &garden).await), (2, 0));
}

async fn a_user_who_comes_back_elsewhere_is_not_announced(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    b.enter(&room, 1).await;
    a.bring(&room, &["ann", "bob"]);
    until_told(&b, &room, "two", |told| told.count == 2).await;
    b.bring(&room, &["ann"]);
    // Her new node holds her before the old one lets go, as its lease lasts for the debounce time at least.
    eventually("b holds ann", || async { count(&b, &room).await == 2 }).await;
    a.stop().await;
    let seen = until_told(&b, &room, "bob goes", |told| told.left > 0).await;
    assert_eq!((seen.ids, seen.joined, seen.left), (ids(&["ann"]), 2, 1));
}

async fn a_thousand_joins_are_few_payloads(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    a.enter(&room, 1).await;
    for number in 0..500 {
        a.bring(&room, &[&format!("u{number}")]);
        b.bring(&room, &[&format!("v{number}")]);
    }
    let seen = until_told(&a, &room, "a thousand", |told| told.count == 1_000).await;
    assert!(seen.payloads <= 30, "{} payloads", seen.payloads);
    assert_eq!(count(&b, &room).await, 1_000);
}

async fn pages_list_everybody(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    let names: Vec<String> = (0..1_000).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    a.bring(&room, &names[..600]);
    b.bring(&room, &names[400..]);
    eventually("all are here", || async { count(&a, &room).await == 1_000 }).await;
    for page in [7, 100, 5_000] {
        let (listed, count) = b.people(&room, page).await;
        let listed: BTreeSet<String> = listed.iter().map(UserId::to_string).collect();
        assert_eq!(
            (listed == ids(&names), count),
            (true, 1_000),
            "pages of {page}"
        );
    }
    let first = b.roster(room.clone(), None, 100).await.unwrap();
    assert!(
        (1..=100).contains(&first.members.len()),
        "{} users on a page of 100",
        first.members.len()
    );
    let nobody = b
        .roster(super::bench::room("garden"), None, 100)
        .await
        .unwrap();
    assert_eq!(nobody, madang::broker::Roster::default());
}

async fn lost_presence_is_told_again(mut bench: Bench) {
    let room = room("yard");
    let nodes = [bench.node("a").await, bench.node("b").await];
    for (node, name) in nodes.iter().zip(["ann", "bob"]) {
        node.enter(&room, 1).await;
        node.bring(&room, &[name]);
    }
    eventually("both are here", || async {
        count(&nodes[0], &room).await == 2
    })
    .await;
    let marks = nodes.each_ref().map(|node| node.ear.mark());
    bench.lose_all().await;
    for ((node, mark), name) in nodes.iter().zip(marks).zip(["ann", "bob"]) {
        node.ear
            .until("a new lease", |events| {
                events[mark..].contains(&Event::LeaseRenewed)
            })
            .await;
        node.bring(&room, &[name]);
    }
    eventually("both are here again", || async {
        count(&nodes[0], &room).await == 2
    })
    .await;
    nodes[0].stop().await;
    eventually("ann goes", || async { count(&nodes[1], &room).await == 1 }).await;
}

async fn presence_told_while_the_broker_is_away_counts_later(mut bench: Bench) {
    let room = room("yard");
    let (a, b) = (bench.node("a").await, bench.node("b").await);
    a.bring(&room, &["ann", "bob"]);
    eventually("both are here", || async { count(&b, &room).await == 2 }).await;
    bench.take_down().await;
    a.take_away(&room, &["ann"]);
    b.bring(&room, &["cho", "dan"]);
    bench.bring_up().await;
    eventually("the changes count", || async {
        let people: BTreeSet<String> = b
            .people(&room, 100)
            .await
            .0
            .iter()
            .map(UserId::to_string)
            .collect();
        people == ids(&["bob", "cho", "dan"])
    })
    .await;
}
