//! What bots do over HTTP and how it meets people, on both brokers and over two nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madang::config::Settings;
use madang::server::api::keys::generate;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::cluster::{Cluster, settings};
use crate::support::page::Page;
use crate::support::redis::RedisServer;
use crate::support::{PATIENCE, eventually};

/// Longer than a node takes between two looks at the file of keys.
const TWO_LOOKS: Duration = Duration::from_secs(5);
const EVERYWHERE: &str =
    "rights = [\"read\", \"publish\"]\nrooms = [\"*\"]\nrequests_per_second = 0";

/// An answer over HTTP.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Sends a request and leaves its answer unread.
async fn begin(address: SocketAddr, key: &str, line: &str, body: Option<&Value>) -> TcpStream {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n"
    );
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        let length = body.len();
        write!(
            request,
            "Content-Type: application/json\r\nContent-Length: {length}\r\n"
        )
        .unwrap();
    }
    write!(request, "\r\n{body}").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn ask(address: SocketAddr, key: &str, line: &str, body: Option<&Value>) -> Answer {
    let mut stream = begin(address, key, line, body).await;
    let mut raw = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut raw))
        .await
        .unwrap_or_else(|_| panic!("no answer to {line}"))
        .unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_owned(),
        body: serde_json::from_str(body).unwrap_or_else(|_| panic!("{line}: {raw}")),
    }
}

/// The file of keys, and the keys themselves.
#[derive(Debug)]
struct KeyFile {
    directory: TempDir,
    keys: HashMap<String, String>,
}

impl KeyFile {
    /// Makes a file with keys of these names that may do everything.
    fn new(names: &[&str]) -> Self {
        let mut file = Self {
            directory: TempDir::with_prefix("madang-keys-").unwrap(),
            keys: HashMap::new(),
        };
        let entries: Vec<_> = names
            .iter()
            .map(|name| file.entry(name, EVERYWHERE))
            .collect();
        file.write(&entries.concat());
        file
    }

    /// Makes a key and returns its entry.
    fn entry(&mut self, name: &str, rest: &str) -> String {
        let (key, hash) = generate().unwrap();
        self.keys.insert(name.to_owned(), key);
        entry(name, &[&hash], rest)
    }

    /// Replaces the file at once, as a mounted secret is replaced.
    fn write(&self, content: &str) {
        let path = self.directory.path().join("new.toml");
        std::fs::write(&path, content).unwrap();
        std::fs::rename(path, self.directory.path().join("keys.toml")).unwrap();
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("keys.toml")).unwrap()
    }

    fn settings(&self) -> Settings {
        let mut settings = settings();
        settings.api.keys_file = Some(self.directory.path().join("keys.toml"));
        // Everything that a test sends is still there at its end.
        settings.history.entries = 4_000;
        settings
    }
}

fn entry(name: &str, hashes: &[&str], rest: &str) -> String {
    format!("[[key]]\nname = \"{name}\"\nsha256 = {hashes:?}\n{rest}\n")
}

/// Nodes whose rooms bots `b0` to `b3` may use.
struct Bots {
    cluster: Cluster,
    file: KeyFile,
}

impl Bots {
    async fn memory(nodes: usize) -> Self {
        let file = KeyFile::new(&["b0", "b1", "b2", "b3"]);
        let cluster = Cluster::memory_with(nodes, file.settings()).await;
        Self { cluster, file }
    }

    async fn redis(nodes: usize) -> Self {
        let file = KeyFile::new(&["b0", "b1", "b2", "b3"]);
        let redis = RedisServer::start().await;
        let cluster = Cluster::redis_with(nodes, redis, file.settings()).await;
        Self { cluster, file }
    }

    fn address(&self, node: usize) -> SocketAddr {
        self.cluster.nodes[node].address()
    }

    async fn get(&self, node: usize, bot: &str, path: &str) -> Answer {
        let line = format!("GET {path}");
        ask(self.address(node), &self.file.keys[bot], &line, None).await
    }

    async fn post(&self, node: usize, bot: &str, path: &str, body: &Value) -> Answer {
        let line = format!("POST {path}");
        ask(self.address(node), &self.file.keys[bot], &line, Some(body)).await
    }

