//! Bytes on the public port of a node with everything in memory: the page, the upgrade, the HTTP API.
//!
//! An answer is HTTP and no failure of the server; without one the stream ends.

#![no_main]

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use madang::config::Settings;
use madang::node::Node;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Longer than the 100 ms in which a head must arrive, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    runtime: Runtime,
    address: SocketAddr,
    _node: Node,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let variables = [
        ("MADANG_SERVER__LISTEN", "127.0.0.1:0"),
        ("MADANG_SERVER__INTERNAL_LISTEN", "127.0.0.1:0"),
        ("MADANG_SERVER__HEADER_TIMEOUT", "100ms"),
        ("MADANG_SESSION__HELLO_TIMEOUT", "100ms"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(None, variables)
        .expect("good settings")
        .settings;
    let node = runtime.block_on(Node::start(settings)).expect("a node");
    Served {
        address: node.address(),
        runtime,
        _node: node,
    }
});

fuzz_target!(|input: &[u8]| {
    let served = &*SERVED;
    let asked = async { tokio::time::timeout(PATIENCE, ask(served.address, input)).await };
    let answer = served
        .runtime
        .block_on(asked)
        .expect("the stream ends in time");
    if !answer.is_empty() {
        assert!(answer.starts_with(b"HTTP/1."), "no HTTP");
        let status = answer.get(9..12).expect("a status");
        assert_ne!(status, b"500");
    }
});

/// Sends all of it, ends the sending half, and reads to the end.
async fn ask(address: SocketAddr, input: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.expect("the node listens");
    let (mut reader, mut writer) = stream.into_split();
    let sending = async {
        // The node may have closed before all is written.
        let _ = writer.write_all(input).await;
        let _ = writer.shutdown().await;
    };
    let mut answer = Vec::new();
    let reading = async { reader.read_to_end(&mut answer).await };
    // A reset after the answer is as good as an end.
    let ((), _) = tokio::join!(sending, reading);
    answer
}
