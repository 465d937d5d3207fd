//! A server of the plain dialect that does one thing wrong, once: with the tenth message of the first room to have so
//! many, towards one of its members.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// The message at which it happens.
const TENTH: u32 = 10;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Loses,
    Doubles,
    /// Delivers a message after the one that follows it.
    Swaps,
    /// Closes a session.
    Closes,
}

#[derive(Debug, Default)]
struct Room {
    said: u32,
    members: Vec<UnboundedSender<Message>>,
}

#[derive(Debug)]
struct Rooms {
    fault: Option<Fault>,
    rooms: HashMap<String, Room>,
    /// What was held back, and in which room.
    held: Option<(String, Message)>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Broken {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Broken {
    pub(super) async fn start(fault: Option<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let rooms = Arc::new(Mutex::new(Rooms {
            fault,
            rooms: HashMap::new(),
            held: None,
        }));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&rooms)));
            }
        });
        Self { address, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, rooms: Arc<Mutex<Rooms>>) {
    let Ok(stream) = accept_async(stream).await else {
        return;
    };
    let (mut sink, mut frames) = stream.split();
    let (outbox, mut queued) = unbounded_channel::<Message>();
    tokio::spawn(async move {
        while let Some(frame) = queued.recv().await {
            if sink.send(frame).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(frame)) = frames.next().await {
        let Ok(text) = frame.to_text() else { continue };
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            continue;
        };
        let name = frame["room"].as_str().unwrap_or_default().to_owned();
        let answer = if frame["t"] == "join" {
            let mut rooms = rooms.lock().unwrap();
            let room = rooms.rooms.entry(name.clone()).or_default();
            room.members.push(outbox.clone());
            json!({"t": "joined", "room": name})
        } else {
            let said = json!({"t": "msg", "room": name, "d": frame["d"]}).to_string();
            rooms.lock().unwrap().say(&name, &Message::text(said));
            json!({"t": "ok", "id": frame["id"]})
        };
        let _ = outbox.send(Message::text(answer.to_string()));
    }
}

impl Rooms {
    fn say(&mut self, name: &str, said: &Message) {
        let room = self.rooms.get_mut(name).unwrap();
        room.said += 1;
        let fault = self.fault.filter(|_| room.said == TENTH);
        if fault.is_some() {
            self.fault = None;
        }
        let held = self.held.take_if(|(room, _)| room == name);
        for (index, member) in room.members.iter().enumerate() {
            match fault.filter(|_| index == 1) {
                Some(Fault::Loses) => continue,
                Some(Fault::Doubles) => {
                    let _ = member.send(said.clone());
                }
                Some(Fault::Swaps) => {
                    self.held = Some((name.to_owned(), said.clone()));
                    continue;
                }
                Some(Fault::Closes) => {
                    let close = CloseFrame {
                        code: 1001.into(),
                        reason: "enough".into(),
                    };
                    let _ = member.send(Message::Close(Some(close)));
                }
                None => {}
            }
            let _ = member.send(said.clone());
            if let Some((_, held)) = held.as_ref().filter(|_| index == 1) {
                let _ = member.send(held.clone());
            }
        }
    }
}