    /// Sends to the yard until it is accepted, with the waits that refusals name.
    async fn post_until_sent(&self, node: usize, bot: &str, body: &Value) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.post(node, bot, "/rooms/yard/messages", body).await;
            if answer.status < 300 {
                return answer;
            }
            let wait = answer.body["retry_after_ms"].as_u64();
            let wait = wait.unwrap_or_else(|| panic!("final refusal: {}", answer.body));
            assert!(begun.elapsed() < PATIENCE, "never sent: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    /// Reads a room from its begin, as a bot catches up.
    async fn read_all(&self, node: usize, room: &str) -> Vec<Value> {
        let (mut all, mut query) = (Vec::new(), "after=0".to_owned());
        loop {
            let path = format!("/rooms/{room}/messages?limit=200&{query}");
            let page = self.get(node, "b0", &path).await;
            assert_eq!(page.status, 200, "{}", page.body);
            assert_eq!(page.body.get("from"), None);
            all.extend_from_slice(page.body["messages"].as_array().unwrap());
            if page.body["more"] == false {
                return all;
            }
            let last = all.last().unwrap();
            let epoch = last["epoch"].as_str().unwrap();
            query = format!("after={}&epoch={epoch}", last["seq"]);
        }
    }
}

fn texts(messages: &[Value]) -> Vec<&str> {
    let texts = messages
        .iter()
        .map(|message| message["text"].as_str().unwrap());
    texts.collect()
}

/// Checks that a refusal invites to come again, by body and by header.
fn is_retryable(answer: &Answer) {
    let Answer { status, body, .. } = answer;
    assert!([503, 504].contains(status), "{status} {body}");
    assert!(
        ["unavailable", "timeout"].contains(&body["code"].as_str().unwrap()),
        "{body}"
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let seconds = body["retry_after_ms"].as_u64().unwrap().div_ceil(1000);
    assert!(seconds > 0);
    assert_eq!(answer.header("retry-after"), Some(&*seconds.to_string()));
}

/// Runs each scenario on two nodes that share a memory broker and on two that share a Redis.
macro_rules! on_both_brokers {
    ($($name:ident;)+) => {
        mod memory {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(Bots::memory(2).await).await;
            })+
        }
        mod redis {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(Bots::redis(2).await).await;
            })+
        }
    };
}

on_both_brokers! {
    a_bots_message_comes_once_to_the_members_on_every_node;
    a_persons_message_is_read_by_a_bot_on_the_other_node;
    batches_at_once_are_all_numbered_and_keep_their_order;
    what_is_repeated_after_a_lost_answer_is_not_doubled;
    members_of_all_nodes_come_by_cursor_and_bots_are_none;
    no_session_gets_the_id_of_a_bot;
}

async fn a_bots_message_comes_once_to_the_members_on_every_node(bots: Bots) {
    let mut people = Vec::new();
    for (node, name) in ["Ann", "Bo"].iter().enumerate() {
        let mut page = bots.cluster.page(node, name).await;
        page.join("yard").await;
        people.push(page);
    }
    let body = json!({"text": "배포 1.2.3", "key": "deploy-1"});
    let sent = bots.post(0, "b0", "/rooms/Yard/messages", &body).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
    let again = bots.post(1, "b0", "/rooms/yard/messages", &body).await;
    assert_eq!(
        (again.status, &again.body["duplicate"]),
        (200, &json!(true))
    );
    for part in ["epoch", "seq", "at"] {
        assert_eq!(again.body[part], sent.body[part]);
    }
    let expected = json!({
        "type": "message", "room": "yard", "text": "배포 1.2.3", "key": "deploy-1",
        "user": {"id": "api:b0", "name": "b0", "bot": true},
        "epoch": sent.body["epoch"], "seq": sent.body["seq"], "at": sent.body["at"],
    });
    for page in &mut people {
        assert_eq!(page.expect("message").await, expected);
        page.expect_no("message").await;
    }
}

