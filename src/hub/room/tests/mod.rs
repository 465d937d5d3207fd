//! Tests of the room: stories told by hand, and random walks through a small world.
//!
//! | file | idea |
//! | --- | --- |
//! | `stories.rs`, `trouble.rs`, `losses.rs` | one story per test, step by step |
//! | `bench.rs` | what the stories are told with |
//! | `walks.rs` | many random walks, each from a seed that a failure names |
//! | `world.rs`, `steps.rs`, `calm.rs` | three nodes and their pages; what may happen; what must hold once it is calm |
//! | `node.rs` | one node: its room, and what the broker still has to tell it |
//! | `keys.rs` | the reference: what the broker's scripts do to the keys of a room |
//! | `page.rs`, `told.rs` | what a page shows, strictly by the protocol; the frames that it reads |
//! | `desk.rs` | a seat with a bounded outbox |
//! | `dice.rs` | chance from a seed |

mod bench;
mod calm;
mod desk;
mod dice;
mod keys;
mod losses;
mod node;
mod page;
mod steps;
mod stories;
mod told;
mod trouble;
mod walks;
mod world;
