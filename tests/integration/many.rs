//! Many sessions at once: everybody has everything, once, in one order, and every sender's in the order sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::cluster::{Cluster, settings};
use crate::support::page::{Page, Shown};
use crate::support::redis::RedisServer;

/// Sessions that come back to one room at once.
const RETURNING: usize = 200;
const SESSIONS: usize = 16;
const MESSAGES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn all_have_all_in_one_order_through_memory() {
    let cluster = Cluster::memory(3).await;
    all_have_all_in_one_order(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_have_all_in_one_order_while_the_subscriber_is_killed() {
    // Nobody may be told of a gap, so the log must hold all that is published while a node is cut off.
    let mut settings = settings();
    settings.history.entries = 2 * SESSIONS * MESSAGES;
    let mut cluster = Cluster::redis_with(3, RedisServer::start().await, settings).await;
    let url = cluster.redis_server().own_url();
    let is_over = Arc::new(AtomicBool::new(false));
    let killer = tokio::task::spawn_blocking({
        let is_over = is_over.clone();
        move || kill_subscribers(&url, &is_over)
    });
    all_have_all_in_one_order(&cluster).await;
    is_over.store(true, Ordering::Release);
    let killed = killer.await.unwrap();
    assert!(killed > 0, "no subscriber was killed");
}

/// Kills the nodes' subscriber connections every 300 ms; returns how many were killed.
fn kill_subscribers(url: &str, is_over: &AtomicBool) -> u64 {
    let mut commands = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut killed = 0;
    while !is_over.load(Ordering::Acquire) {
        killed += redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("pubsub")
            .query::<u64>(&mut commands)
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    killed
}

async fn all_have_all_in_one_order(cluster: &Cluster) {
    let mut pages = Vec::new();
    for number in 0..SESSIONS {
        let mut page = cluster
            .page(number % cluster.nodes.len(), &format!("user {number}"))
            .await;
        page.join("yard").await;
        pages.push(page);
    }
    let running = pages
        .into_iter()
        .enumerate()
        .map(|(number, page)| tokio::spawn(speak_and_listen(number, page)));
    let mut screens = Vec::new();
    for task in running.collect::<Vec<_>>() {
        screens.push(task.await.unwrap());
    }
    for screen in &screens {
        assert_eq!(screen.len(), SESSIONS * MESSAGES);
        assert_eq!(screen, &screens[0], "two screens differ");
    }
    let mut last: HashMap<&str, usize> = HashMap::new();
    for shown in &screens[0] {
        let (sender, number) = shown.text.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        let expected = last.get(sender).map_or(0, |last| last + 1);
        assert_eq!(number, expected, "{sender}'s messages out of order");
        last.insert(sender, number);
    }
}

/// Sends all messages, a few at a time, sending again what is refused; returns what the screen shows in the end.
async fn speak_and_listen(number: usize, mut page: Page) -> Vec<Shown> {
    let mut screen = Vec::new();
    for message in 0..MESSAGES {
        let text = format!("u{number} {message}");
        let send = json!({"type": "send", "room": "yard", "text": text, "key": text});
        loop {
            let answer = page.answer(send.clone()).await;
            if answer["type"] == "sent" {
                break;
            }
            let wait = answer["retry_after_ms"]
                .as_u64()
                .unwrap_or_else(|| panic!("final refusal: {answer}"));
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
    while screen.len() < SESSIONS * MESSAGES {
        screen.push(page.message("yard").await);
    }
    page.expect_no("gap").await;
    screen
}

/// Returns how often Redis has walked a log.
async fn log_reads(commands: &mut redis::aio::MultiplexedConnection) -> u64 {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(commands)
        .await
        .unwrap();
    let calls = stats.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("cmdstat_xrange:calls=")
            .or_else(|| line.strip_prefix("cmdstat_xrevrange:calls="))?;
        rest.split(',').next()?.parse::<u64>().ok()
    });
    calls.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_back_to_one_room_at_once_read_its_log_together() {
    let mut cluster = Cluster::redis(2).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let first = ann.say("yard", "0").await;
    for number in 1..400 {
        ann.say("yard", &number.to_string()).await;
    }
    let mut pages = Vec::new();
    for number in 0..RETURNING {
        pages.push(cluster.page(1, &format!("page {number}")).await);
    }
    let url = cluster.redis_server().own_url();
    let client = redis::Client::open(url).unwrap();
    let mut commands = client.get_multiplexed_async_connection().await.unwrap();
    let before = log_reads(&mut commands).await;
    let epoch = first["epoch"].as_str().unwrap().to_owned();
    let returned = pages.into_iter().enumerate().map(|(number, mut page)| {
        let (epoch, after) = (epoch.clone(), 1 + number as u64);
        tokio::spawn(async move {
            page.join_after("yard", &epoch, after).await;
            let missed = page.messages("yard", 400 - number - 1).await;
            assert_eq!(missed[0].seq, after + 1);
        })
    });
    for page in returned.collect::<Vec<_>>() {
        page.await.unwrap();
    }
    let reads = log_reads(&mut commands).await - before;
    assert!(reads <= 8, "{reads} reads for {RETURNING} sessions");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_too_fast_to_many_rooms_is_told_when_to_try_again() {
    let mut settings = settings();
    settings.limits.resumes_per_second = 5;
    let cluster = Cluster::memory_with(2, settings).await;
    let mut ann = cluster.page(0, "Ann").await;
    let mut places = Vec::new();
    for number in 0..20 {
        let room = format!("room {number}");
        ann.join(&room).await;
        let said = ann.say(&room, "first").await;
        ann.say(&room, "second").await;
        places.push((room, said["epoch"].clone()));
    }
    let mut page = Page::reopen(cluster.nodes[1].address(), "Ann", &ann.token).await;
    let mut refused = 0;
    for (room, epoch) in places {
        let join = json!({"type": "join", "room": room, "after": {"epoch": epoch, "seq": 1}});
        loop {
            let answer = page.answer(join.clone()).await;
            if answer["type"] == "joined" {
                break;
            }
            refused += 1;
            assert_eq!(answer["code"], "overloaded", "{answer}");
            let wait = answer["retry_after_ms"].as_u64().unwrap();
            assert!(wait <= 2200, "{answer}");
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        assert_eq!(page.message(&room).await.text, "second");
    }
    assert!(refused > 0, "nobody was refused");
}
