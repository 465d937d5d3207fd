//! From request to session, and the limits.

use super::*;

#[tokio::test]
async fn a_session_gets_its_stream_and_what_came_early() {
    let mut node = Node::start(&[]);
    let mut stream = node.served.dial().await;
    let request = upgrade_request(&["Sec-WebSocket-Protocol: madang.v1"]);
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(answer.header("sec-websocket-protocol"), Some("madang.v1"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));

    let mut session = node.opened().await;
    assert_eq!(session.address.to_string(), "127.0.0.1");
    assert!(session.io.nodelay().unwrap());
    stream.write_all(b"later").await.unwrap();
    let mut bytes = session.early.to_vec();
    while bytes.len() < 5 {
        within(session.io.read_buf(&mut bytes)).await.unwrap();
    }
    assert_eq!(bytes, b"later");
    session.io.write_all(b"back").await.unwrap();
    let mut back = [0; 4];
    within(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"back");
}

#[tokio::test]
async fn bytes_right_behind_the_request_are_not_lost() {
    let mut node = Node::start(&[]);
    let mut stream = node.served.dial().await;
    let mut request = upgrade_request(&[]).into_bytes();
    request.extend_from_slice(b"early");
    stream.write_all(&request).await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 101);
    let mut session = node.opened().await;
    let mut bytes = session.early.to_vec();
    while bytes.len() < 5 {
        within(session.io.read_buf(&mut bytes)).await.unwrap();
    }
    assert_eq!(bytes, b"early");
}

#[tokio::test]
async fn a_session_outlives_the_header_timeout_and_the_stop_of_the_listener() {
    let mut node = Node::start(&[("SERVER__HEADER_TIMEOUT", "100ms")]);
    let (mut stream, _) = node.knock(&[]).await;
    let mut session = node.opened().await;
    // A link that came later is closed by the timeout: the session's would have run out too.
    closed(&mut node.served.dial().await).await;
    node.served.stop.cancel();
    within(node.served.ended).await.unwrap();
    session.io.write_all(b"on").await.unwrap();
    let mut on = [0; 2];
    within(stream.read_exact(&mut on)).await.unwrap();
}

#[tokio::test]
async fn a_full_node_refuses_with_a_time_to_come_back() {
    let mut node = Node::start(&[("LIMITS__SESSIONS", "1")]);
    assert_eq!(node.status(&[]).await, 101);
    let session = node.opened().await;
    let (_, text) = node.knock(&[]).await;
    assert_eq!(text.status, 503);
    assert!(text.text().starts_with("overloaded: "), "{}", text.text());
    assert!(
        text.text()
            .contains("limits.sessions (MADANG_LIMITS__SESSIONS)")
    );
    let (_, json) = node.knock(&["Accept: application/json"]).await;
    let secs: u64 = json.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&secs));
    assert_eq!(json.json()["code"], "overloaded");
    assert_eq!(json.json()["retry_after_ms"], secs * 1000);
    assert_eq!(node.refused("sessions"), 2);

    drop(session);
    assert_eq!(node.status(&[]).await, 101);
}

#[tokio::test]
async fn a_page_that_leaves_during_the_upgrade_gives_its_place_back() {
    let mut node = Node::start(&[("LIMITS__SESSIONS", "1")]);
    for _ in 0..50 {
        let mut stream = node.served.dial().await;
        stream
            .write_all(upgrade_request(&[]).as_bytes())
            .await
            .unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
    }
    node.served.stop.cancel();
    within(node.served.ended).await.unwrap();
    while let Ok(session) = node.opened.try_recv() {
        drop(session);
    }
    assert_eq!(node.door.sessions(), 0);
}