async fn a_persons_message_is_read_by_a_bot_on_the_other_node(bots: Bots) {
    let mut ann = bots.cluster.page(0, "Ann").await;
    ann.join("yard").await;
    for text in ["one", "two"] {
        ann.say("yard", text).await;
    }
    let frames = [ann.expect("message").await, ann.expect("message").await];
    let read = bots.get(1, "b0", "/rooms/yard/messages").await;
    assert_eq!(read.body["messages"], json!(frames));
    assert_eq!(
        read.body["messages"][0]["user"],
        json!({"id": ann.user, "name": "Ann"})
    );
    assert_eq!(read.body["more"], false);
    let info = bots.get(1, "b0", "/rooms/yard").await.body;
    assert_eq!((&info["first"], &info["seq"]), (&json!(1), &json!(2)));
    assert_eq!(info["at"], frames[1]["at"]);
}

async fn batches_at_once_are_all_numbered_and_keep_their_order(bots: Bots) {
    const BATCHES: usize = 100;
    const MESSAGES: usize = 20;
    let mut under_way = Vec::new();
    for batch in 0..BATCHES {
        let messages = (0..MESSAGES)
            .map(|number| json!({"room": "yard", "text": format!("{batch}/{number}")}));
        let body = json!({"messages": messages.collect::<Vec<_>>()});
        let (address, key) = (
            bots.address(batch % 2),
            bots.file.keys[&format!("b{}", batch % 4)].clone(),
        );
        under_way.push(tokio::spawn(async move {
            ask(address, &key, "POST /messages", Some(&body)).await
        }));
    }
    let mut numbered = BTreeMap::new();
    for (batch, answer) in under_way.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let results = answer.body["results"].as_array().unwrap();
        assert_eq!(results.len(), MESSAGES);
        let mut last = 0;
        for (number, result) in results.iter().enumerate() {
            assert_eq!(result["status"], 201, "batch {batch}: {result}");
            let seq = result["sent"]["seq"].as_u64().unwrap();
            assert!(seq > last, "batch {batch} is out of order: {}", answer.body);
            last = seq;
            let before = numbered.insert(seq, (batch, number));
            assert_eq!(before, None, "two messages have the number {seq}");
        }
    }
    let all = bots.read_all(1, "yard").await;
    assert_eq!(all.len(), BATCHES * MESSAGES);
    for ((message, seq), (known, (batch, number))) in all.iter().zip(1..).zip(numbered) {
        assert_eq!(
            (&message["seq"], known),
            (&json!(seq), seq),
            "a number is left out"
        );
        assert_eq!(message["text"], format!("{batch}/{number}"));
        assert_eq!(message["user"]["id"], format!("api:b{}", batch % 4));
    }
}

async fn what_is_repeated_after_a_lost_answer_is_not_doubled(bots: Bots) {
    let mut ann = bots.cluster.page(0, "Ann").await;
    ann.join("yard").await;
    let key = &bots.file.keys["b0"];
    let one = json!({"text": "once", "key": "k0"});
    let cut = begin(
        bots.address(0),
        key,
        "POST /rooms/yard/messages",
        Some(&one),
    )
    .await;
    assert_eq!(ann.message("yard").await.text, "once");
    drop(cut);
    let again = bots.post(1, "b0", "/rooms/yard/messages", &one).await;
    assert_eq!((again.status, &again.body["seq"]), (200, &json!(1)));

    let messages = ["a", "b", "c"].map(|text| json!({"room": "yard", "text": text, "key": text}));
    let batch = json!({"messages": messages});
    let cut = begin(bots.address(0), key, "POST /messages", Some(&batch)).await;
    let shown: Vec<_> = ann
        .messages("yard", 3)
        .await
        .into_iter()
        .map(|shown| shown.text)
        .collect();
    assert_eq!(shown, ["a", "b", "c"]);
    drop(cut);
    let again = bots.post(1, "b0", "/messages", &batch).await;
    for (result, seq) in again.body["results"].as_array().unwrap().iter().zip(2..) {
        assert_eq!(result["status"], 200, "{result}");
        assert_eq!(
            (&result["sent"]["seq"], &result["sent"]["duplicate"]),
            (&json!(seq), &json!(true))
        );
    }

    // Whether this one was sent at all before the cut is open.
    let open = json!({"text": "open", "key": "k1"});
    drop(
        begin(
            bots.address(0),
            key,
            "POST /rooms/yard/messages",
            Some(&open),
        )
        .await,
    );
    bots.post_until_sent(1, "b0", &open).await;
    // Another bot's message with the same key is another message.
    assert_eq!(
        bots.post(0, "b1", "/rooms/yard/messages", &open)
            .await
            .status,
        201
    );
    let all = bots.read_all(0, "yard").await;
    assert_eq!(texts(&all), ["once", "a", "b", "c", "open", "open"]);
    assert_eq!(ann.messages("yard", 2).await.len(), 2);
    ann.expect_no("message").await;
}

