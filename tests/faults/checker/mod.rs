//! The checker: what happened, and whether it keeps the promise.

pub(crate) mod broken;
pub(crate) mod history;
pub(crate) mod verdict;
