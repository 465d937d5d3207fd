//! The report as one JSON object; `docs/bench.md` says what each part means.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::tools::bench::pace::Arrivals;
use crate::tools::bench::record::Words;

/// See the [module](self).
#[derive(Clone, Debug, Serialize)]
pub(in crate::tools::bench) struct Report {
    pub(super) label: String,
    pub(super) version: &'static str,
    pub(super) protocol: String,
    pub(super) urls: Vec<String>,
    pub(super) seed: u64,
    pub(super) plan: Planned,
    pub(super) sessions: Sessions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<Messages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<Deliveries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_member_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) same_node_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) other_node_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lateness_ms: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resume: Option<Resume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slow: Option<SlowReaders>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) memory: BTreeMap<String, MemoryOf>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) processes: BTreeMap<String, CostOf>,
    pub(super) generator: Generator,
    pub(super) machine: Machine,
    pub(super) void: Vec<String>,
    pub(super) wrong: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Planned {
    pub(super) rooms: u32,
    pub(super) members: u32,
    pub(super) sessions: u32,
    pub(super) senders: u32,
    pub(super) rate: Option<f64>,
    pub(super) window: Option<u32>,
    pub(super) arrivals: Arrivals,
    pub(super) payload: usize,
    pub(super) seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Sessions {
    pub(super) opened: u64,
    pub(super) failed: u64,
    pub(super) closed: u64,
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub(super) failed_why: Words,
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub(super) closed_why: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) open_ms: Option<Quantiles>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Messages {
    pub(super) due: u64,
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) refused: Words,
    pub(super) per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accept_ms: Option<Quantiles>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Deliveries {
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) ratio: f64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
    pub(super) told: u64,
    pub(super) per_second: f64,
    pub(super) frames_per_read: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Resume {
    pub(super) sessions: u64,
    pub(super) whole: u64,
    pub(super) refused: u64,
    pub(super) refused_without_hint: u64,
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub(super) refused_without_hint_why: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) joined_ms: Option<Quantiles>,
    pub(super) seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SlowReaders {
    pub(super) sessions: u64,
    pub(super) closed: u64,
    pub(super) received: u64,
    pub(super) told: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct MemoryOf {
    pub(super) empty_kib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_kib: Option<u64>,
    pub(super) peak_kib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_per_session_kib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_per_session_kib: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct CostOf {
    pub(super) cpu_s: f64,
    pub(super) percent_of_core: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) us_per_delivery: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel_us_per_delivery: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) us_per_message: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Generator {
    pub(super) percent_of_core: f64,
    pub(super) threads: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) us_per_delivery: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) other_percent: f64,
    pub(super) steal_percent: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}
