//! Chat that needs nothing but itself on one machine, and one Redis between any number of them.
//!
//! A node is a WebSocket server without state of its own: it may die at any moment, and whoever was on it goes on
//! elsewhere without having lost, doubled or reordered a message. What the nodes share is behind [`broker`]: the memory
//! of the process for one node, Redis for many.
//!
//! # Tenets
//!
//! In this order; when two pull apart, the earlier wins.
//!
//! 1. **Nothing acknowledged is lost, doubled or reordered**; where that cannot be, members are told (`gap`, `epoch`).
//! 2. **Everything is bounded**: queues, frames, names, rooms, sessions, waits; what happens at a bound is documented.
//! 3. **Overload and outage degrade, they do not cascade**: a slow reader hurts only itself, an outage ends no session.
//! 4. **An operator can see why**: one reason word per close, drop, refusal and gap, in log, metric and protocol alike.
//! 5. **Fast and small**: work is done once per message, not per delivery; once per batch, not per message.
//!
//! # Layout
//!
//! In reading order. An arrow never points up this list, except through the contract types of `broker` and `protocol`.
//!
//! * `main.rs`: the order of boot and the exit codes.
//! * [`config`]: every setting with default and variable; all faults of a configuration at once.
//! * [`node`]: the parts below joined, started in order and stopped in order.
//! * [`protocol`]: the words of the wire: frames, names, error and close tables. Pure.
//! * [`server`]: the accept loop, the public and the internal router, who gets in.
//! * [`session`]: one WebSocket: codec, requests, limits, outbox.
//! * [`hub`]: the rooms of this node: members, order, catching up, fan-out. The rules of delivery are pure code in
//!   [`hub::room`].
//! * [`broker`]: the contract that joins nodes, with its guarantees, and what fulfills it.
//! * [`fleet`]: when a node takes part, and how its sessions leave it.
//! * [`telemetry`]: logs and metrics.
//! * [`tools`]: the other subcommands.
//!
//! The page is `static/`, the protocol for those who write another one `docs/protocol.md`, and why some things are as
//! they are `docs/decisions/`.
//!
//! # Words
//!
//! One word per concept, in code, settings, metrics, documents and page alike.
//!
//! | word | what it is |
//! | --- | --- |
//! | node | one server process |
//! | session | one WebSocket |
//! | user | who speaks, over all their sessions |
//! | room | where messages are said, and what orders them |
//! | message | what people send |
//! | entry | what a log numbers: a message of some kind |
//! | kind | what sort of entry it is; text if it does not say |
//! | seq | the number of an entry in its room |
//! | epoch | the lineage of the log that a seq belongs to |
//! | position | epoch and seq: how far somebody has come in a room |
//! | frame | what the wire carries |
//! | hub | a node's rooms and their local sessions |
//! | broker | what joins nodes: memory or Redis |
//! | log | a room's recent entries in the broker |
//! | presence | who is in a room, over all nodes |
//! | fleet | the nodes that see each other |
//! | drain | leaving without loss |
//! | outbox | what a session still has to receive |
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that cannot go on fails")
)]

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
