//! The checker is checked: a relay before a good node does to one person's frames what a broken broker would do, and
//! each of its sins must be found.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use madang::config::Settings;
use madang::node::Node;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::verdict::{Counts, Verdict, judge};
use crate::rig::audit;
use crate::rig::talker::{Duty, Part, Stage, Talker};
use crate::rig::wire::Wire;

/// What is done to one person's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sin {
    Nothing,
    Lose,
    Double,
    Swap,
    Rewind,
    SwapOfSender,
    Invent,
    Alter,
    FalseGap,
    FalseWithdrawal,
    AcceptAndForget,
}

/// What must be found for a sin.
type Finds = fn(&Counts) -> bool;

const SINS: [(Sin, Finds); 11] = [
    (Sin::Nothing, Counts::is_good),
    (Sin::Lose, |counts| counts.lost > 0),
    (Sin::Double, |counts| counts.doubled > 0),
    (Sin::Swap, |counts| counts.reordered > 0),
    (Sin::Rewind, |counts| counts.phantom > 0),
    (Sin::SwapOfSender, |counts| counts.reordered > 0),
    (Sin::Invent, |counts| counts.phantom > 0),
    (Sin::Alter, |counts| counts.phantom > 0),
    (Sin::FalseGap, |counts| counts.lost > 0),
    (Sin::FalseWithdrawal, |counts| counts.lost > 0),
    (Sin::AcceptAndForget, |counts| counts.lost > 0),
];

/// The room that they are in.
const ROOM: &str = "broken";
/// Messages that are shown before and after the sin, by both together.
const SHOWN: u64 = 40;
/// Patience with what never comes.
const SETTLING: Duration = Duration::from_secs(2);

/// Lets a broken fleet commit every sin; returns a sentence for each that was not found.
pub(crate) async fn check() -> Result<Vec<String>> {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.server.internal_listen = ([127, 0, 0, 1], 0).into();
    settings.limits.sends_per_second = 0;
    settings.limits.requests_per_second = 0;
    let node = Node::start(settings).await?;
    let mut missed = Vec::new();
    for (sin, finds) in SINS {
        let verdict = commit(sin, node.address())
            .await
            .with_context(|| format!("{sin:?}"))?;
        if !finds(&verdict.counts) {
            missed.push(format!(
                "{sin:?} is judged as {:?}: {:?}",
                verdict.counts, verdict.faults
            ));
        }
    }
    node.stop().await;
    Ok(missed)
}

async fn commit(sin: Sin, node: SocketAddr) -> Result<Verdict> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let stage = Arc::new(Stage::default());
    stage.doors.open(0, listener.local_addr()?, node);
    stage.doors.open(1, node, node);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let _end = relay(
                near,
                node,
                Sinner {
                    sin,
                    seen: 0,
                    held: None,
                },
            )
            .await;
        }
    });
    let room_name = format!("{ROOM} {sin:?}").to_lowercase();
    let mut duties = Vec::new();
    for who in 0..2 {
        let (duty, told) = watch::channel(Duty::Here);
        duties.push(duty);
        let part = Part {
            who,
            room: 0,
            room_name: room_name.clone(),
            only: Some(who),
            every: Duration::from_millis(10),
            burst: 2,
            padding: 0,
            back_off: Duration::from_millis(50),
            seed: who as u64,
        };
        tasks.spawn(Talker::new(part, Arc::clone(&stage), told).run());
    }
    until(|| stage.history.shown() >= SHOWN * 4).await;
    stage.is_quiet.store(true, Ordering::Relaxed);
    let end = Instant::now();
    until(|| stage.history.open_before(end) == 0).await;
    tasks.shutdown().await;
    let (mut wire, _) = Wire::open(node, "auditor", None).await?;
    let logs = HashMap::from([(0, audit::of_room(&mut wire, &room_name).await?)]);
    let verdict = judge(&stage.history.events(), &logs);
    ensure!(
        verdict.counts.delivered >= SHOWN,
        "too little was said: {:?}",
        verdict.counts
    );
    Ok(verdict)
}

