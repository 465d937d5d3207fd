//! Somebody who talks and listens, and comes back as a page does: with its position, and with what is unanswered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::ledger::{Ledger, Who};
use crate::protocol::{Epoch, Key, MAX_JOIN_LIMIT};
use crate::tools::dial::{Stream, dial};

/// A dial that has not led to a session by then is given up.
const DIAL: Duration = Duration::from_secs(5);
/// After so long without an answer to a send, or without any frame, the node is asked for a sign of life.
const DOUBT: Duration = Duration::from_secs(3);
/// Without a sign of life by then, the session counts as dead.
const PONG: Duration = Duration::from_secs(5);
/// Silence is fine for so long when nothing is unanswered.
const SILENCE: Duration = Duration::from_secs(15);
/// A message without an answer by then counts as refused; above the node's own limit of 3 s.
const ANSWER: Duration = Duration::from_secs(15);
/// The n-th wait is drawn evenly from 0 to `BASE` · 2ⁿ, at most `CAP`.
const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(8);
/// Messages that wait for their answer at most; a talker says nothing new above that.
const UNANSWERED: usize = 50;

/// What all talkers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) url: String,
    /// Time between two messages of a talker.
    pub(super) every: Duration,
    pub(super) ledger: Mutex<Ledger>,
    /// Sessions opened after the first one of each talker.
    pub(super) reconnects: AtomicU64,
    /// Answers that said: later.
    pub(super) postponed: AtomicU64,
    /// True once nothing new is said.
    pub(super) is_quiet: AtomicBool,
    /// Sessions open now.
    pub(super) online: AtomicU64,
    /// What the last session that ended, or could not be opened, ended with.
    pub(super) last_end: Mutex<String>,
}

impl Shared {
    /// Locks the ledger. A panic elsewhere does not make its counts worse.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, why: String) {
        *self.last_end.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

#[derive(Debug)]
struct Unanswered {
    key: Key,
    text: String,
    /// The request that asks for it in this session.
    asked: Option<u64>,
    asked_at: Instant,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Talker {
    who: Who,
    room: String,
    shared: Arc<Shared>,
    token: Option<String>,
    position: Option<(Value, u64)>,
    /// Up to where it has to catch up in this session; nothing before it is a member, and 0 once it has.
    behind: Option<u64>,
    unanswered: VecDeque<Unanswered>,
    requests: u64,
    said: u64,
    /// When it was moved to balance the nodes, last.
    moved_at: Option<Instant>,
}

/// How a session goes on after a frame.
#[derive(Debug)]
pub(super) enum Next {
    Listen,
    /// The node asked to come back after this time.
    ComeBack(Duration),
}

impl Talker {
    pub(super) fn new(who: Who, room: String, shared: Arc<Shared>) -> Self {
        Self {
            who,
            room,
            shared,
            token: None,
            position: None,
            behind: None,
            unanswered: VecDeque::new(),
            requests: 0,
            said: 0,
            moved_at: None,
        }
    }

    /// True if the talker has caught up and may speak.
    pub(super) fn is_talking(&self) -> bool {
        self.behind == Some(0)
    }

