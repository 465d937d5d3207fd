//! The HTTP API as a bot sees it, on one node with the memory broker.

use std::io::Write as _;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::super::api::keys::generate;
use super::{Answer, Node};

/// A node with keys: one may everything everywhere, the others less.
struct Bots {
    node: Node,
    all: String,
    reader: String,
    slow: String,
    _file: NamedTempFile,
}

impl Bots {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        let mut key = |name: &str, rights: &str, rooms: &str, more: &str| {
            let (key, hash) = generate().unwrap();
            let entry = format!(
                "[[key]]\nname = \"{name}\"\nsha256 = [\"{hash}\"]\nrights = [{rights}]\nrooms = [{rooms}]\n{more}\n"
            );
            file.write_all(entry.as_bytes()).unwrap();
            key
        };
        let all = key(
            "all",
            "\"read\", \"publish\"",
            "\"*\"",
            "requests_per_second = 0",
        );
        let reader = key("reader", "\"read\"", "\"ops\", \"team-*\"", "");
        let slow = key(
            "slow",
            "\"read\"",
            "\"*\"",
            "requests_per_second = 1\nrequests_burst = 100",
        );
        let path = file.path().to_str().unwrap();
        let mut all_variables = vec![("API__KEYS_FILE", path)];
        all_variables.extend_from_slice(variables);
        Self {
            node: Node::start(&all_variables),
            all,
            reader,
            slow,
            _file: file,
        }
    }

    async fn ask(&self, key: &str, line: &str) -> Answer {
        self.ask_with(key, line, &[]).await
    }

    async fn ask_with(&self, key: &str, line: &str, more: &[&str]) -> Answer {
        let authorization = format!("Authorization: Bearer {key}");
        let mut headers = vec!["Host: a", &authorization];
        headers.extend_from_slice(more);
        let line = line.replacen(' ', " /api/v1", 1);
        self.node.served.ask(&line, &headers).await
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.post_raw(
            key,
            path,
            "application/json",
            &[],
            body.to_string().as_bytes(),
        )
        .await
    }

    async fn post_raw(
        &self,
        key: &str,
        path: &str,
        kind: &str,
        more: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut head = format!(
            "POST /api/v1{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in more {
            head += &format!("{header}\r\n");
        }
        head += "\r\n";
        let mut stream = self.node.served.dial().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // A body that is too large is refused before all of it was sent.
        let _ = stream.write_all(body).await;
        Answer::read(&mut stream).await
    }
}

