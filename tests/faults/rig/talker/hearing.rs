//! What a talker makes of a frame.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::time::Instant;

use super::{Talker, Unanswered};
use crate::checker::history::{Place, What};

impl Talker {
    /// Follows a frame; returns a time if the node wants the session to come back after it.
    pub(super) fn hear(&mut self, frame: &Value) -> Result<Option<Duration>> {
        let number = |name: &str| frame[name].as_u64().unwrap_or(0);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let place = || Place {
            epoch: text(&frame["epoch"]),
            seq: number("seq"),
        };
        match frame["type"].as_str().unwrap_or_default() {
            "message" => {
                let (key, place) = (text(&frame["key"]), place());
                let user = text(&frame["user"]["id"]);
                let shown = What::Shown {
                    key: key.clone(),
                    user,
                    text: text(&frame["text"]),
                    place: place.clone(),
                };
                self.note(shown);
                self.position = Some((frame["epoch"].clone(), place.seq));
                if let Some(index) = self
                    .unanswered
                    .iter()
                    .position(|message| message.key == key)
                {
                    self.unanswered.remove(index);
                    self.note(What::Accepted {
                        key,
                        place,
                        is_answer: false,
                    });
                }
            }
            "joined" => {
                let seq = number("seq");
                if self.position.is_none() {
                    self.position = Some((frame["epoch"].clone(), seq));
                    self.note(What::Joined { seq });
                }
                self.goal = Some(seq);
            }
            "sent" => {
                let id = number("id");
                let is_it = |message: &Unanswered| message.asked.is_some_and(|(its, _)| its == id);
                if let Some(index) = self.unanswered.iter().position(is_it)
                    && let Some(Unanswered { key, .. }) = self.unanswered.remove(index)
                {
                    self.note(What::Accepted {
                        key,
                        place: place(),
                        is_answer: true,
                    });
                }
            }
            "gap" => {
                let (from, to) = (number("from"), number("to"));
                self.note(What::Gap {
                    from,
                    to,
                    reason: text(&frame["reason"]),
                });
                self.position = Some((frame["epoch"].clone(), to));
            }
            "epoch" => {
                let from = number("from");
                self.note(What::Rewound { from });
                let end = from.saturating_sub(1);
                self.position = Some((frame["epoch"].clone(), end));
                // There is nothing above that to catch up with any more.
                self.goal = self.goal.map(|goal| goal.min(end));
            }
            "error" => return self.refused(frame).map(|()| None),
            "left" => bail!("the node ended the membership: {frame}"),
            "reconnect" => return Ok(Some(Duration::from_millis(number("after_ms")))),
            "degraded" => self.note(What::Degraded(true)),
            "recovered" => self.note(What::Degraded(false)),
            "presence" => {
                let left = frame["left"].as_array().map(Vec::as_slice);
                let left = left.unwrap_or_default().iter().map(text).collect();
                self.note(What::Presence { left });
            }
            _ => {}
        }
        Ok(None)
    }

    /// A request was refused: for now, or it is a fault of somebody.
    fn refused(&mut self, frame: &Value) -> Result<()> {
        let Some(after) = frame["retry_after_ms"].as_u64().map(Duration::from_millis) else {
            bail!("a request is refused for good: {frame}");
        };
        let id = frame["id"].as_u64().unwrap_or(0);
        let is_it = |message: &Unanswered| message.asked.is_some_and(|(its, _)| its == id);
        match self.unanswered.iter().position(is_it) {
            Some(first) => {
                let waited = self.unanswered[first]
                    .asked
                    .map_or(Duration::ZERO, |(_, at)| at.elapsed());
                let code = frame["code"].as_str().unwrap_or_default().to_owned();
                self.note(What::Postponed {
                    code,
                    after: waited,
                });
                // What came behind it is refused too, so all of it is sent again in its order.
                self.unanswered
                    .range_mut(first..)
                    .for_each(|message| message.asked = None);
                self.send_at = self.send_at.max(Instant::now() + after);
            }
            None if self.goal.is_none() => {
                self.join_at = Some(Instant::now() + after + self.chance(after))
            }
            None => {}
        }
        Ok(())
    }
}
