//! Thousands of people who only listen: they come back when they are told, or when their session breaks, with their
//! position.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Rig;
use super::talker::Stage;
use super::wire::Wire;

/// Sessions that are opened at one moment; a kernel takes no more of them in its queue.
const AT_ONCE: usize = 64;
/// The longest wait after a session that broke.
const BACK_OFF: Duration = Duration::from_secs(2);

/// What the crowd did.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Members in a session and, if they are in a room, as far as it had come when they joined.
    pub(crate) online: AtomicUsize,
    /// When each `reconnect` came.
    pub(crate) told: Mutex<Vec<Instant>>,
    /// Sessions that ended without being told.
    pub(crate) broken: AtomicUsize,
    /// Entries that somebody missed without a word.
    pub(crate) lost: AtomicUsize,
    /// Entries that somebody was shown twice.
    pub(crate) doubled: AtomicUsize,
    /// Entries shown.
    pub(crate) shown: AtomicUsize,
}

/// Where somebody listens.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The room, if there is one.
    pub(crate) room: Option<String>,
    /// The node to begin with.
    pub(crate) first: usize,
    /// Whether the load balancer brings people back to where they were.
    pub(crate) is_sticky: bool,
}

/// See the [module](self). It ends with the value.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    size: usize,
    _members: JoinSet<()>,
}

impl Crowd {
    /// Lets so many people in and waits until all are there.
    pub(crate) async fn come(
        rig: &mut Rig,
        size: usize,
        place: impl Fn(usize) -> Place,
    ) -> Result<Self> {
        let tally = Arc::new(Tally::default());
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let mut members = JoinSet::new();
        for number in 0..size {
            let member = Member {
                number,
                place: place(number),
                stage: Arc::clone(&rig.stage),
                tally: Arc::clone(&tally),
                gate: Arc::clone(&gate),
                random: fastrand::Rng::with_seed(rig.random.u64(..)),
                token: None,
                position: None,
                moved: None,
            };
            members.spawn(member.run());
        }
        let crowd = Self {
            tally,
            size,
            _members: members,
        };
        crowd.wait_online(rig).await?;
        Ok(crowd)
    }

    /// Waits until everybody is online.
    pub(crate) async fn wait_online(&self, rig: &mut Rig) -> Result<()> {
        rig.wait_long("the crowd is online", |_| {
            self.tally.online.load(Ordering::Relaxed) == self.size
        })
        .await
    }

    /// Notes what should not be.
    pub(crate) fn judge(&self, rig: &mut Rig) {
        for (what, count) in [("lost", &self.tally.lost), ("doubled", &self.tally.doubled)] {
            let count = count.load(Ordering::Relaxed);
            rig.expect(count == 0, || {
                format!("{count} entries were {what} among {} listeners", self.size)
            });
        }
    }
}

#[derive(Debug)]
struct Member {
    number: usize,
    place: Place,
    stage: Arc<Stage>,
    tally: Arc<Tally>,
    gate: Arc<Semaphore>,
    random: fastrand::Rng,
    token: Option<String>,
    position: Option<(Value, u64)>,
    /// When it was let go to another node.
    moved: Option<Instant>,
}

impl Member {
    async fn run(mut self) {
        let mut is_first = true;
        let mut waits = 0;
        loop {
            let is_pinned = is_first || self.place.is_sticky;
            let mut is_online = false;
            let end = self.session(is_pinned, &mut is_online).await;
            if is_online {
                is_first = false;
                waits = 0;
                self.tally.online.fetch_sub(1, Ordering::Relaxed);
            }
            let wait = match end {
                Ok(after) => after,
                Err(_) => {
                    if is_online {
                        self.tally.broken.fetch_add(1, Ordering::Relaxed);
                    }
                    waits += 1;
                    let bound = BACK_OFF.min(Duration::from_millis(250) * 2_u32.pow(waits));
                    bound.mul_f64(self.random.f64())
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens a session and listens in it; returns the time after which the node wants the next one.
    async fn session(&mut self, is_pinned: bool, is_online: &mut bool) -> Result<Duration> {
        let gate = Arc::clone(&self.gate);
        let permit = gate.acquire().await?;
        let door = if is_pinned {
            self.stage.doors.direct(self.place.first)
        } else {
            self.stage.doors.any_direct(&mut self.random)
        };
        let Some(door) = door else {
            bail!("no node has a door")
        };
        let moved = self.moved.map(|at| at.elapsed());
        let (mut wire, welcome) = Wire::open_moved(
            door,
            &format!("listener {}", self.number),
            self.token.as_deref(),
            moved,
        )
        .await?;
        self.token = Some(welcome.token);
        drop(permit);
        if self.place.room.is_none() {
            self.online(is_online);
        }
        self.join(&mut wire).await?;
        let mut goal = None;
        loop {
            let frame = wire.read().await?;
            match frame["type"].as_str().unwrap_or_default() {
                "joined" => {
                    let seq = frame["seq"].as_u64().unwrap_or(0);
                    if self.position.is_none() {
                        self.position = Some((frame["epoch"].clone(), seq));
                    }
                    goal = Some(seq);
                }
                "message" => self.shown(&frame),
                "gap" => {
                    self.position =
                        Some((frame["epoch"].clone(), frame["to"].as_u64().unwrap_or(0)))
                }
                "epoch" => {
                    let end = frame["from"].as_u64().unwrap_or(1).saturating_sub(1);
                    self.position = Some((frame["epoch"].clone(), end));
                    goal = goal.map(|goal: u64| goal.min(end));
                }
                "error" => {
                    let Some(after) = frame["retry_after_ms"].as_u64() else {
                        bail!("refused for good: {frame}")
                    };
                    tokio::time::sleep(Duration::from_millis(after)).await;
                    self.join(&mut wire).await?;
                }
                "reconnect" => {
                    let now = Instant::now();
                    self.tally
                        .told
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(now);
                    if frame["reason"] == "rebalance" {
                        self.moved = Some(now);
                    }
                    return Ok(Duration::from_millis(
                        frame["after_ms"].as_u64().unwrap_or(0),
                    ));
                }
                _ => {}
            }
            let at = self.position.as_ref().map_or(0, |(_, seq)| *seq);
            if !*is_online && goal.is_some_and(|goal| at >= goal) {
                self.online(is_online);
            }
        }
    }

    fn online(&self, is_online: &mut bool) {
        *is_online = true;
        self.tally.online.fetch_add(1, Ordering::Relaxed);
    }

    async fn join(&self, wire: &mut Wire) -> Result<()> {
        let Some(room) = &self.place.room else {
            return Ok(());
        };
        let mut frame = json!({"type": "join", "room": room});
        if let Some((epoch, seq)) = &self.position {
            frame["after"] = json!({"epoch": epoch, "seq": seq});
            frame["limit"] = json!(1_000);
        }
        wire.ask(frame).await.map(drop)
    }

    fn shown(&mut self, frame: &Value) {
        let seq = frame["seq"].as_u64().unwrap_or(0);
        let before = self.position.as_ref().map_or(0, |(_, seq)| *seq);
        self.tally.shown.fetch_add(1, Ordering::Relaxed);
        if seq <= before {
            self.tally.doubled.fetch_add(1, Ordering::Relaxed);
        } else if let Ok(missing) = usize::try_from(seq - before - 1) {
            self.tally.lost.fetch_add(missing, Ordering::Relaxed);
        }
        self.position = Some((frame["epoch"].clone(), seq));
    }
}