/// Checks a problem document and returns it.
fn problem(answer: &Answer, status: u16, code: &str, field: Option<&str>) -> Value {
    let problem = answer.json();
    assert_eq!(answer.status, status, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["type"], format!("/docs/api.md#{code}"), "{problem}");
    assert_eq!(problem["field"].as_str(), field, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    let seconds = problem["retry_after_ms"]
        .as_u64()
        .map(|ms| ms.div_ceil(1000).to_string());
    assert_eq!(
        answer.header("retry-after"),
        seconds.as_deref(),
        "{problem}"
    );
    problem
}

#[tokio::test]
async fn without_keys_the_api_says_which_setting_it_needs() {
    let node = Node::start(&[]);
    for line in [
        "GET /api/v1/node",
        "GET /api/v1/nothing",
        "POST /api/v1/messages",
        "PUT /api/v1/node",
    ] {
        let answer = node
            .served
            .ask(line, &["Host: a", "Authorization: Bearer x"])
            .await;
        let problem = problem(&answer, 401, "forbidden", None);
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("MADANG_API__KEYS_FILE")
        );
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"madang\"")
        );
    }
    let document = node.served.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn who_has_no_good_key_is_refused() {
    let bots = Bots::start(&[]);
    let good = format!("Authorization: Bearer {}", bots.all);
    let double = [&*good, &*good];
    for headers in [
        &[][..],
        &["Authorization: Basic eA=="],
        &["Authorization: Bearer"],
        &double,
    ] {
        let mut all = vec!["Host: a"];
        all.extend_from_slice(headers);
        let answer = bots.node.served.ask("GET /api/v1/node", &all).await;
        problem(&answer, 401, "forbidden", None);
    }
    let wrong = bots.ask("mdk1.wrong", "GET /node").await;
    problem(&wrong, 401, "forbidden", None);
    assert!(
        wrong
            .header("www-authenticate")
            .unwrap()
            .contains("invalid_token")
    );
    assert_eq!(bots.ask(&bots.all, "GET /node").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let bots = Bots::start(&[]);
    for (line, status, code, allow) in [
        ("GET /nothing", 404, "not_found", None),
        ("GET /rooms", 404, "not_found", None),
        ("GET /rooms/a/b/c", 404, "not_found", None),
        (
            "DELETE /rooms/a/messages",
            405,
            "not_found",
            Some("POST,GET,HEAD"),
        ),
        ("POST /node", 405, "not_found", Some("GET,HEAD")),
        ("POST /openapi.json", 405, "not_found", Some("GET,HEAD")),
        ("POST /rooms", 404, "not_found", None),
        ("OPTIONS /node", 405, "not_found", Some("GET,HEAD")),
    ] {
        let answer = bots.ask(&bots.all, line).await;
        problem(&answer, status, code, None);
        assert_eq!(answer.header("allow"), allow, "{line}");
    }
    for path in ["/api", "/api/", "/api/v2/node", "/api/v1x"] {
        problem(&bots.node.served.get(path).await, 404, "not_found", None);
    }
}

#[tokio::test]
async fn a_message_is_sent_once_whatever_is_repeated() {
    let bots = Bots::start(&[]);
    let path = "/rooms/Ops/messages";
    let first = bots
        .post(&bots.all, path, &json!({"text": "hi", "key": "k1"}))
        .await;
    assert_eq!(first.status, 201);
    let sent = first.json();
    assert_eq!((&sent["room"], &sent["seq"]), (&json!("ops"), &json!(1)));
    assert!(sent.get("duplicate").is_none(), "{sent}");
    assert_eq!(first.header("cache-control"), Some("no-store"));

    let again = bots
        .post(&bots.all, path, &json!({"text": "hi", "key": "k1"}))
        .await;
    assert_eq!(again.status, 200);
    let mut expected = sent.clone();
    expected["duplicate"] = json!(true);
    assert_eq!(again.json(), expected);

    for header in ["Idempotency-Key: k1", "Idempotency-Key: \"k1\""] {
        let kind = "application/json";
        let answer = bots
            .post_raw(&bots.all, path, kind, &[header], br#"{"text":"hi"}"#)
            .await;
        assert_eq!(answer.json(), expected, "{header}");
        let both = bots
            .post_raw(
                &bots.all,
                path,
                kind,
                &[header],
                br#"{"text":"hi","key":"k1"}"#,
            )
            .await;
        assert_eq!(both.json(), expected, "{header}");
        let differ = bots
            .post_raw(
                &bots.all,
                path,
                kind,
                &[header],
                br#"{"text":"hi","key":"k2"}"#,
            )
            .await;
        problem(&differ, 400, "bad_field", Some("Idempotency-Key"));
    }
    let reused = bots
        .post(&bots.all, path, &json!({"text": "other", "key": "k1"}))
        .await;
    problem(&reused, 409, "key_reused", None);
    assert_eq!(
        bots.post(&bots.all, path, &json!({"text": "hi"}))
            .await
            .status,
        201
    );
    assert_eq!(
        bots.post(&bots.all, path, &json!({"text": "hi", "key": null}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_message_in_order() {
    let bots = Bots::start(&[("LIMITS__TEXT", "10")]);
    let messages = json!({"messages": [
        {"room": "ops", "text": "one", "key": "k1"},
        {"room": "a/b", "text": "x"},
        {"room": "ops", "text": "much too long"},
        {"room": "ops", "text": "one", "key": "k1"},
        {"room": "ops", "text": " "},
        {"room": "Dev", "text": "two", "key": "k1"},
        {"room": "ops", "text": "three", "key": ""},
        {"room": "ops", "text": "other", "key": "k1"},
        {"room": "ops", "text": "four"},
    ]});
    let answer = bots.post(&bots.all, "/messages", &messages).await;
    assert_eq!(answer.status, 200);
    let results = answer.json();
    let results = results["results"].as_array().unwrap();
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 400, 413, 200, 400, 201, 400, 409, 201]);
    assert_eq!(results[0]["sent"]["seq"], 1);
    assert_eq!(results[1]["problem"]["code"], "bad_name");
    assert_eq!(results[1]["problem"]["field"], "messages[1].room");
    assert_eq!(results[2]["problem"]["field"], "messages[2].text");
    assert_eq!(results[3]["sent"]["duplicate"], true);
    assert_eq!(results[5]["sent"]["room"], "dev");
    assert_eq!(results[6]["problem"]["field"], "messages[6].key");
    assert_eq!(results[7]["problem"]["code"], "key_reused");
    assert_eq!(results[8]["sent"]["seq"], 2);

    let many: Vec<_> = (0..101)
        .map(|_| json!({"room": "ops", "text": "x"}))
        .collect();
    for (messages, field) in [
        (json!([]), "messages"),
        (json!(many), "messages"),
        (json!([{"room": "ops"}]), "messages[0].text"),
    ] {
        let answer = bots
            .post(&bots.all, "/messages", &json!({"messages": messages}))
            .await;
        let code = if field == "messages" {
            "bad_field"
        } else {
            "missing_field"
        };
        problem(&answer, 400, code, Some(field));
    }
    let query = bots
        .post(&bots.all, "/messages?x=1", &json!({"messages": []}))
        .await;
    problem(&query, 400, "bad_field", Some("x"));
    let header = ["Idempotency-Key: k"];
    let body = br#"{"messages":[{"room":"ops","text":"x"}]}"#;
    let keyed = bots
        .post_raw(&bots.all, "/messages", "application/json", &header, body)
        .await;
    problem(&keyed, 400, "bad_field", Some("Idempotency-Key"));
}

#[tokio::test]
async fn bad_messages_each_have_their_problem() {
    let bots = Bots::start(&[("LIMITS__TEXT", "10"), ("API__BODY_BYTES", "16KiB")]);
    let path = "/rooms/ops/messages";
    for (body, status, code, field) in [
        (json!({}), 400, "missing_field", Some("text")),
        (json!({"text": 5}), 400, "bad_field", Some("text")),
        (
            json!({"text": "a", "txt": "b"}),
            400,
            "bad_field",
            Some("txt"),
        ),
        (
            json!({"text": "x".repeat(11)}),
            413,
            "text_too_long",
            Some("text"),
        ),
        (json!({"text": "\u{200b}"}), 400, "bad_field", Some("text")),
        (json!({"text": "a\u{7}"}), 400, "bad_field", Some("text")),
        (
            json!({"text": "a", "key": "k".repeat(65)}),
            400,
            "bad_field",
            Some("key"),
        ),
        (
            json!({"text": "x".repeat(17_000)}),
            413,
            "text_too_long",
            None,
        ),
    ] {
        problem(
            &bots.post(&bots.all, path, &body).await,
            status,
            code,
            field,
        );
    }
    for (kind, body, status, code) in [
        ("text/plain", &b"{}"[..], 415, "bad_json"),
        ("application/json; charset=euc-kr", b"{}", 415, "bad_json"),
        (
            "application/json",
            b"{\"text\":\"a\",\"text\":\"b\"}",
            400,
            "bad_json",
        ),
        ("application/json", b"text=a", 400, "bad_json"),
        ("application/json", b"\xff", 400, "bad_json"),
        ("application/json", b"", 400, "bad_json"),
    ] {
        problem(
            &bots.post_raw(&bots.all, path, kind, &[], body).await,
            status,
            code,
            None,
        );
    }
    for path in [
        "/rooms/a%2Fb/messages",
        "/rooms/%20/messages",
        "/rooms/%ff/messages",
        "/rooms/-x/messages",
    ] {
        let answer = bots.post(&bots.all, path, &json!({"text": "a"})).await;
        problem(&answer, 400, "bad_name", Some("room"));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let bots = Bots::start(&[("SERVER__HEADER_TIMEOUT", "200ms")]);
    let head = format!(
        "POST /api/v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        bots.all
    );
    let mut stream = bots.node.served.dial().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    problem(&Answer::read(&mut stream).await, 408, "bad_json", None);
}

#[tokio::test]
async fn a_key_does_what_its_rights_say_where_its_rooms_say() {
    let bots = Bots::start(&[]);
    for room in ["ops", "team-%ED%95%9C", "TEAM-x"] {
        let line = format!("GET /rooms/{room}/messages");
        assert_eq!(bots.ask(&bots.reader, &line).await.status, 200, "{room}");
        let answer = bots
            .post(
                &bots.reader,
                &format!("/rooms/{room}/messages"),
                &json!({"text": "a"}),
            )
            .await;
        problem(&answer, 403, "forbidden", Some("room"));
    }
    for line in [
        "GET /rooms/lobby/messages",
        "GET /rooms/lobby",
        "GET /rooms/lobby/members",
    ] {
        problem(
            &bots.ask(&bots.reader, line).await,
            403,
            "forbidden",
            Some("room"),
        );
    }
    let batch = json!({"messages": [{"room": "ops", "text": "a"}]});
    let answer = bots.post(&bots.reader, "/messages", &batch).await.json();
    assert_eq!(answer["results"][0]["status"], 403);
}

#[tokio::test]
async fn a_room_that_nobody_has_used_is_empty() {
    let bots = Bots::start(&[]);
    let ask = async |line: &str| bots.ask(&bots.all, line).await.json();
    assert_eq!(
        ask("GET /rooms/%EB%A7%88%EB%8B%B9").await,
        json!({"room": "마당", "epoch": null, "first": 0, "seq": 0, "members": 0})
    );
    assert_eq!(
        ask("GET /rooms/new/messages?after=0").await,
        json!({"room": "new", "epoch": null, "messages": [], "more": false})
    );
    assert_eq!(
        ask("GET /rooms/new/members").await,
        json!({"room": "new", "members": [], "count": 0})
    );
}

#[tokio::test]
async fn a_bot_catches_up_from_where_it_stands() {
    let bots = Bots::start(&[]);
    for text in ["a", "b", "c", "d", "e"] {
        bots.post(&bots.all, "/rooms/ops/messages", &json!({"text": text}))
            .await;
    }
    let ask = async |query: &str| {
        bots.ask(&bots.all, &format!("GET /rooms/ops/messages{query}"))
            .await
            .json()
    };
    let texts = |page: &Value| -> String {
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| message["text"].as_str().unwrap())
            .collect()
    };
    let newest = ask("").await;
    assert_eq!(texts(&newest), "abcde");
    assert_eq!(
        newest["messages"][0]["user"],
        json!({"id": "api:all", "name": "all", "bot": true})
    );
    let epoch = newest["epoch"].as_str().unwrap();
    for (query, expected, more) in [
        ("?limit=2", "de", true),
        ("?before=3", "ab", false),
        ("?before=3&limit=1", "b", true),
        ("?after=3", "de", false),
        ("?after=0&limit=2", "ab", true),
        ("?after=5", "", false),
        ("?after=99", "", false),
        (&format!("?after=4&epoch={epoch}"), "e", false),
        (&format!("?before=4&epoch={epoch}"), "abc", false),
    ] {
        let page = ask(query).await;
        assert_eq!(texts(&page), expected, "{query}");
        assert_eq!(page["more"], more, "{query}");
        assert!(page.get("from").is_none(), "{query}");
    }
    // A position of a lineage that is no more, and one beyond the end.
    let rewound = ask("?after=3&epoch=gone").await;
    assert_eq!(
        (texts(&rewound), &rewound["from"]),
        ("abcde".to_owned(), &json!(1))
    );
    let beyond = ask(&format!("?after=9&epoch={epoch}")).await;
    assert_eq!(
        (texts(&beyond), &beyond["from"]),
        (String::new(), &json!(6))
    );
    for (query, field) in [
        ("?before=1&after=2", "after"),
        ("?before=0", "before"),
        ("?after=-1", "after"),
        ("?after=9007199254740992", "after"),
        ("?epoch=x", "epoch"),
        ("?after=1&epoch=", "epoch"),
        ("?limit=201", "limit"),
        ("?limit=2&limit=2", "limit"),
        ("?since=1", "since"),
    ] {
        let answer = bots
            .ask(&bots.all, &format!("GET /rooms/ops/messages{query}"))
            .await;
        problem(&answer, 400, "bad_field", Some(field));
    }
}

#[tokio::test]
async fn a_key_has_its_own_rate() {
    let bots = Bots::start(&[]);
    for _ in 0..100 {
        assert_eq!(bots.ask(&bots.slow, "GET /rooms/ops").await.status, 200);
    }
    let refused = loop {
        let answer = bots.ask(&bots.slow, "GET /rooms/ops").await;
        if answer.status != 200 {
            break answer;
        }
    };
    let problem = problem(&refused, 429, "rate_limited", None);
    assert!(problem["retry_after_ms"].as_u64().unwrap() <= 1_001);
    assert_eq!(bots.ask(&bots.reader, "GET /rooms/ops").await.status, 200);
}

#[tokio::test]
async fn a_batch_counts_by_its_messages_and_is_done_whole_or_not_at_all() {
    let bots = Bots::start(&[]);
    let messages: Vec<_> = (0..60)
        .map(|_| json!({"room": "ops", "text": "x"}))
        .collect();
    let batch = json!({"messages": messages});
    // A key without the right to publish, but that is told for each message and counts all the same.
    assert_eq!(bots.post(&bots.slow, "/messages", &batch).await.status, 200);
    let refused = bots.post(&bots.slow, "/messages", &batch).await;
    let wait = problem(&refused, 429, "rate_limited", None)["retry_after_ms"]
        .as_u64()
        .unwrap();
    assert!((15_000..=21_001).contains(&wait), "{wait}");
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_only_where_a_setting_says_so() {
    let preflight = [
        "Host: a",
        "Origin: https://bots.example",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: authorization",
    ];
    let closed = Bots::start(&[]);
    let answer = closed
        .node
        .served
        .ask("OPTIONS /api/v1/messages", &preflight)
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let open = Bots::start(&[("API__ALLOWED_ORIGINS", "https://bots.example")]);
    let answer = open
        .node
        .served
        .ask("OPTIONS /api/v1/messages", &preflight)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://bots.example")
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
    let answer = open
        .ask_with(&open.all, "GET /node", &["Origin: https://bots.example"])
        .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://bots.example")
    );
    // A refusal has them too, or a page could not read why.
    let answer = open
        .ask_with("wrong", "GET /node", &["Origin: https://bots.example"])
        .await;
    problem(&answer, 401, "forbidden", None);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://bots.example")
    );
    let answer = open
        .ask_with(&open.all, "GET /node", &["Origin: https://other.example"])
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_node_and_the_fleet_tell_of_themselves() {
    let bots = Bots::start(&[]);
    let node = bots.ask(&bots.reader, "GET /node").await.json();
    assert_eq!(node["name"], "madang");
    assert_eq!(node["version"], crate::VERSION);
    assert_eq!(node["node"], "node-1");
    assert_eq!(node["protocols"], json!(["madang.v1"]));
    assert_eq!(node["limits"]["frame_bytes"], 65_536);
    assert_eq!(node["broker"], "up");
    let fleet = bots.ask(&bots.reader, "GET /fleet").await.json();
    assert_eq!(fleet["nodes"][0]["node"], "node-1");
    problem(
        &bots.ask(&bots.reader, "GET /node?verbose").await,
        400,
        "bad_field",
        Some("verbose"),
    );
}

#[tokio::test]
async fn requests_are_counted_by_path_and_never_by_room() {
    let bots = Bots::start(&[]);
    bots.ask(&bots.all, "GET /rooms/secret").await;
    bots.ask(&bots.all, "GET /nothing").await;
    let metrics = bots.node.metrics.render();
    for line in [
        "madang_api_requests_total{path=\"/api/v1/rooms/{room}\",status=\"200\"} 1",
        "madang_api_requests_total{path=\"/api/v1/{*rest}\",status=\"404\"} 1",
        "madang_api_keys 3",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("secret"));
}

#[tokio::test]
async fn the_page_that_problems_lead_to_explains_every_code() {
    let node = Node::start(&[]);
    let page = node.served.get("/docs/api.md").await;
    assert_eq!(page.status, 200);
    for code in crate::protocol::ErrorCode::ALL {
        assert!(
            page.text().contains(&format!("<a id=\"{code}\"></a>")),
            "{code}"
        );
    }
}