async fn members_of_all_nodes_come_by_cursor_and_bots_are_none(bots: Bots) {
    let names = ["Ann", "Bo", "Cho", "Dan", "은지"];
    let mut people = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let mut page = bots.cluster.page(number % 2, name).await;
        page.join("yard").await;
        people.push(page);
    }
    let hello = json!({"text": "I am here"});
    bots.post(0, "b0", "/rooms/yard/messages", &hello).await;
    let members = || async { bots.get(1, "b0", "/rooms/yard").await.body["members"] == 5 };
    eventually("five people are in the room", members).await;
    let (mut found, mut query) = (BTreeSet::new(), String::new());
    for _ in 0..names.len() {
        let path = format!("/rooms/yard/members?limit=2{query}");
        let page = bots.get(1, "b0", &path).await.body;
        assert_eq!(page["count"], 5, "{page}");
        let members = page["members"].as_array().unwrap();
        assert!((1..=2).contains(&members.len()), "{page}");
        for member in members {
            let name = member["name"].as_str().unwrap().to_owned();
            assert!(found.insert(name), "twice: {member}");
        }
        let Some(cursor) = page.get("cursor") else {
            break;
        };
        let bytes = cursor.as_str().unwrap().bytes();
        let encoded: Vec<_> = bytes.map(|byte| format!("%{byte:02X}")).collect();
        query = format!("&cursor={}", encoded.concat());
    }
    assert_eq!(found, names.map(str::to_owned).into());
}

