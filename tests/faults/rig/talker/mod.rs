//! Somebody who talks and listens by the rules of the protocol: comes back with a position, sends again what is
//! unanswered in its order, and asks the person about what is too old.

mod hearing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::doors::Doors;
use super::wire::Wire;
use crate::checker::history::{History, RoomIndex, What, Who};

/// After so long without any frame while something is owed, the node is asked for a sign of life.
const DOUBT: Duration = Duration::from_secs(3);
/// Without a sign of life by then, the session counts as dead.
const PONG: Duration = Duration::from_secs(3);
/// A message without an answer by then counts as refused; above the node's own limit.
const ANSWER: Duration = Duration::from_secs(8);
/// Messages that wait for their answer at most; nothing new is made above that.
const UNANSWERED: usize = 200;

/// What somebody is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Talk and listen.
    Here,
    /// Have no session.
    Away,
    /// Keep the session and read nothing.
    Deaf,
}

/// Who talks where, and how.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) who: Who,
    pub(crate) room: RoomIndex,
    pub(crate) room_name: String,
    /// The only node whose door is used, if there is one.
    pub(crate) only: Option<usize>,
    /// Time between two messages.
    pub(crate) every: Duration,
    /// Messages made at once.
    pub(crate) burst: usize,
    /// Characters that make a message longer.
    pub(crate) padding: usize,
    /// The n-th wait before a dial is drawn from 0 to this times 2ⁿ, at most eight times this.
    pub(crate) back_off: Duration,
    pub(crate) seed: u64,
}

/// What all talkers share with the row.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) history: History,
    pub(crate) doors: Doors,
    /// True once nothing new is said.
    pub(crate) is_quiet: AtomicBool,
}

#[derive(Debug)]
struct Unanswered {
    key: String,
    text: String,
    /// When it was sent first, in whatever session.
    first_sent: Option<Instant>,
    /// The request that asks for it in this session, and when it was asked.
    asked: Option<(u64, Instant)>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Talker {
    part: Part,
    stage: Arc<Stage>,
    duty: watch::Receiver<Duty>,
    random: fastrand::Rng,
    token: Option<String>,
    position: Option<(Value, u64)>,
    /// Up to where there is to catch up in this session; `None` before the join is answered.
    goal: Option<u64>,
    unanswered: VecDeque<Unanswered>,
    dedupe: Duration,
    made: u64,
    next_made: Instant,
    /// Nothing is sent before.
    send_at: Instant,
    join_at: Option<Instant>,
}

impl Talker {
    pub(crate) fn new(part: Part, stage: Arc<Stage>, duty: watch::Receiver<Duty>) -> Self {
        let random = fastrand::Rng::with_seed(part.seed);
        let now = Instant::now();
        Self {
            part,
            stage,
            duty,
            random,
            token: None,
            position: None,
            goal: None,
            unanswered: VecDeque::new(),
            dedupe: Duration::MAX,
            made: 0,
            next_made: now,
            send_at: now,
            join_at: None,
        }
    }

    /// Talks until the task is dropped.
    pub(crate) async fn run(mut self) {
        let mut attempt = 0;
        loop {
            self.wait_until_here().await;
            let begun = Instant::now();
            let end = self.session().await;
            self.goal = None;
            for waiting in &mut self.unanswered {
                waiting.asked = None;
            }
            if begun.elapsed() > self.part.back_off * 8 {
                attempt = 0;
            }
            let wait = match end {
                Ok(after) => after,
                Err(why) => {
                    self.note(What::Ended {
                        why: format!("{why:#}"),
                    });
                    attempt += 1;
                    self.chance(self.part.back_off * 2_u32.pow(attempt.min(3)))
                }
            };
            let back = Instant::now() + wait;
            // People go on writing while they are offline.
            while Instant::now() < back {
                sleep_until(
                    back.min(
                        self.next_made
                            .max(Instant::now() + Duration::from_millis(1)),
                    ),
                )
                .await;
                self.make();
            }
        }
    }

    fn is_away(&mut self) -> bool {
        *self.duty.borrow_and_update() == Duty::Away
    }

    async fn wait_until_here(&mut self) {
        while self.is_away() {
            let next = self.next_made;
            tokio::select! {
                changed = self.duty.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = sleep_until(next) => self.make(),
            }
        }
    }

    /// Opens a session and lives in it; returns the time after which the node wants the next one.
    async fn session(&mut self) -> Result<Duration> {
        let door = match self.part.only {
            Some(node) => self.stage.doors.of(node),
            None => self.stage.doors.any(&mut self.random),
        };
        let Some(door) = door else {
            bail!("no node has a door")
        };
        let name = format!("talker {}", self.part.who);
        let (mut wire, welcome) = Wire::open(door, &name, self.token.as_deref()).await?;
        self.token = Some(welcome.token);
        self.dedupe = welcome.dedupe;
        self.note(What::Opened { node: welcome.node });
        self.join_at = Some(Instant::now());
        self.send_at = Instant::now();
        self.live(&mut wire).await
    }