    /// Talks until the task is dropped.
    pub(super) async fn run(mut self) {
        let mut attempt = 0;
        loop {
            let begun = Instant::now();
            let wait = match self.session().await {
                Ok(wait) => wait,
                Err(why) => {
                    self.shared.ended(why);
                    if begun.elapsed() > CAP {
                        attempt = 0;
                    }
                    attempt += 1;
                    chance(CAP.min(BASE * 2_u32.pow(attempt.min(6))))
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens a session and lives in it. Returns the time after which the node wants the next one.
    async fn session(&mut self) -> Result<Duration, String> {
        let opened = timeout(DIAL, self.open()).await;
        let mut stream = opened.unwrap_or_else(|_| Err("no session in time".to_owned()))?;
        self.shared.online.fetch_add(1, Ordering::Relaxed);
        let end = self.live(&mut stream).await;
        self.shared.online.fetch_sub(1, Ordering::Relaxed);
        self.behind = None;
        for waiting in &mut self.unanswered {
            waiting.asked = None;
        }
        end
    }

    async fn open(&mut self) -> Result<Stream, String> {
        let mut stream = dial(&self.shared.url).await?;
        let name = format!("talker {}", self.who);
        let moved_ms = self.moved_at.map(|at| at.elapsed().as_millis());
        let hello = json!({"type": "hello", "name": name, "token": self.token, "client": "madang-soak", "moved_ms": moved_ms});
        write(&mut stream, &hello).await?;
        loop {
            let frame = read(&mut stream).await?;
            if frame["type"] == "welcome" {
                let is_new = self.token.is_none();
                self.token = frame["token"].as_str().map(str::to_owned);
                if !is_new {
                    self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
                }
                return Ok(stream);
            }
            if frame["type"] == "error" {
                return Err(format!("hello is refused: {frame}"));
            }
        }
    }

    /// Joins, catches up, sends what is unanswered, and then talks.
    async fn live(&mut self, stream: &mut Stream) -> Result<Duration, String> {
        let mut join_at = Some(Instant::now());
        let mut next_send = Instant::now() + chance(self.shared.every);
        let mut heard = Instant::now();
        let mut doubted: Option<Instant> = None;
        let mut waiting_since = None;
        loop {
            let is_talking = self.is_talking();
            let is_waiting = !is_talking || !self.unanswered.is_empty();
            waiting_since = is_waiting.then(|| waiting_since.unwrap_or_else(Instant::now));
            let check = match (doubted, waiting_since) {
                (Some(since), _) => since + PONG,
                (None, Some(since)) => since.max(heard) + DOUBT,
                (None, None) => heard + SILENCE,
            };
            tokio::select! {
                frame = read(stream) => {
                    let frame = frame?;
                    heard = Instant::now();
                    doubted = None;
                    if frame["type"] == "sent" || frame["type"] == "joined" {
                        waiting_since = None;
                    }
                    match self.hear(&frame)? {
                        Next::Listen => {}
                        Next::ComeBack(after) => return Ok(after),
                    }
                    if let Some(after) = retry_after(&frame) {
                        next_send = Instant::now() + after;
                        if self.behind.is_none() {
                            join_at = Some(next_send + chance(after));
                        }
                    }
                }
                () = sleep_until(join_at.unwrap_or(heard)), if join_at.is_some() => {
                    join_at = None;
                    self.join(stream).await?;
                }
                () = sleep_until(next_send), if is_talking => {
                    self.give_up_waiting();
                    next_send = Instant::now() + self.shared.every;
                    self.say(stream).await?;
                }
                () = sleep_until(check) => {
                    if doubted.is_some() {
                        return Err("the node gave no sign of life".to_owned());
                    }
                    doubted = Some(Instant::now());
                    self.ask(stream, json!({"type": "ping"})).await?;
                }
            }
        }
    }

    /// What has no answer by now counts as refused, and so does what came behind it.
    fn give_up_waiting(&mut self) {
        let is_late =
            |message: &Unanswered| message.asked.is_some() && message.asked_at.elapsed() > ANSWER;
        if let Some(first) = self.unanswered.iter().position(is_late) {
            for message in self.unanswered.range_mut(first..) {
                message.asked = None;
            }
        }
    }

    async fn join(&mut self, stream: &mut Stream) -> Result<(), String> {
        let mut frame = json!({"type": "join", "room": self.room});
        if let Some((epoch, seq)) = &self.position {
            frame["after"] = json!({"epoch": epoch, "seq": seq});
            frame["limit"] = json!(MAX_JOIN_LIMIT);
        }
        self.ask(stream, frame).await.map(drop)
    }

    /// Sends again what is unanswered, all of it in its order, or else something new.
    async fn say(&mut self, stream: &mut Stream) -> Result<(), String> {
        let is_settled = self
            .unanswered
            .iter()
            .all(|message| message.asked.is_some());
        let is_quiet = self.shared.is_quiet.load(Ordering::Relaxed);
        if is_settled && !is_quiet && self.unanswered.len() < UNANSWERED {
            self.said += 1;
            let message = Unanswered {
                key: Key::random(),
                text: format!("message {} of talker {}", self.said, self.who),
                asked: None,
                asked_at: Instant::now(),
            };
            self.shared.ledger().sent(self.who, &message.key);
            self.unanswered.push_back(message);
        }
        for index in 0..self.unanswered.len() {
            let Unanswered {
                key, text, asked, ..
            } = &self.unanswered[index];
            if asked.is_some() {
                continue;
            }
            let frame = json!({"type": "send", "room": self.room, "text": text, "key": key});
            let id = self.ask(stream, frame).await?;
            self.unanswered[index].asked = Some(id);
            self.unanswered[index].asked_at = Instant::now();
        }
        Ok(())
    }

    /// Notes where the room stood when the talker joined.
    fn joined(&mut self, frame: &Value) {
        let seq = frame["seq"].as_u64().unwrap_or(0);
        if self.position.is_none() {
            self.position = Some((frame["epoch"].clone(), seq));
            self.shared.ledger().joined(self.who, seq);
        }
        self.behind = Some(seq);
        self.moved();
    }

    /// Compares the position with what there was to catch up with.
    fn moved(&mut self) {
        let at = self.position.as_ref().map_or(0, |(_, seq)| *seq);
        if self.behind.is_some_and(|goal| at >= goal) {
            self.behind = Some(0);
        }
    }

    pub(super) fn hear(&mut self, frame: &Value) -> Result<Next, String> {
        let kind = frame["type"].as_str().unwrap_or_default();
        let number = |name: &str| frame[name].as_u64().unwrap_or(0);
        match kind {
            "message" => {
                let (key, epoch) = (key(frame)?, epoch(frame)?);
                let seq = number("seq");
                let mut ledger = self.shared.ledger();
                ledger.shown(self.who, &key, &epoch, seq);
                if self.unanswered.iter().any(|message| message.key == key) {
                    ledger.accepted(&key, &epoch, seq);
                }
                drop(ledger);
                self.position = Some((frame["epoch"].clone(), seq));
                self.moved();
                self.settle(|message| message.key == key);
            }
            "joined" => self.joined(frame),
            "sent" => {
                let id = number("id");
                let asked = |message: &Unanswered| message.asked == Some(id);
                if let Some(message) = self.unanswered.iter().find(|message| asked(message)) {
                    let (key, epoch) = (message.key.clone(), epoch(frame)?);
                    self.shared.ledger().accepted(&key, &epoch, number("seq"));
                }
                self.settle(asked);
            }
            "gap" => {
                let (from, to) = (number("from"), number("to"));
                self.shared.ledger().gap(self.who, from, to);
                self.position = Some((frame["epoch"].clone(), to));
                self.moved();
            }
            "epoch" => {
                let from = number("from");
                let epoch = epoch(frame).ok();
                self.shared.ledger().rewound(self.who, epoch.as_ref(), from);
                let end = from.saturating_sub(1);
                self.position = Some((frame["epoch"].clone(), end));
                // There is nothing above that to catch up with any more.
                self.behind = self.behind.map(|goal| goal.min(end));
                self.moved();
            }
            "error" if retry_after(frame).is_some() => {
                self.shared.postponed.fetch_add(1, Ordering::Relaxed);
                let id = number("id");
                // What came behind it is refused too, so all of it is sent again in its order.
                let is_it = |message: &Unanswered| message.asked == Some(id);
                if let Some(first) = self.unanswered.iter().position(is_it) {
                    for message in self.unanswered.range_mut(first..) {
                        message.asked = None;
                    }
                }
            }
            "error" => return Err(format!("a request is refused for good: {frame}")),
            "left" => return Err(format!("the node let the talker go: {frame}")),
            "reconnect" => {
                if frame["reason"] == "rebalance" {
                    self.moved_at = Some(Instant::now());
                }
                return Ok(Next::ComeBack(Duration::from_millis(number("after_ms"))));
            }
            _ => {}
        }
        Ok(Next::Listen)
    }

    /// Drops a message that is answered.
    fn settle(&mut self, is_it: impl Fn(&Unanswered) -> bool) {
        if let Some(index) = self.unanswered.iter().position(is_it) {
            self.unanswered.remove(index);
        }
    }

    async fn ask(&mut self, stream: &mut Stream, mut frame: Value) -> Result<u64, String> {
        self.requests += 1;
        frame["id"] = json!(self.requests);
        write(stream, &frame).await?;
        Ok(self.requests)
    }
}

/// Returns when a refused request may be repeated.
fn retry_after(frame: &Value) -> Option<Duration> {
    (frame["type"] == "error")
        .then(|| frame["retry_after_ms"].as_u64())
        .flatten()
        .map(Duration::from_millis)
}

fn key(frame: &Value) -> Result<Key, String> {
    let key = frame["key"].as_str().unwrap_or_default();
    Key::parse(key).map_err(|fault| format!("`key` {fault}: {frame}"))
}

fn epoch(frame: &Value) -> Result<Epoch, String> {
    let epoch = frame["epoch"].as_str().unwrap_or_default();
    Epoch::parse(epoch).map_err(|fault| format!("`epoch` {fault}: {frame}"))
}

async fn write(stream: &mut Stream, frame: &Value) -> Result<(), String> {
    let sending = stream.send(Message::text(frame.to_string()));
    match timeout(PONG, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the session takes no frame: {error}")),
        Err(_) => Err("the session takes no frame in time".to_owned()),
    }
}

async fn read(stream: &mut Stream) -> Result<Value, String> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}"));
            }
            Some(Ok(Message::Close(close))) => return Err(format!("closed: {close:?}")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(format!("the session broke: {error}")),
            None => return Err("the session has ended".to_owned()),
        }
    }
}

/// Returns a time drawn evenly from 0 to a bound.
fn chance(bound: Duration) -> Duration {
    bound.mul_f64(fastrand::f64())
}
