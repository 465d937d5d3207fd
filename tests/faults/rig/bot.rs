//! Somebody who publishes over HTTP and is in no room.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::process;
use super::talker::Stage;
use crate::checker::history::{Place, RoomIndex, What, Who};

/// How long a message may be refused for now.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Bot {
    who: Who,
    key: String,
    said: u64,
}

impl Bot {
    /// Makes a key of the HTTP API; its entry goes to a file, for the setting `api.keys_file`.
    pub(crate) fn new(who: Who, file: &Path) -> Result<Self> {
        let made = process::run(&["key", "--right", "publish", "--room", "*", "bot"], &[])?;
        std::fs::write(file, &made.stdout)?;
        let key = String::from_utf8(made.stderr)?.trim().to_owned();
        Ok(Self { who, key, said: 0 })
    }

    /// Publishes a message at a node, again and again under its key until it is accepted.
    pub(crate) async fn say(
        &mut self,
        stage: &Stage,
        door: SocketAddr,
        (room, name): (RoomIndex, &str),
    ) -> Result<()> {
        self.said += 1;
        let (key, text) = (
            format!("said-by-the-bot-{}", self.said),
            format!("number {}", self.said),
        );
        let made = What::Made {
            key: key.clone(),
            text: text.clone(),
            number: self.said,
        };
        stage.history.note(self.who, room, made);
        let body = json!({"text": text, "key": key}).to_string();
        let path = name.replace(' ', "%20");
        let request = format!(
            "POST /api/v1/rooms/{path}/messages HTTP/1.1\r\nHost: {door}\r\nConnection: close\r\nAuthorization: Bearer \
             {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        let begun = Instant::now();
        loop {
            let answer = process::exchange(door, &request).await?;
            let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            if head.contains(" 201 ") || head.contains(" 200 ") {
                let epoch = body["epoch"].as_str().unwrap_or_default().to_owned();
                let place = Place {
                    epoch,
                    seq: body["seq"].as_u64().unwrap_or(0),
                };
                stage.history.note(
                    self.who,
                    room,
                    What::Accepted {
                        key,
                        place,
                        is_answer: true,
                    },
                );
                return Ok(());
            }
            let Some(after) = body["retry_after_ms"].as_u64() else {
                bail!("the bot is refused: {answer}")
            };
            if begun.elapsed() > PATIENCE {
                bail!("the bot is refused for {PATIENCE:?}: {answer}");
            }
            tokio::time::sleep(Duration::from_millis(after)).await;
        }
    }
}
