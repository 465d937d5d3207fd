//! Probes and metrics, and the probe of a node by itself.

use super::*;
use crate::broker::Health;
use crate::fleet::Readiness;
use crate::fleet::ask;
use crate::fleet::witness::Witness;
use crate::server::internal::{self, Internal};
use crate::tools::healthcheck::{self, Probe};

fn start(readiness: &Arc<Readiness>) -> Served {
    let (_, health) = tokio::sync::watch::channel(Health::Up);
    let memory = MemoryBroker::new(memory::Options::from(&Settings::default()));
    let node = NodeId::parse("n1").unwrap();
    let broker = memory.join(FleetNode::new(node.clone()), Arc::new(Deaf), Arc::default());
    let router = internal::router(Internal {
        node: node.clone(),
        start: 7,
        is_joined: false,
        readiness: Arc::clone(readiness),
        health,
        metrics: Arc::new(Metrics::new()),
        witness: Arc::new(Witness::new(node, broker, Arc::default())),
    });
    Served::start(router, Options::internal(&Settings::default().server))
}

#[tokio::test]
async fn a_node_is_alive_at_once_and_ready_from_start_and_broker_until_it_leaves() {
    let readiness = Arc::new(Readiness::new());
    let served = start(&readiness);
    let unready = served.get("/readyz").await;
    assert_eq!(unready.status, 503);
    let reasons: Vec<_> = unready
        .text()
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(reasons, ["starting", "broker"]);
    assert_eq!(served.get("/livez").await.status, 200);

    readiness.set_started();
    readiness.set_broker_seen();
    assert_eq!(served.get("/readyz").await.status, 200);
    assert_eq!(healthcheck::run(served.address, Probe::Ready).await, Ok(()));

    readiness.set_draining();
    assert_eq!(served.get("/readyz").await.status, 503);
    assert_eq!(served.get("/livez").await.status, 200);
    assert_eq!(healthcheck::run(served.address, Probe::Live).await, Ok(()));
    let fault = healthcheck::run(served.address, Probe::Ready)
        .await
        .unwrap_err();
    assert_eq!(fault, "/readyz answers 503: draining: the node leaves");
}

#[tokio::test]
async fn a_node_says_who_it_is_and_who_stands_in_its_way() {
    let readiness = Arc::new(Readiness::new());
    let served = start(&readiness);
    let standing = async || served.get("/node").await.text().to_owned();
    assert_eq!(
        standing().await,
        r#"{"node":"n1","start":7,"standing":"alone"}"#
    );
    readiness.set_started();
    readiness.set_broker_seen();
    readiness.set_peers("n2 at 10.0.0.2 serves");
    assert_eq!(
        standing().await,
        r#"{"node":"n1","start":7,"standing":"looking"}"#
    );
    let unready = served.get("/readyz").await;
    assert_eq!(
        unready.text(),
        "peers: without Redis there can be one node only\nn2 at 10.0.0.2 serves\n"
    );
}

#[tokio::test]
async fn metrics_are_told_in_the_format_of_prometheus_and_nothing_else_is_there() {
    let served = start(&Arc::new(Readiness::new()));
    let metrics = served.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(metrics.text().contains("\nmadang_sessions 0\n"));
    for (line, status) in [
        ("GET /", 404),
        ("GET /ws", 404),
        ("GET /api/v1/info", 404),
        ("POST /livez", 405),
        ("GET /livez", 200),
    ] {
        // Probes of old balancers name no host.
        assert_eq!(served.ask(line, &["Host:"]).await.status, status, "{line}");
    }
}

#[tokio::test]
async fn a_node_that_does_not_listen_or_does_not_answer_is_told() {
    let served = start(&Arc::new(Readiness::new()));
    served.stop.cancel();
    within(served.ended).await.unwrap();
    let fault = healthcheck::run(served.address, Probe::Live)
        .await
        .unwrap_err();
    assert!(fault.contains("nothing listens on 127.0.0.1:"), "{fault}");
    assert!(
        fault.contains("server.internal_listen (MADANG_SERVER__INTERNAL_LISTEN)"),
        "{fault}"
    );

    let mute = listen::bind(SocketAddr::from(([0, 0, 0, 0], 0)), "server.listen").unwrap();
    let fault = healthcheck::run(mute.local_addr().unwrap(), Probe::Live)
        .await
        .unwrap_err();
    assert!(fault.contains("no answer within 2 s"), "{fault}");
}

#[tokio::test]
async fn a_node_tells_whether_it_sees_the_broker_and_rules_about_those_that_do_not() {
    let served = start(&Arc::default());
    let sight = served.get("/sees").await;
    assert_eq!(sight.text(), r#"{"node":"n1","sees":true}"#);
    let plea = |node: &str| format!(r#"{{"node":"{node}","sessions":9,"later":1}}"#);
    let ask = async |body: String| ask::post(served.address, "/grant", &body).await.unwrap();
    assert_eq!(ask(plea("n2")).await.body, r#"{"granted":true,"why":""}"#);
    let refused = ask(plea("n3")).await;
    assert!(
        refused.body.contains("\"granted\":false"),
        "{}",
        refused.body
    );
    assert!(
        refused.body.contains("(1) are unready already"),
        "{}",
        refused.body
    );
    assert_eq!(ask("{}".to_owned()).await.status, 422);
    assert_eq!(ask(plea(&"n".repeat(8000))).await.status, 413);
    assert_eq!(served.get("/grant").await.status, 405);
}
