//! What happens to a room when its Redis dies, forgets, is rewound or says nothing.

use std::time::{Duration, Instant};

use madang::broker::Health;
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, settings};
use crate::support::eventually;
use crate::support::page::Page;
use crate::support::redis::{RedisOptions, RedisServer};
use crate::support::screen::Screen;

const LOG: &str = "madang:{yard}:log";
const META: &str = "madang:{yard}:meta";

/// Two people on two nodes in one room.
struct Yard {
    cluster: Cluster,
    ann: Page,
    bo: Page,
    screen: Screen,
}

impl Yard {
    async fn open(cluster: Cluster) -> Self {
        let mut ann = cluster.page(0, "Ann").await;
        let mut bo = cluster.page(1, "Bo").await;
        ann.join("yard").await;
        let screen = Screen::new(&bo.join("yard").await);
        Self {
            cluster,
            ann,
            bo,
            screen,
        }
    }

    async fn say(&mut self, text: &str) -> Value {
        say_until_sent(&mut self.ann, text).await
    }

    /// Waits until Bo's screen shows a text.
    async fn shows(&mut self, text: &str) {
        self.screen
            .follow(&mut self.bo, "yard", |screen| screen.shows(text))
            .await;
    }

    async fn redis(&mut self, words: &[&str]) {
        let _done: redis::Value = self.cluster.redis_server().run(words).await;
    }
}

