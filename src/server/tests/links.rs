//! Links that do nothing, or too much, or come too many; and the stop.

use std::env;
use std::fs::File;
use std::process::Command;

use axum::routing::get;
use tokio::sync::Notify;

use super::*;

const SHORT: Duration = Duration::from_millis(200);
/// Variable that makes [`a_node_without_files_goes_on`] the process that runs out of them.
const FILES: &str = "MADANG_TEST_FILES";

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn a_link_that_sends_half_a_head_or_nothing_is_closed_in_time() {
    let node = Node::start(&[("SERVER__HEADER_TIMEOUT", "200ms")]);
    let mut silent = node.served.dial().await;
    let mut partial = node.served.dial().await;
    partial
        .write_all(b"GET / HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let (silent, partial) = tokio::join!(closed(&mut silent), closed(&mut partial));
    for took in [silent, partial] {
        assert!(
            took >= SHORT / 2 && took < Duration::from_secs(2),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn a_link_is_kept_for_the_next_request_and_closed_when_none_comes() {
    let node = Node::start(&[("SERVER__HEADER_TIMEOUT", "200ms")]);
    let mut stream = node.served.dial().await;
    for _ in 0..3 {
        stream
            .write_all(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, 200);
    }
    assert!(closed(&mut stream).await < Duration::from_secs(2));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let node = Node::start(&[]);
    let long = format!("X-Long: {}", "a".repeat(20_000));
    assert_eq!(
        node.served.ask("GET /", &["Host: a", &long]).await.status,
        431
    );
}

#[tokio::test]
async fn silent_links_over_the_bound_make_room_and_nobody_waits_for_their_timeout() {
    let options = Options {
        header_timeout: Duration::from_secs(60),
        links: 8,
    };
    let served = Served::start(hello(), options);
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(served.dial().await);
    }
    let answer = within(served.get("/")).await;
    assert_eq!(answer.status, 200);
    closed(&mut silent[0]).await;
}

#[tokio::test]
async fn the_stop_answers_what_was_asked_and_closes_what_was_not() {
    let asked = Arc::new(Notify::new());
    let released = Arc::new(Notify::new());
    let (tell, wait) = (Arc::clone(&asked), Arc::clone(&released));
    let slow = get(async move || {
        tell.notify_one();
        wait.notified().await;
        "done"
    });
    let options = Options {
        header_timeout: Duration::from_secs(60),
        links: 8,
    };
    let served = Served::start(hello().route("/slow", slow), options);
    let mut silent = served.dial().await;
    let mut kept = served.dial().await;
    kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(Answer::read(&mut kept).await.status, 200);
    let mut busy = served.dial().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    within(asked.notified()).await;

    served.stop.cancel();
    closed(&mut silent).await;
    closed(&mut kept).await;
    assert!(!served.ended.is_finished());
    released.notify_one();
    let answer = Answer::read(&mut busy).await;
    assert_eq!(answer.text(), "done");
    within(served.ended).await.unwrap();
    TcpStream::connect(served.address).await.unwrap_err();
}

/// The number of files is a matter of the whole process, so a process of its own runs out of them.
#[test]
fn a_node_without_files_goes_on() {
    if env::var_os(FILES).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        return runtime.unwrap().block_on(run_out_of_files());
    }
    let test = "server::tests::links::a_node_without_files_goes_on";
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FILES, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    let lines = said.matches("new links cannot be accepted").count();
    assert_eq!(lines, 1, "{said}");
}

async fn run_out_of_files() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stdout)
        .init();
    let options = Options {
        header_timeout: Duration::from_secs(60),
        links: 4096,
    };
    let served = Served::start(hello(), options);
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut stream = served.dial().await;
        ask_on(&mut stream).await;
        silent.push(stream);
    }
    let (_, hard) = rlimit::Resource::NOFILE.get().unwrap();
    rlimit::Resource::NOFILE.set(64, hard).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // Both ends are files of this process: the dial takes the last one, the accept finds none.
    let mut served_later = Vec::new();
    for oldest in &mut silent {
        files.pop();
        let mut stream = served.dial().await;
        let took = closed(oldest).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        ask_on(&mut stream).await;
        served_later.push(stream);
    }
}

async fn ask_on(stream: &mut TcpStream) {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(Answer::read(stream).await.text(), "hello");
}
