//! madang: chat for Kubernetes.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on fails"))]

pub mod broker;
pub mod config;
pub mod fleet;
pub mod hub;
pub mod node;
pub mod protocol;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod tools;

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
