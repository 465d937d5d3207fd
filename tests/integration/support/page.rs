//! A page as the protocol sees it: sends requests, keeps frames in the order they came.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;

/// How long nothing must come for "nothing comes" to hold.
const SILENCE: Duration = Duration::from_millis(300);

/// A message as a screen shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
    pub(crate) user: String,
    pub(crate) text: String,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Page {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    inbox: VecDeque<Value>,
    ids: u64,
    pub(crate) user: String,
    pub(crate) token: String,
    pub(crate) welcome: Value,
}

impl Page {
    /// Opens a session without saying hello.
    pub(crate) async fn knock(address: SocketAddr) -> Self {
        let request = format!("ws://{address}/ws")
            .into_client_request()
            .expect("a valid request");
        let (stream, _) = connect_async(request)
            .await
            .expect("the node accepts sessions");
        Self {
            stream,
            inbox: VecDeque::new(),
            ids: 0,
            user: String::new(),
            token: String::new(),
            welcome: Value::Null,
        }
    }

    /// Opens a session and says hello as a new user.
    pub(crate) async fn open(address: SocketAddr, name: &str) -> Self {
        Self::greet(address, json!({"type": "hello", "name": name})).await
    }

    /// Opens a session and says hello as the user of a token.
    pub(crate) async fn reopen(address: SocketAddr, name: &str, token: &str) -> Self {
        Self::greet(
            address,
            json!({"type": "hello", "name": name, "token": token}),
        )
        .await
    }

    async fn greet(address: SocketAddr, hello: Value) -> Self {
        let mut page = Self::knock(address).await;
        page.send(hello).await;
        let welcome = page.expect("welcome").await;
        page.user = welcome["user"]["id"]
            .as_str()
            .expect("welcome names the user")
            .to_owned();
        page.token = welcome["token"]
            .as_str()
            .expect("welcome has a token")
            .to_owned();
        page.welcome = welcome;
        page
    }

    /// Sends a frame as it is.
    pub(crate) async fn send(&mut self, frame: Value) {
        self.raw(Message::text(frame.to_string())).await;
    }

    /// Sends any WebSocket message.
    pub(crate) async fn raw(&mut self, message: Message) {
        self.stream
            .send(message)
            .await
            .expect("the session takes frames");
    }

    /// Sends a request with a fresh id and returns the id.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> u64 {
        self.ids += 1;
        frame["id"] = json!(self.ids);
        self.send(frame).await;
        self.ids
    }

    /// Sends a request and returns the frame that repeats its id; others stay in the inbox.
    pub(crate) async fn answer(&mut self, frame: Value) -> Value {
        let id = self.ask(frame).await;
        self.find(&format!("answer to request {id}"), |frame| {
            frame["id"] == json!(id)
        })
        .await
    }

    /// Joins a room and returns `joined`.
    pub(crate) async fn join(&mut self, room: &str) -> Value {
        let joined = self.answer(json!({"type": "join", "room": room})).await;
        assert_eq!(joined["type"], "joined", "{joined}");
        joined
    }

    /// Joins a room from a position and returns `joined`.
    pub(crate) async fn join_after(&mut self, room: &str, epoch: &str, seq: u64) -> Value {
        let after = json!({"epoch": epoch, "seq": seq});
        let joined = self
            .answer(json!({"type": "join", "room": room, "after": after, "limit": 1000}))
            .await;
        assert_eq!(joined["type"], "joined", "{joined}");
        joined
    }

    /// Says something with a fresh key and returns `sent`.
    pub(crate) async fn say(&mut self, room: &str, text: &str) -> Value {
        let key = format!("{}-{}", self.user, self.ids + 1);
        let sent = self
            .answer(json!({"type": "send", "room": room, "text": text, "key": key}))
            .await;
        assert_eq!(sent["type"], "sent", "{sent}");
        sent
    }

    /// Returns the next frame of a type; others stay in the inbox.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        self.find(kind, |frame| frame["type"] == kind).await
    }

    /// Returns the next frame that fits; others stay in the inbox.
    pub(crate) async fn find(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.inbox.iter().position(&fits) {
            return self.inbox.remove(index).expect("the index was just found");
        }
        let found = timeout(PATIENCE, async {
            loop {
                match self.receive().await {
                    Ok(frame) if fits(&frame) => return frame,
                    Ok(frame) => self.inbox.push_back(frame),
                    Err(end) => panic!("waiting for {what}, but {end}; {}", self.last()),
                }
            }
        });
        match found.await {
            Ok(frame) => frame,
            Err(_) => panic!("no {what} within {PATIENCE:?}; {}", self.last()),
        }
    }

    /// Returns the next `message` of a room.
    pub(crate) async fn message(&mut self, room: &str) -> Shown {
        let frame = self
            .find("message", |frame| {
                frame["type"] == "message" && frame["room"] == room
            })
            .await;
        shown(&frame)
    }

    /// Returns the next `count` messages of a room.
    pub(crate) async fn messages(&mut self, room: &str, count: usize) -> Vec<Shown> {
        let mut found = Vec::with_capacity(count);
        for _ in 0..count {
            found.push(self.message(room).await);
        }
        found
    }

    /// Fails if a frame of a type comes now.
    pub(crate) async fn expect_no(&mut self, kind: &str) {
        let is_it = |frame: &Value| frame["type"] == kind;
        let _silence = timeout(SILENCE, async {
            while let Ok(frame) = self.receive().await {
                self.inbox.push_back(frame);
            }
        })
        .await;
        if let Some(frame) = self.inbox.iter().find(|frame| is_it(frame)) {
            panic!("unexpected {frame}");
        }
    }

    /// Waits for the close frame and returns code and reason; other frames stay in the inbox.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let end = timeout(PATIENCE, async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return (u16::from(frame.code), frame.reason.to_string());
                    }
                    Some(Ok(Message::Text(text))) => {
                        self.inbox
                            .push_back(serde_json::from_str(&text).expect("frames are JSON"));
                    }
                    Some(Ok(_)) => {}
                    end => panic!("ended without a close frame: {end:?}"),
                }
            }
        });
        end.await.expect("a close frame comes")
    }

    /// Leaves without a word, as a page whose network is cut.
    pub(crate) fn vanish(self) {
        drop(self);
    }

    /// Returns the last frames that nobody asked for, for a failing test.
    fn last(&self) -> String {
        let last: Vec<_> = self
            .inbox
            .iter()
            .rev()
            .take(5)
            .rev()
            .map(Value::to_string)
            .collect();
        format!(
            "{} frames wait, the last: {}",
            self.inbox.len(),
            last.join(" ")
        )
    }

    async fn receive(&mut self) -> Result<Value, String> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(format!("the node closed: {frame:?}"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(format!("the wire broke: {error}")),
                None => return Err("the wire ended".to_owned()),
            }
        }
    }
}

/// Returns what a screen shows of a `message` frame.
pub(crate) fn shown(frame: &Value) -> Shown {
    Shown {
        epoch: frame["epoch"].as_str().unwrap_or_default().to_owned(),
        seq: frame["seq"].as_u64().expect("messages have a seq"),
        user: frame["user"]["id"].as_str().unwrap_or_default().to_owned(),
        text: frame["text"].as_str().unwrap_or_default().to_owned(),
    }
}
