//! Nodes, pages and a Redis together, as their users meet them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// What the scenarios stand on.
mod support;

/// What bots do over HTTP.
mod api;
/// The examples of the HTTP API's page.
mod api_docs;
/// What bad input gets.
mod bad_input;
/// What the bench counts.
mod bench;
/// The program itself.
mod boot;
/// The broker contract, the same scenarios on both brokers.
mod broker;
/// What people do.
mod chat;
/// Nodes that leave, and what becomes of their sessions.
mod leaving;
/// Many sessions at once.
mod many;
/// Nodes that should not be there.
mod neighbors;
/// Nodes that come to a fleet.
mod rebalance;
/// What happens to a room when its Redis dies, forgets, is rewound or says nothing.
mod redis_faults;
/// Nodes that do not reach Redis while others do.
mod sickness;
