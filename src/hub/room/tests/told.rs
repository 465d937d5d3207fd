//! The frames of a room as a page reads them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::keys::Key;
use crate::protocol::{Epoch, Frame};

/// One frame.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Told {
    Joined {
        epoch: Option<Epoch>,
        seq: u64,
    },
    Message {
        epoch: Epoch,
        seq: u64,
        key: String,
    },
    Gap {
        epoch: Epoch,
        from: u64,
        to: u64,
        reason: String,
    },
    Epoch {
        epoch: Option<Epoch>,
        from: u64,
    },
    Error {
        code: String,
    },
}

impl Told {
    pub(super) fn read(frame: &Frame) -> Self {
        let payload = frame.payload();
        serde_json::from_slice(&payload).unwrap_or_else(|fault| panic!("{fault}: {payload:?}"))
    }

    pub(super) fn key(&self) -> Option<Key> {
        let Self::Message { key, .. } = self else {
            return None;
        };
        key.parse().ok()
    }
}

/// Reads each encoded frame once, however many seats it is shared by.
#[derive(Debug, Default)]
pub(super) struct Reader(HashMap<*const u8, (Frame, Arc<Told>)>);

impl Reader {
    pub(super) fn read(&mut self, frame: &Frame) -> Arc<Told> {
        // The frame is kept with what it says, so that its address is not used again.
        let read = || (frame.clone(), Arc::new(Told::read(frame)));
        self.0
            .entry(frame.bytes().as_ptr())
            .or_insert_with(read)
            .1
            .clone()
    }
}
