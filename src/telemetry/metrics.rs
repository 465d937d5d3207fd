//! What a node counts, as Prometheus reads it.
//!
//! Names follow the Prometheus conventions: prefix `madang_`, base units, `_total` on counters. Labels hold only words
//! from the protocol's tables, never a room or a user. Children of labelled families are resolved once, and what
//! happens per delivery is counted per batch.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, exponential_buckets,
};

/// Every metric of one node. Cheap to share behind an `Arc`; all methods of the parts are lock-free.
#[derive(Debug)]
pub struct Metrics {
    own: Registry,
    process: Registry,
    /// Sessions open now.
    pub sessions: IntGauge,
    /// Sessions opened since the start.
    pub sessions_opened: IntCounter,
    /// Sessions ended, by the reason word of the protocol's close table, `page` when
    /// the other side left, `lost` when the wire broke, `fault` for a fault of this program.
    pub sessions_closed: IntCounterVec,
    /// Sessions told to come back elsewhere (`reconnect`), by reason.
    pub sessions_let_go: IntCounterVec,
    /// Seconds that are left of the window in which all sessions are let go, 0 while none is.
    pub drain_remaining: prometheus::Gauge,
    /// Upgrade requests refused before a session began, by reason.
    pub upgrades_refused: IntCounterVec,
    /// Rooms with members on this node.
    pub rooms: IntGauge,
    /// Messages that sessions and keys of the HTTP API sent, accepted or not.
    pub messages_received: IntCounter,
    /// Messages that stand in the log: answered with `sent`, or 201 or 200.
    pub messages_accepted: IntCounter,
    /// Messages put into outboxes, one for each member.
    pub messages_delivered: IntCounter,
    /// Messages refused, by error code.
    pub messages_refused: IntCounterVec,
    /// Other requests refused, by error code.
    pub requests_refused: IntCounterVec,
    /// Requests of the HTTP API, by path and status.
    pub api_requests: IntCounterVec,
    /// Keys of the HTTP API in the file.
    pub api_keys: IntGauge,
    /// Seconds from a message's arrival at the node to its answer.
    pub publish_duration: Histogram,
    /// Seconds from a message's `at` to the return of the write that carried it, by the broker's clock.
    pub delivery_latency: Histogram,
    /// Bytes waiting in the outboxes of all sessions.
    pub outbox_bytes: IntGauge,
    /// Times that a session fell behind a room because its outbox was full.
    pub outbox_overflows: IntCounter,
    /// Ephemeral frames dropped because an outbox was full.
    pub ephemeral_dropped: IntCounter,
    /// Missing entries found in the log and delivered in order.
    pub gaps_repaired: IntCounter,
    /// Gaps told to members, by reason.
    pub gaps_told: IntCounterVec,
    /// Rewinds told to members.
    pub epochs_told: IntCounter,
    /// Entries whose content could not be read.
    pub unreadable_entries: IntCounter,
    /// 1 while the way to the broker works.
    pub broker_up: IntGauge,
    /// Times that the way to the broker was opened anew after it had worked.
    pub broker_reconnects: IntCounter,
    /// Seconds of a round trip through publish and subscribe.
    pub broker_round_trip: Histogram,
    /// Seconds that a publish batch waited for a pooled link.
    pub broker_pool_wait: Histogram,
    /// Payloads dropped because the node could not keep up.
    pub broker_pushes_dropped: IntCounter,
    /// Tail probes answered.
    pub broker_probes: IntCounter,
    /// Seconds between two tail probes of one room, as the probe budget allows now.
    pub broker_probe_interval: prometheus::Gauge,
    /// 1 if the broker may evict keys, which breaks the delivery promise.
    pub broker_evicts: IntGauge,
    /// Rooms with a subscription in the broker.
    pub broker_subscriptions: IntGauge,
    /// What other nodes answered when this one did not reach the broker: `sees`, `does_not`, `unreachable`.
    pub peer_answers: IntCounterVec,
    /// What this node ruled when another one asked to be unready: `granted`, or why not: `share`, `capacity`,
    /// `unavailable`.
    pub grants: IntCounterVec,
    /// 1 while the node is unready because it alone does not reach the broker.
    pub sick: IntGauge,
    /// 1 while sessions are let go because other nodes have fewer.
    pub rebalancing: IntGauge,
    /// Times that a rebalance ended, by reason: `balanced`, `changed`, `sticky`, `moved`.
    pub rebalance_stops: IntCounterVec,
    /// Nodes that should not be there: `peers` beside one without Redis, `prefix` those of another fleet under this
    /// one's prefix.
    pub fleet_conflicts: IntGaugeVec,
}