#[tokio::test]
async fn sessions_of_one_address_are_counted_behind_trusted_proxies() {
    let variables = [
        ("LIMITS__SESSIONS_PER_ADDRESS", "1"),
        ("SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    let mut node = Node::start(&variables);
    let first = "X-Forwarded-For: 1.1.1.1, 192.0.2.1";
    assert_eq!(node.status(&[first]).await, 101);
    let session = node.opened().await;
    assert_eq!(session.address.to_string(), "192.0.2.1");
    // Whatever stands left of the proxy's entry makes no new address.
    assert_eq!(
        node.status(&["X-Forwarded-For: 9.9.9.9, 192.0.2.1"]).await,
        503
    );
    assert_eq!(node.refused("sessions_per_address"), 1);
    assert_eq!(node.status(&["X-Forwarded-For: 192.0.2.2"]).await, 101);
    drop(session);
    assert_eq!(node.status(&[first]).await, 101);
}

#[tokio::test]
async fn without_trusted_proxies_nobody_invents_an_address() {
    let mut node = Node::start(&[("LIMITS__SESSIONS_PER_ADDRESS", "1")]);
    assert_eq!(node.status(&["X-Forwarded-For: 192.0.2.1"]).await, 101);
    let session = node.opened().await;
    assert_eq!(session.address.to_string(), "127.0.0.1");
    assert_eq!(node.status(&["X-Forwarded-For: 192.0.2.2"]).await, 503);
}

#[tokio::test]
async fn the_pace_of_upgrades_is_bounded() {
    let node = Node::start(&[("LIMITS__UPGRADES_PER_SECOND", "1")]);
    assert_eq!(node.status(&[]).await, 101);
    let mut refused = 0;
    while node.status(&[]).await != 101 {
        refused += 1;
    }
    assert!(refused > 0);
    assert_eq!(node.refused("upgrades_per_second"), refused);
}

#[tokio::test]
async fn a_closed_door_refuses_sessions_and_serves_the_page() {
    let mut node = Node::start(&[]);
    assert_eq!(node.status(&[]).await, 101);
    let _session = node.opened().await;
    node.door.close();
    let (_, answer) = node.knock(&[]).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert!(answer.text().starts_with("unavailable: "));
    assert_eq!(node.refused("draining"), 1);
    assert_eq!(node.served.get("/").await.status, 200);
}

#[tokio::test]
async fn a_foreign_page_is_told_which_setting_lets_it_in() {
    let node = Node::start(&[]);
    for (host, origin, status) in [
        ("Host: localhost:8080", None, 101),
        (
            "Host: localhost:8080",
            Some("Origin: http://localhost:8080"),
            101,
        ),
        (
            "Host: chat.example.com",
            Some("Origin: https://chat.example.com"),
            101,
        ),
        (
            "Host: localhost:8080",
            Some("Origin: http://localhost:8081"),
            403,
        ),
        (
            "Host: localhost:8080",
            Some("Origin: https://evil.example"),
            403,
        ),
        ("Host: localhost:8080", Some("Origin: null"), 403),
    ] {
        let headers: Vec<_> = [host].into_iter().chain(origin).collect();
        let (_, answer) = node.knock(&headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 403 {
            let words = "server.allowed_origins (MADANG_SERVER__ALLOWED_ORIGINS)";
            assert!(answer.text().contains(words), "{}", answer.text());
        }
    }
    assert_eq!(node.refused("origin"), 3);
    assert_eq!(node.door.sessions(), 3);
}

#[tokio::test]
async fn origins_are_let_in_by_list_by_star_and_by_the_host_of_a_proxy() {
    let foreign = "Origin: https://www.example.com";
    let behind = [
        "Host: 10.1.2.3",
        "X-Forwarded-Host: www.example.com",
        foreign,
    ];
    let list = ("SERVER__ALLOWED_ORIGINS", "https://www.example.com");
    let trusted = ("SERVER__TRUSTED_PROXIES", "127.0.0.1");
    for (variables, headers, status) in [
        (&[][..], &[foreign][..], 403),
        (&[list], &[foreign], 101),
        (&[list], &["Origin: http://localhost:8080"], 403),
        (&[("SERVER__ALLOWED_ORIGINS", "*")], &[foreign], 101),
        (&[], &behind, 403),
        (&[trusted], &behind, 101),
    ] {
        let node = Node::start(variables);
        assert_eq!(
            node.status(headers).await,
            status,
            "{variables:?} {headers:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_what_it_lacks() {
    let node = Node::start(&[]);
    for (line, headers, status, code, words) in [
        ("GET /ws", &[][..], 426, "bad_field", "upgrade: websocket"),
        ("POST /ws", &[], 405, "not_found", "GET"),
        (
            "GET /ws",
            &[
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
            ],
            400,
            "bad_field",
            "sec-websocket-key",
        ),
    ] {
        let headers: Vec<_> = ["Host: a", "Accept: application/json"]
            .iter()
            .chain(headers)
            .copied()
            .collect();
        let answer = node.served.ask(line, &headers).await;
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.json()["code"], code);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    assert_eq!(node.refused("handshake"), 3);
}