async fn no_session_gets_the_id_of_a_bot(bots: Bots) {
    let honest = bots.cluster.page(0, "Ann").await;
    let parts: Vec<_> = honest.token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.encode(r#"{"u":"api:b0","t":1767225600000}"#);
    let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
    let tokens = [
        format!("{}.{claims}.{}", parts[0], parts[2]),
        format!("{}.{claims}.{zeros}", parts[0]),
        format!("{}.{claims}.", parts[0]),
        format!("{}.{claims}", parts[0]),
        bots.file.keys["b0"].clone(),
        "api:b0".to_owned(),
    ];
    for token in tokens {
        let mut page = Page::knock(bots.address(1)).await;
        let user = json!({"id": "api:b0", "name": "b0", "bot": true});
        page.send(json!({
            "type": "hello", "name": "api:b0", "token": token, "id": "api:b0", "user": user, "bot": true,
        }))
        .await;
        let welcome = page.expect("welcome").await;
        assert_eq!(welcome["resumed_identity"], false, "{token}");
        let id = welcome["user"]["id"].as_str().unwrap().to_owned();
        assert!(!id.starts_with("api:"), "{welcome}");
        page.join("yard").await;
        page.answer(json!({"type": "rename", "name": "b0", "user": user}))
            .await;
        page.answer(json!({"type": "send", "room": "yard", "text": "hi", "key": id, "user": user, "bot": true}))
            .await;
        let message = page.expect("message").await;
        assert_eq!(message["user"], json!({"id": id, "name": "b0"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_frozen_sends_are_refused_and_stand_once_afterwards() {
    let mut bots = Bots::redis(2).await;
    let mut ann = bots.cluster.page(1, "Ann").await;
    ann.join("yard").await;
    ann.say("yard", "before").await;
    let one = json!({"text": "one", "key": "k"});
    let messages = ["a", "b", "c"].map(|text| json!({"room": "yard", "text": text, "key": text}));
    let batch = json!({"messages": messages});

    bots.cluster.redis_server().pause();
    is_retryable(&bots.post(0, "b0", "/rooms/yard/messages", &one).await);
    is_retryable(&bots.get(0, "b0", "/rooms/yard/messages").await);
    let refused = bots.post(0, "b0", "/messages", &batch).await;
    assert_eq!(refused.status, 200);
    for result in refused.body["results"].as_array().unwrap() {
        let problem = &result["problem"];
        assert!(
            [json!(503), json!(504)].contains(&result["status"]),
            "{result}"
        );
        assert_eq!(problem["status"], result["status"]);
        assert!(
            problem["retry_after_ms"]
                .as_u64()
                .is_some_and(|wait| wait > 0),
            "{result}"
        );
    }
    bots.cluster.redis_server().resume();

    bots.post_until_sent(0, "b0", &one).await;
    let sent = bots.post(1, "b0", "/messages", &batch).await;
    for result in sent.body["results"].as_array().unwrap() {
        assert!(
            [json!(200), json!(201)].contains(&result["status"]),
            "{result}"
        );
    }
    let again = bots.post(1, "b0", "/rooms/yard/messages", &one).await;
    assert_eq!(
        (again.status, &again.body["duplicate"]),
        (200, &json!(true))
    );
    let all = bots.read_all(0, "yard").await;
    let mut all = texts(&all);
    let order: Vec<_> = all
        .iter()
        .filter(|text| ["a", "b", "c"].contains(text))
        .collect();
    assert_eq!(order, [&"a", &"b", &"c"]);
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "before", "c", "one"]);
    let mut shown: Vec<_> = ann
        .messages("yard", 5)
        .await
        .into_iter()
        .map(|shown| shown.text)
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, all);
    ann.expect_no("message").await;
}

/// Waits until both nodes answer a key with a status.
async fn until(bots: &Bots, key: &str, line: &str, body: Option<&Value>, status: u16) {
    for node in 0..bots.cluster.nodes.len() {
        let asked = || async { ask(bots.address(node), key, line, body).await.status == status };
        eventually(&format!("node {node} answers {line} with {status}"), asked).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_change_and_go_without_a_restart() {
    let mut bots = Bots::memory(2).await;
    let first = bots.file.read();
    let (read, send) = ("GET /rooms/yard", "POST /rooms/yard/messages");
    let text = json!({"text": "hi"});
    let ((old, old_hash), (new, new_hash)) = (generate().unwrap(), generate().unwrap());
    bots.file.keys.insert("late".to_owned(), old.clone());

    until(&bots, &old, read, None, 401).await;
    bots.file
        .write(&(first.clone() + &entry("late", &[&old_hash], EVERYWHERE)));
    until(&bots, &old, send, Some(&text), 201).await;

    // Rotation: both count, then only the new one; it may only read by then.
    bots.file
        .write(&(first.clone() + &entry("late", &[&old_hash, &new_hash], EVERYWHERE)));
    until(&bots, &new, send, Some(&text), 201).await;
    until(&bots, &old, send, Some(&text), 201).await;
    let less = "rights = [\"read\"]\nrooms = [\"ya*\"]";
    bots.file
        .write(&(first.clone() + &entry("late", &[&new_hash], less)));
    until(&bots, &old, read, None, 401).await;
    until(&bots, &new, read, None, 200).await;
    until(&bots, &new, send, Some(&text), 403).await;
    until(&bots, &new, "GET /rooms/lobby", None, 403).await;

    bots.file.write(&first);
    until(&bots, &new, read, None, 401).await;
    let message = bots.read_all(0, "yard").await;
    assert!(
        message
            .iter()
            .all(|message| message["user"]["id"] == "api:late")
    );
    assert_eq!(
        bots.get(1, "b3", "/rooms/yard").await.status,
        200,
        "the others stay"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_edit_keeps_the_keys_and_the_next_good_one_counts() {
    let bots = Bots::memory(2).await;
    let first = bots.file.read();
    let (late, hash) = generate().unwrap();
    let good = first.clone() + &entry("late", &[&hash], EVERYWHERE);
    for bad in [
        good.clone() + "[[key]]\nname = ",
        good.replace("\"read\"", "\"raed\""),
    ] {
        bots.file.write(&bad);
        let begun = Instant::now();
        while begun.elapsed() < TWO_LOOKS {
            for node in 0..2 {
                assert_eq!(bots.get(node, "b0", "/node").await.status, 200);
                let answer = ask(bots.address(node), &late, "GET /node", None).await;
                assert_eq!(answer.status, 401, "a part of a bad file counts");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    bots.file.write(&good);
    until(&bots, &late, "GET /node", None, 200).await;
}