/// Sends with one key until it is accepted.
async fn say_until_sent(page: &mut Page, text: &str) -> Value {
    loop {
        let answer = page
            .answer(json!({"type": "send", "room": "yard", "text": text, "key": text}))
            .await;
        if answer["type"] == "sent" {
            return answer;
        }
        let wait = answer["retry_after_ms"]
            .as_u64()
            .unwrap_or_else(|| panic!("final refusal: {answer}"));
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

async fn durable_redis() -> RedisServer {
    RedisServer::start_with(RedisOptions {
        is_durable: true,
        ..RedisOptions::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_loses_and_doubles_nothing_and_its_numbers_go_on() {
    let mut yard =
        Yard::open(Cluster::redis_with(2, durable_redis().await, settings()).await).await;
    let mut sent = Vec::new();
    for round in 0..3 {
        for number in 0..40 {
            if number == 20 {
                yard.cluster.redis_server().kill();
                yard.cluster.redis_server().restart().await;
            }
            sent.push(yard.say(&format!("{round}/{number}")).await);
        }
    }
    yard.shows("2/39").await;
    assert_eq!(yard.screen.shown.len(), sent.len());
    for (index, answer) in sent.iter().enumerate() {
        let seq = index as u64 + 1;
        assert_eq!(answer["seq"], seq, "numbers go on");
        let shown = &yard.screen.shown[&seq];
        assert_eq!(
            (json!(shown.epoch), json!(shown.text)),
            (
                answer["epoch"].clone(),
                json!(format!("{}/{}", index / 40, index % 40))
            )
        );
    }
    let epochs: std::collections::BTreeSet<_> = yard
        .screen
        .shown
        .values()
        .map(|shown| &shown.epoch)
        .collect();
    assert_eq!(epochs.len(), 4, "each crash begins an epoch");
    assert_eq!(
        (yard.screen.gaps.len(), yard.screen.withdrawn.len()),
        (0, 0),
        "a clean restart tells nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_flushall_the_change_is_told_and_the_next_message_shown() {
    let mut yard = Yard::open(Cluster::redis(2).await).await;
    for text in ["one", "two", "three"] {
        yard.say(text).await;
    }
    yard.shows("three").await;
    yard.redis(&["FLUSHALL"]).await;
    let first = yard.say("after").await;
    assert_eq!(first["seq"], 1);
    yard.shows("after").await;
    assert_eq!(
        (yard.screen.withdrawn.clone(), yard.screen.shown.len()),
        (vec![1], 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_or_meta_begins_an_epoch_and_no_number_names_two_texts() {
    let mut yard = Yard::open(Cluster::redis(2).await).await;
    let mut named = std::collections::BTreeMap::new();
    for key in [LOG, META, LOG] {
        for text in ["before", "at", "the end of"] {
            let text = format!("{text} {key} {}", named.len());
            let sent = yard.say(&text).await;
            let name = (sent["epoch"].to_string(), sent["seq"].as_u64().unwrap());
            assert_eq!(named.insert(name, text), None, "{sent}");
        }
        yard.redis(&["DEL", key]).await;
    }
    yard.say("last").await;
    yard.shows("last").await;
    assert!(
        yard.screen
            .shown
            .values()
            .map(|shown| &shown.epoch)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            > 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_rewound_under_its_members_is_told_and_no_number_names_two_texts() {
    let mut yard = Yard::open(Cluster::redis(2).await).await;
    for text in ["one", "two"] {
        yard.say(text).await;
    }
    let mut older = Vec::new();
    for key in [LOG, META] {
        let dump: Vec<u8> = yard
            .cluster
            .redis_server()
            .run_command(redis::cmd("DUMP").arg(key))
            .await;
        older.push((key, dump));
    }
    for text in ["three", "four"] {
        yard.say(text).await;
    }
    yard.shows("four").await;
    let before = yard.screen.shown[&3].epoch.clone();
    for (key, dump) in older {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(key).arg(0).arg(dump).arg("REPLACE");
        let _done: redis::Value = yard.cluster.redis_server().run_command(&restore).await;
    }
    let sent = yard.say("another three").await;
    assert_eq!(sent["seq"], 3);
    assert_ne!(sent["epoch"], json!(before));
    yard.shows("another three").await;
    assert_eq!(yard.screen.withdrawn, [3]);
    let texts: Vec<_> = yard
        .screen
        .shown
        .values()
        .map(|shown| shown.text.as_str())
        .collect();
    assert_eq!(texts, ["one", "two", "another three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_out_of_the_log_is_a_gap_for_who_was_away() {
    let mut yard = Yard::open(Cluster::redis(2).await).await;
    let first = yard.say("one").await;
    for text in ["two", "three", "four"] {
        yard.say(text).await;
    }
    yard.redis(&["XDEL", LOG, "2-0", "3-0"]).await;
    yard.cluster.add().await;
    let mut back = yard.cluster.page(2, "Cho").await;
    let joined = back
        .join_after("yard", first["epoch"].as_str().unwrap(), 1)
        .await;
    let mut screen = Screen {
        seq: 1,
        ..Screen::new(&joined)
    };
    screen
        .follow(&mut back, "yard", |screen| screen.shows("four"))
        .await;
    assert_eq!(screen.gaps, [(2, 3)]);
    yard.redis(&["XDEL", LOG, "4-0"]).await;
    assert_eq!(
        yard.say("five").await["seq"],
        5,
        "a number that was given is never given again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_message_whose_payload_was_lost_is_shown_within_six_seconds() {
    let mut cluster = Cluster::redis(1).await;
    let mut page = cluster.page(0, "Ann").await;
    let rooms: Vec<_> = (0..5).map(|number| format!("room {number}")).collect();
    for room in &rooms {
        page.join(room).await;
        let first = page
            .answer(json!({"type": "send", "room": room, "text": "first", "key": "k"}))
            .await;
        append_silently(
            &mut cluster,
            room,
            &first["epoch"],
            2,
            r#"{"key":"x","user":{"id":"u","name":"U"},"text":"lost"}"#,
        )
        .await;
    }
    let begun = Instant::now();
    let mut waited = Vec::new();
    for room in &rooms {
        page.find("the lost message", |frame| {
            frame["type"] == "message" && frame["room"] == **room && frame["text"] == "lost"
        })
        .await;
        waited.push(begun.elapsed());
    }
    waited.sort();
    assert!(waited[2] <= Duration::from_secs(6), "median of {waited:?}");
    assert!(
        waited[4] <= Duration::from_secs(18),
        "longest of {waited:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_an_unknown_kind_breaks_nothing() {
    let mut cluster = Cluster::redis(2).await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let first = ann.say("yard", "first").await;
    let poll = r#"{"key":"x","user":{"id":"u","name":"U","badge":7},"kind":"poll","options":["a",{"b":null}],"text":"vote"}"#;
    append_silently(&mut cluster, "yard", &first["epoch"], 2, poll).await;
    append_silently(&mut cluster, "yard", &first["epoch"], 3, "not JSON").await;
    let fits = |frame: &Value, seq: u64| frame["type"] == "message" && frame["seq"] == seq;
    let live = ann.find("the poll", |frame| fits(frame, 2)).await;
    assert_eq!(
        (&live["kind"], &live["options"][1], &live["user"]["badge"]),
        (&json!("poll"), &json!({"b": null}), &json!(7))
    );
    assert_eq!(
        ann.find("the other", |frame| fits(frame, 3)).await["kind"],
        "unreadable"
    );
    assert_eq!(ann.say("yard", "after").await["seq"], 4);
    let mut bo = cluster.page(1, "Bo").await;
    bo.join_after("yard", first["epoch"].as_str().unwrap(), 1)
        .await;
    let seqs: Vec<_> = bo
        .messages("yard", 3)
        .await
        .iter()
        .map(|message| message.seq)
        .collect();
    assert_eq!(seqs, [2, 3, 4]);
    let history = bo.answer(json!({"type": "history", "room": "yard"})).await;
    assert_eq!(history["messages"][1], live);
    assert_eq!(cluster.nodes[0].metrics().unreadable_entries.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_shows_the_log_and_exactly_the_rooms_with_members() {
    let mut cluster = Cluster::redis(2).await;
    let mut ann = cluster.page(0, "Ann").await;
    let mut bo = cluster.page(1, "Bo").await;
    ann.join("yard").await;
    ann.join("마당").await;
    bo.join("yard").await;
    for text in ["one", "two"] {
        ann.say("yard", text).await;
    }
    let log: Vec<(String, Vec<String>)> =
        cluster.redis_server().run(&["XRANGE", LOG, "-", "+"]).await;
    let ids: Vec<_> = log.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["1-0", "2-0"]);
    let Some(redis) = Some(cluster.redis_server()) else {
        return;
    };
    let names = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let both = names(redis.run(&["PUBSUB", "CHANNELS", "madang:{*"]).await);
    assert_eq!(both, ["madang:{yard}", "madang:{마당}"]);
    ann.answer(json!({"type": "leave", "room": "마당"})).await;
    eventually("the room that was left is unsubscribed", || async {
        names(redis.run(&["PUBSUB", "CHANNELS", "madang:{*"]).await) == ["madang:{yard}"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_node_starts_unready_and_serves_once_it_is_there() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let mut cluster = Cluster::redis_with(0, redis, settings()).await;
    cluster.begin().await;
    let internal = cluster.nodes[0].internal_address();
    assert_eq!(probe(internal, "/livez").await, 200);
    assert_eq!(probe(internal, "/readyz").await, 503);
    let mut early = Page::knock(cluster.nodes[0].address()).await;
    early.send(json!({"type": "hello", "name": "Ann"})).await;
    let error = early.expect("error").await;
    assert_eq!(error["code"], "unavailable");
    assert!(error["retry_after_ms"].as_u64().is_some());
    cluster.redis_server().restart().await;
    eventually("the node is ready", || async {
        probe(internal, "/readyz").await == 200
    })
    .await;
    let mut ann = cluster.page(0, "Ann").await;
    ann.join("yard").await;
    ann.say("yard", "here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_refused_retryably_and_over_when_it_is_over() {
    let mut yard =
        Yard::open(Cluster::redis_with(2, durable_redis().await, settings()).await).await;
    yard.say("before").await;
    yard.cluster.redis_server().kill();
    assert_eq!(yard.bo.expect("degraded").await["reason"], "broker");
    let refused = yard
        .ann
        .answer(json!({"type": "send", "room": "yard", "text": "during", "key": "during"}))
        .await;
    assert!(
        ["unavailable", "timeout"].contains(&refused["code"].as_str().unwrap()),
        "{refused}"
    );
    assert!(refused["retry_after_ms"].as_u64().is_some(), "{refused}");
    assert_eq!(
        probe(yard.cluster.nodes[0].internal_address(), "/readyz").await,
        200,
        "an outage changes no readiness"
    );
    assert_eq!(
        yard.ann.answer(json!({"type": "ping"})).await["type"],
        "pong"
    );
    yard.cluster.redis_server().restart().await;
    yard.bo.expect("recovered").await;
    yard.say("during").await;
    yard.shows("during").await;
    assert_eq!(yard.screen.shown.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_is_noticed_within_three_seconds_and_writes_nothing_late() {
    let mut yard = Yard::open(Cluster::redis(2).await).await;
    let mut noticed = Vec::new();
    for round in 0..5 {
        yard.cluster.redis_server().pause();
        let begun = Instant::now();
        let id = yard.ann.ask(json!({"type": "send", "room": "yard", "text": "late", "key": format!("late {round}")})).await;
        let mut health = yard.cluster.nodes[0].broker().health();
        health
            .wait_for(|health| matches!(health, Health::Down(_)))
            .await
            .unwrap();
        noticed.push(begun.elapsed());
        yard.bo.expect("degraded").await;
        let answer = yard
            .ann
            .find("the refusal", |frame| frame["id"] == id)
            .await;
        assert!(answer["retry_after_ms"].as_u64().is_some(), "{answer}");
        yard.cluster.redis_server().resume();
        yard.bo.expect("recovered").await;
        // The first refused key lifts the order of refusals.
        let text = format!("after {round}");
        let again = say_again(&mut yard.ann, &format!("late {round}")).await;
        assert_eq!(
            again["duplicate"],
            Value::Null,
            "nothing was written late: {again}"
        );
        yard.say(&text).await;
        yard.shows(&text).await;
    }
    noticed.sort();
    assert!(
        noticed[2] <= Duration::from_secs(3),
        "median of {noticed:?}"
    );
    assert!(
        noticed[4] <= Duration::from_secs(9),
        "longest of {noticed:?}"
    );
}

async fn say_again(page: &mut Page, key: &str) -> Value {
    loop {
        let answer = page
            .answer(json!({"type": "send", "room": "yard", "text": "late", "key": key}))
            .await;
        if answer["type"] == "sent" {
            return answer;
        }
        let wait = answer["retry_after_ms"]
            .as_u64()
            .unwrap_or_else(|| panic!("final refusal: {answer}"));
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// Appends an entry as the publish script does, but without its payload, as if that had been lost.
async fn append_silently(cluster: &mut Cluster, room: &str, epoch: &Value, seq: u64, m: &str) {
    let (log, meta) = (
        format!("madang:{{{room}}}:log"),
        format!("madang:{{{room}}}:meta"),
    );
    let (id, seq, epoch) = (format!("{seq}-0"), seq.to_string(), epoch.as_str().unwrap());
    let redis = cluster.redis_server();
    let at: String = redis.run(&["HGET", &meta, "at"]).await;
    let mut both = redis::cmd("EVAL");
    both.arg("redis.call('XADD', KEYS[1], ARGV[1], 'e', ARGV[2], 'at', ARGV[3], 'm', ARGV[4]) redis.call('HSET', KEYS[2], 'seq', ARGV[5])");
    both.arg(2)
        .arg(log)
        .arg(meta)
        .arg(id)
        .arg(epoch)
        .arg(at)
        .arg(m)
        .arg(seq);
    let _done: redis::Value = redis.run_command(&both).await;
}

/// Returns the status of an answer of the internal listener.
async fn probe(address: std::net::SocketAddr, path: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut wire = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    wire.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wire.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}