/// Waits until a condition holds, or will not any more.
async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() && begun.elapsed() < SETTLING {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[derive(Debug)]
struct Sinner {
    sin: Sin,
    /// Messages that went by.
    seen: u64,
    held: Option<Value>,
}

/// The messages around which a sin is committed.
const SINFUL: u64 = 20;

impl Sinner {
    /// Returns what a person gets for a frame of the node.
    fn change(&mut self, mut frame: Value) -> Vec<Value> {
        if frame["type"] != "message" {
            return vec![frame];
        }
        self.seen += 1;
        let is_now = self.seen == SINFUL;
        match self.sin {
            Sin::Lose if is_now => vec![],
            Sin::Double if is_now => vec![frame.clone(), frame],
            Sin::Swap => match self.held.take() {
                Some(held) => vec![frame, held],
                None if is_now => {
                    self.held = Some(frame);
                    vec![]
                }
                None => vec![frame],
            },
            Sin::SwapOfSender => self.swap_of_sender(frame),
            Sin::Rewind if self.seen >= SINFUL => {
                frame["seq"] = json!(frame["seq"].as_u64().unwrap_or(0) - 3);
                vec![frame]
            }
            Sin::Invent if is_now => {
                let mut other = frame.clone();
                other["key"] = json!("a-key-that-nobody-made-up");
                other["seq"] = json!(frame["seq"].as_u64().unwrap_or(0) + 1);
                vec![frame, other]
            }
            Sin::Alter if is_now => {
                frame["text"] = json!("what nobody said");
                vec![frame]
            }
            Sin::FalseGap if is_now => {
                let (room, epoch, seq) = (&frame["room"], &frame["epoch"], &frame["seq"]);
                vec![
                    json!({"type": "gap", "room": room, "epoch": epoch, "from": seq, "to": seq, "reason": "trimmed"}),
                ]
            }
            Sin::FalseWithdrawal if is_now => {
                let (room, epoch, seq) = (&frame["room"], &frame["epoch"], &frame["seq"]);
                let rewind = json!({"type": "epoch", "room": room, "epoch": epoch, "from": seq});
                vec![frame, rewind]
            }
            _ => vec![frame],
        }
    }

    /// Swaps two messages of one sender that follow each other, and leaves the numbers as they were.
    fn swap_of_sender(&mut self, mut frame: Value) -> Vec<Value> {
        match self.held.take() {
            Some(mut held) if held["user"] == frame["user"] => {
                for field in ["key", "text"] {
                    let (one, other) = (held[field].take(), frame[field].take());
                    (held[field], frame[field]) = (other, one);
                }
                self.seen = SINFUL * 2;
                vec![held, frame]
            }
            Some(held) => {
                self.held = Some(frame);
                vec![held]
            }
            None if (SINFUL..SINFUL * 2).contains(&self.seen) => {
                self.held = Some(frame);
                vec![]
            }
            None => vec![frame],
        }
    }

    /// Returns the answer to a request that the node never gets.
    fn forget(&mut self, frame: &Value) -> Option<Value> {
        let is_now =
            self.sin == Sin::AcceptAndForget && self.seen >= SINFUL && frame["type"] == "send";
        (is_now && self.held.is_none()).then(|| {
            self.held = Some(Value::Null);
            let (id, room) = (&frame["id"], &frame["room"]);
            json!({"type": "sent", "id": id, "room": room, "epoch": "forgotten", "seq": 1, "at": 1})
        })
    }
}

/// Carries frames between a person and the node.
async fn relay(near: TcpStream, node: SocketAddr, mut sinner: Sinner) -> Result<()> {
    let mut near = accept_hdr_async(near, accept).await?;
    let mut far = Wire::dial(node).await?;
    loop {
        tokio::select! {
            message = near.next() => {
                let Message::Text(text) = message.context("the person left")?? else { continue };
                let frame: Value = serde_json::from_str(&text)?;
                match sinner.forget(&frame) {
                    Some(answer) => near.send(Message::text(answer.to_string())).await?,
                    None => far.write(&frame).await?,
                }
            }
            frame = far.read() => {
                for frame in sinner.change(frame?) {
                    near.send(Message::text(frame.to_string())).await?;
                }
            }
        }
    }
}

#[allow(
    clippy::result_large_err,
    clippy::unnecessary_wraps,
    reason = "the library asks for this form"
)]
fn accept(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let headers = response.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        "madang.v1".parse().expect("a subprotocol is a token"),
    );
    Ok(response)
}
