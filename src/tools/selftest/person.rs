//! Somebody with a session: the few requests that the test needs, and the messages that come.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::protocol::Key;
use crate::tools::dial::{Stream, dial};

/// How it begins what a person says whose session a node hands over, as in a rollout.
pub(super) const LET_GO: &str = "a session was let go";

/// See the [module](self).
pub(super) struct Person {
    stream: Stream,
    /// Messages that came while an answer was awaited.
    heard: VecDeque<Value>,
    requests: u64,
    /// The node that serves the session.
    pub(super) node: String,
    /// Makes the next session one of the same user.
    pub(super) token: String,
}

impl Person {
    /// Opens a session at `url`, as the user of a token or as a new one.
    pub(super) async fn open(url: &str, name: &str, token: Option<&str>) -> Result<Self, String> {
        let stream = dial(url).await?;
        let mut person = Self {
            stream,
            heard: VecDeque::new(),
            requests: 0,
            node: String::new(),
            token: String::new(),
        };
        let hello =
            json!({"type": "hello", "name": name, "token": token, "client": "madang-selftest"});
        person.send(&hello).await?;
        let welcome = person.until(|frame| frame["type"] == "welcome").await?;
        person.node = text(&welcome, "node")?;
        person.token = text(&welcome, "token")?;
        Ok(person)
    }

    /// Joins a room, from behind a message on if there is one.
    pub(super) async fn join(&mut self, room: &str, after: Option<&Value>) -> Result<(), String> {
        let mut frame = json!({"type": "join", "room": room});
        if let Some(after) = after {
            frame["after"] = json!({"epoch": after["epoch"], "seq": after["seq"]});
        }
        self.ask(frame).await.map(drop)
    }

    /// Sends a message and returns `sent`.
    pub(super) async fn say(&mut self, room: &str, text: &str, key: &Key) -> Result<Value, String> {
        let frame = json!({"type": "send", "room": room, "text": text, "key": key});
        self.ask(frame).await
    }

    /// Returns the next message of a room.
    pub(super) async fn hear(&mut self, room: &str) -> Result<Value, String> {
        let is_message = |frame: &Value| frame["type"] == "message" && frame["room"] == room;
        if let Some(index) = self.heard.iter().position(is_message) {
            return Ok(self.heard.remove(index).unwrap_or_default());
        }
        self.until(is_message).await
    }

    /// Sends a request and returns its answer, unless that is a refusal.
    async fn ask(&mut self, mut frame: Value) -> Result<Value, String> {
        self.requests += 1;
        let id = json!(self.requests);
        frame["id"] = id.clone();
        self.send(&frame).await?;
        let answer = self.until(|frame| frame["id"] == id).await?;
        if answer["type"] == "error" {
            return Err(format!("{frame} is refused: {answer}"));
        }
        Ok(answer)
    }

    async fn send(&mut self, frame: &Value) -> Result<(), String> {
        self.stream
            .send(Message::text(frame.to_string()))
            .await
            .map_err(|error| format!("the session on {} takes no frame: {error}", self.node))
    }

    /// Waits for a frame; messages that come before it are kept for later.
    async fn until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        loop {
            let frame = match self.stream.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(close))) => {
                    return Err(format!(
                        "the session on {} was closed: {close:?}",
                        self.node
                    ));
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    return Err(format!("the session on {} broke: {error}", self.node));
                }
                None => return Err(format!("the session on {} has ended", self.node)),
            };
            let frame: Value = serde_json::from_str(&frame)
                .map_err(|error| format!("the node {} sent no JSON: {error}", self.node))?;
            if frame["type"] == "reconnect" {
                return Err(format!("{LET_GO} by {}: {frame}", self.node));
            }
            if is_wanted(&frame) {
                return Ok(frame);
            }
            if frame["type"] == "message" {
                self.heard.push_back(frame);
            }
        }
    }
}

fn text(frame: &Value, name: &str) -> Result<String, String> {
    frame[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("`{name}` is missing in {frame}"))
}
