//! What a page shows of one room, by the rules of the protocol.

use std::collections::BTreeMap;

use serde_json::Value;

use super::page::{Page, Shown, shown};

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Screen {
    pub(crate) shown: BTreeMap<u64, Shown>,
    pub(crate) epoch: String,
    pub(crate) seq: u64,
    /// Gaps told, inclusive.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// The seqs from which on something was withdrawn.
    pub(crate) withdrawn: Vec<u64>,
}

impl Screen {
    /// Begins where a `joined` stands.
    pub(crate) fn new(joined: &Value) -> Self {
        let epoch = joined["epoch"].as_str().unwrap_or_default().to_owned();
        Self {
            epoch,
            seq: joined["seq"].as_u64().unwrap(),
            ..Self::default()
        }
    }

    /// Takes a frame of the room; fails if it comes out of order.
    pub(crate) fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap_or_default() {
            "message" => {
                let message = shown(frame);
                assert_eq!(
                    message.seq,
                    self.seq + 1,
                    "a silent jump or a repeat: {frame}"
                );
                self.seq = message.seq;
                self.epoch.clone_from(&message.epoch);
                self.shown.insert(message.seq, message);
            }
            "gap" => {
                let (from, to) = (
                    frame["from"].as_u64().unwrap(),
                    frame["to"].as_u64().unwrap(),
                );
                assert_eq!(from, self.seq + 1, "a gap elsewhere: {frame}");
                self.seq = to;
                self.gaps.push((from, to));
            }
            "epoch" => {
                let from = frame["from"].as_u64().unwrap();
                self.shown.split_off(&from);
                self.seq = from - 1;
                self.epoch = frame["epoch"].as_str().unwrap_or_default().to_owned();
                self.withdrawn.push(from);
            }
            _ => {}
        }
    }

    /// Takes frames of a room from a page until the screen fits.
    pub(crate) async fn follow(
        &mut self,
        page: &mut Page,
        room: &str,
        until: impl Fn(&Self) -> bool,
    ) {
        while !until(self) {
            let frame = page
                .find("the room's stream", |frame| {
                    frame["room"] == room
                        && ["message", "gap", "epoch"]
                            .contains(&frame["type"].as_str().unwrap_or(""))
                })
                .await;
            self.take(&frame);
        }
    }

    /// Returns true if a text is shown.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.shown.values().any(|message| message.text == text)
    }
}
