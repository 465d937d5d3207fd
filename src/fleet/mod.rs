//! How nodes know of each other, and when a node takes part.

pub mod readiness;

pub use readiness::{Readiness, Unready};
