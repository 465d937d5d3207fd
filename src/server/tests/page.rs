//! The page, its headers, and the HTTP API.

use super::*;

#[tokio::test]
async fn the_page_may_load_from_its_host_only() {
    let node = Node::start(&[]);
    let answer = node.served.get("/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        answer.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self' ws://localhost:8080 wss://localhost:8080; manifest-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(answer.header("server"), None);
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let node = Node::start(&[]);
    for (line, host, status) in [
        ("GET /", "Host: a", 200),
        ("GET /nothing", "Host: a", 404),
        ("GET /ws", "Host: a", 426),
        ("GET /api/v1/openapi.json", "Host: a", 200),
        ("GET /api/nothing", "Host: a", 404),
        ("POST /", "Host: a", 405),
        ("GET /", "Host: a;b", 400),
    ] {
        let answer = node.served.ask(line, &[host]).await;
        assert_eq!(answer.status, status, "{line}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{line}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{line}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{line}"
        );
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            Some("same-origin"),
            "{line}"
        );
        assert!(
            answer
                .header("permissions-policy")
                .unwrap()
                .contains("camera=()"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_refused_and_never_repeated() {
    let node = Node::start(&[]);
    for headers in [
        &[][..],
        &["Host: "],
        &["Host: a; script-src *"],
        &["Host: a b"],
        &["Host: a", "Host: b"],
        &["Host: *"],
    ] {
        let answer = node.served.ask("GET /", headers).await;
        assert_eq!(answer.status, 400, "{headers:?}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("connect-src 'self';"), "{policy}");
    }
    // The policy's grammar has no IPv6 addresses.
    let answer = node.served.ask("GET /", &["Host: [::1]:8080"]).await;
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        answer.status == 200 && policy.contains("connect-src 'self';"),
        "{policy}"
    );
}

#[tokio::test]
async fn behind_a_proxy_the_policy_names_the_host_that_the_browser_sees() {
    let headers = &["Host: 10.1.2.3:8080", "X-Forwarded-Host: chat.example.com"];
    for (trusted, want) in [
        ("", "ws://10.1.2.3:8080 "),
        ("127.0.0.0/8", "ws://chat.example.com "),
    ] {
        let node = Node::start(&[("SERVER__TRUSTED_PROXIES", trusted)]);
        let answer = node.served.ask("GET /", headers).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains(want), "{policy}");
    }
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let node = Node::start(&[]);
    let first = node.served.get("/index.html").await;
    let tag = first.header("etag").unwrap();
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert!(!first.body.is_empty());
    let known = format!("If-None-Match: \"other\", W/{tag}");
    let second = node.served.ask("GET /", &["Host: a", &known]).await;
    assert_eq!(second.status, 304);
    assert_eq!(second.header("etag"), Some(tag));
    assert_eq!(second.header("cache-control"), Some("no-cache"));
    assert!(second.body.is_empty());
    let other = node
        .served
        .ask("GET /", &["Host: a", "If-None-Match: \"other\""])
        .await;
    assert_eq!(other.body, first.body);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let node = Node::start(&[]);
    let mut stream = node.served.dial().await;
    stream
        .write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let head = Answer::read_head(&mut stream).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    let get = node.served.get("/").await;
    for name in ["content-length", "content-type", "etag"] {
        assert!(get.header(name).is_some());
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[tokio::test]
async fn a_path_without_a_file_has_a_page_that_leads_back() {
    let node = Node::start(&[]);
    for path in [
        "/nothing",
        "/js",
        "/js/",
        "//index.html/",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/apiary",
    ] {
        let answer = node.served.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert!(answer.text().contains("<a href=\"/\">"), "{path}");
    }
}