    async fn live(&mut self, wire: &mut Wire) -> Result<Duration> {
        let mut heard = Instant::now();
        let mut doubted: Option<Instant> = None;
        loop {
            let duty = *self.duty.borrow_and_update();
            match duty {
                Duty::Here => {}
                Duty::Away => return Ok(Duration::ZERO),
                Duty::Deaf => {
                    let _changed = self.duty.changed().await;
                    (heard, doubted) = (Instant::now(), None);
                    continue;
                }
            }
            let is_talking = self.is_talking();
            let is_owed = !is_talking || !self.unanswered.is_empty();
            let check = match doubted {
                Some(since) => since + PONG,
                None => heard + if is_owed { DOUBT } else { DOUBT * 5 },
            };
            let has_unasked = self
                .unanswered
                .iter()
                .any(|message| message.asked.is_none());
            tokio::select! {
                changed = self.duty.changed() => changed?,
                frame = wire.read() => {
                    (heard, doubted) = (Instant::now(), None);
                    if let Some(after) = self.hear(&frame?)? {
                        return Ok(after);
                    }
                }
                () = sleep_until(self.join_at.unwrap_or(heard)), if self.join_at.is_some() => {
                    self.join_at = None;
                    self.join(wire).await?;
                }
                () = sleep_until(self.next_made) => self.make(),
                () = sleep_until(self.send_at), if is_talking && has_unasked => self.send(wire).await?,
                () = sleep_until(check) => {
                    if doubted.is_some() {
                        bail!("the node gave no sign of life");
                    }
                    self.give_up_waiting();
                    doubted = Some(Instant::now());
                    wire.ask(json!({"type": "ping"})).await?;
                }
            }
        }
    }

    fn is_talking(&self) -> bool {
        let at = self.position.as_ref().map_or(0, |(_, seq)| *seq);
        self.goal.is_some_and(|goal| at >= goal)
    }

    /// Makes what is due.
    fn make(&mut self) {
        if Instant::now() < self.next_made {
            return;
        }
        self.next_made = Instant::now() + self.part.every.mul_f64(0.5 + self.random.f64());
        // Who was never in the room has nothing to say there.
        if self.stage.is_quiet.load(Ordering::Relaxed) || self.position.is_none() {
            return;
        }
        for _ in 0..self.part.burst {
            if self.unanswered.len() >= UNANSWERED {
                return;
            }
            self.made += 1;
            let key: String = std::iter::repeat_with(|| self.random.alphanumeric())
                .take(22)
                .collect();
            let padding = "x".repeat(self.part.padding);
            let text = format!("message {} of talker {}{padding}", self.made, self.part.who);
            self.note(What::Made {
                key: key.clone(),
                text: text.clone(),
                number: self.made,
            });
            self.unanswered.push_back(Unanswered {
                key,
                text,
                first_sent: None,
                asked: None,
            });
        }
    }

    async fn join(&mut self, wire: &mut Wire) -> Result<()> {
        let mut frame = json!({"type": "join", "room": self.part.room_name});
        if let Some((epoch, seq)) = &self.position {
            frame["after"] = json!({"epoch": epoch, "seq": seq});
            frame["limit"] = json!(1_000);
        }
        wire.ask(frame).await.map(drop)
    }

    /// Sends what has not been asked for in this session, all of it in its order; asks about what is too old.
    async fn send(&mut self, wire: &mut Wire) -> Result<()> {
        let dedupe = self.dedupe;
        let is_old = |message: &Unanswered| {
            message.asked.is_none()
                && message
                    .first_sent
                    .is_some_and(|first| first.elapsed() >= dedupe)
        };
        while let Some(index) = self.unanswered.iter().position(is_old) {
            if let Some(Unanswered { key, .. }) = self.unanswered.remove(index) {
                self.note(What::Asked { key });
            }
        }
        for message in self
            .unanswered
            .iter_mut()
            .filter(|message| message.asked.is_none())
        {
            let (text, key) = (&message.text, &message.key);
            let frame =
                json!({"type": "send", "room": self.part.room_name, "text": text, "key": key});
            message.first_sent.get_or_insert_with(Instant::now);
            message.asked = Some((wire.ask(frame).await?, Instant::now()));
        }
        Ok(())
    }

    /// What has no answer by now counts as refused, and so does what came behind it.
    fn give_up_waiting(&mut self) {
        let is_late =
            |message: &Unanswered| message.asked.is_some_and(|(_, at)| at.elapsed() > ANSWER);
        if let Some(first) = self.unanswered.iter().position(is_late) {
            self.unanswered
                .range_mut(first..)
                .for_each(|message| message.asked = None);
        }
    }

    fn note(&self, what: What) {
        self.stage.history.note(self.part.who, self.part.room, what);
    }

    /// Returns a time drawn evenly from 0 to a bound.
    fn chance(&mut self, bound: Duration) -> Duration {
        bound.mul_f64(self.random.f64())
    }
}