impl Metrics {
    /// Makes all metrics at zero. `node` version and revision go into `madang_build_info`.
    #[must_use]
    pub fn new() -> Self {
        let own = Registry::new_custom(Some("madang".to_owned()), None)
            .expect("the prefix is a valid metric name");
        let process = Registry::new();
        process
            .register(Box::new(ProcessCollector::for_self()))
            .expect("registered once");
        let build = add(
            &own,
            IntGaugeVec::new(
                Opts::new("build_info", "Version and revision of this node; always 1"),
                &["version", "revision"],
            )
            .expect("valid metric"),
        );
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), revision()])
            .set(1);
        let counter =
            |name: &str, help: &str| add(&own, IntCounter::new(name, help).expect("valid metric"));
        let gauge =
            |name: &str, help: &str| add(&own, IntGauge::new(name, help).expect("valid metric"));
        let by = |name: &str, help: &str, label: &str| {
            add(
                &own,
                IntCounterVec::new(Opts::new(name, help), &[label]).expect("valid metric"),
            )
        };
        // Half a millisecond to four seconds: below lies the clock's noise, above the send limit has struck.
        let seconds = |name: &str, help: &str| {
            let buckets = exponential_buckets(0.0005, 2.0, 14).expect("valid buckets");
            add(
                &own,
                Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))
                    .expect("valid metric"),
            )
        };
        Self {
            sessions: gauge("sessions", "Sessions open now"),
            sessions_opened: counter("sessions_opened_total", "Sessions opened"),
            sessions_closed: by(
                "sessions_closed_total",
                "Sessions ended, by reason",
                "reason",
            ),
            sessions_let_go: by(
                "sessions_let_go_total",
                "Sessions told to come back elsewhere, by reason",
                "reason",
            ),
            drain_remaining: add(
                &own,
                prometheus::Gauge::new(
                    "drain_remaining_seconds",
                    "Left of the window in which all sessions are let go",
                )
                .expect("valid metric"),
            ),
            upgrades_refused: by(
                "upgrades_refused_total",
                "Upgrade requests refused, by reason",
                "reason",
            ),
            rooms: gauge("rooms", "Rooms with members on this node"),
            messages_received: counter(
                "messages_received_total",
                "Messages sent by sessions and keys of the HTTP API",
            ),
            messages_accepted: counter("messages_accepted_total", "Messages that stand in the log"),
            messages_delivered: counter(
                "messages_delivered_total",
                "Messages put into outboxes, one for each member",
            ),
            messages_refused: by(
                "messages_refused_total",
                "Messages refused, by error code",
                "code",
            ),
            requests_refused: by(
                "requests_refused_total",
                "Other requests refused, by error code",
                "code",
            ),
            api_requests: add(
                &own,
                IntCounterVec::new(
                    Opts::new(
                        "api_requests_total",
                        "Requests of the HTTP API, by path and status",
                    ),
                    &["path", "status"],
                )
                .expect("valid metric"),
            ),
            api_keys: gauge("api_keys", "Keys of the HTTP API in the file"),
            publish_duration: seconds(
                "publish_duration_seconds",
                "From a message's arrival to its answer",
            ),
            delivery_latency: seconds(
                "delivery_latency_seconds",
                "From a message's at to the return of the write that carried it",
            ),
            outbox_bytes: gauge("outbox_bytes", "Bytes waiting in all outboxes"),
            outbox_overflows: counter(
                "outbox_overflows_total",
                "Times that a session fell behind a room",
            ),
            ephemeral_dropped: counter(
                "ephemeral_dropped_total",
                "Ephemeral frames dropped at a full outbox",
            ),
            gaps_repaired: counter(
                "gaps_repaired_total",
                "Missing entries found in the log and delivered",
            ),
            gaps_told: by(
                "gaps_told_total",
                "Gaps told to members, by reason",
                "reason",
            ),
            epochs_told: counter("epochs_told_total", "Rewinds told to members"),
            unreadable_entries: counter(
                "unreadable_entries_total",
                "Entries whose content could not be read",
            ),
            broker_up: gauge("broker_up", "1 while the way to the broker works"),
            broker_reconnects: counter(
                "broker_reconnects_total",
                "Times that the broker was reached anew",
            ),
            broker_round_trip: seconds(
                "broker_round_trip_seconds",
                "Round trip through publish and subscribe",
            ),
            broker_pool_wait: seconds(
                "broker_pool_wait_seconds",
                "Wait of a publish batch for a pooled link",
            ),
            broker_pushes_dropped: counter(
                "broker_pushes_dropped_total",
                "Payloads dropped at a full queue",
            ),
            broker_probes: counter("broker_probes_total", "Tail probes answered"),
            broker_probe_interval: add(
                &own,
                prometheus::Gauge::new(
                    "broker_probe_interval_seconds",
                    "Time between two tail probes of one room",
                )
                .expect("valid metric"),
            ),
            broker_evicts: gauge("broker_evicts", "1 if the broker may evict keys"),
            broker_subscriptions: gauge(
                "broker_subscriptions",
                "Rooms with a subscription in the broker",
            ),
            peer_answers: by(
                "peer_answers_total",
                "Answers of other nodes whether they see the broker",
                "answer",
            ),
            grants: by(
                "grants_total",
                "Rulings about other nodes that asked to be unready",
                "ruling",
            ),
            sick: gauge(
                "sick",
                "1 while the node alone does not reach the broker and is unready",
            ),
            rebalancing: gauge(
                "rebalancing",
                "1 while sessions are let go because other nodes have fewer",
            ),
            rebalance_stops: by(
                "rebalance_stops_total",
                "Times that a rebalance ended, by reason",
                "reason",
            ),
            fleet_conflicts: add(
                &own,
                IntGaugeVec::new(
                    Opts::new(
                        "fleet_conflicts",
                        "Nodes that should not be there, by reason",
                    ),
                    &["reason"],
                )
                .expect("valid metric"),
            ),
            own,
            process,
        }
    }

    /// Returns all metrics in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut families = self.own.gather();
        families.extend(self.process.gather());
        let mut page = String::with_capacity(32 * 1024);
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut page) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        page
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the revision that the build was told by the variable `MADANG_REVISION`, or `unknown`.
#[must_use]
pub fn revision() -> &'static str {
    option_env!("MADANG_REVISION").unwrap_or("unknown")
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry
        .register(Box::new(collector.clone()))
        .expect("each metric is registered once");
    collector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_own_and_process_metrics() {
        let metrics = Metrics::new();
        metrics.sessions_closed.with_label_values(&["drain"]).inc();
        let page = metrics.render();
        assert!(
            page.contains("madang_sessions_closed_total{reason=\"drain\"} 1"),
            "{page}"
        );
        assert!(page.contains("madang_build_info{revision="), "{page}");
        assert!(page.contains("\nprocess_open_fds "), "{page}");
    }
}
