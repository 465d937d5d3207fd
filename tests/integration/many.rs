//! Many sessions at once: everybody has everything, once, in one order, and every sender's in the order sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::support::cluster::{Cluster, settings};
use crate::support::page::{Page, Shown};
use crate::support::redis::RedisServer;

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
