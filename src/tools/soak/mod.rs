//! `madang soak`: people who keep talking through a fleet, from outside, while something is done to it.
//!
//! Each talker has one session in one room, sends with keys, resumes from its position after a cut and sends again
//! what was not answered, by the rules of `docs/protocol.md`. Every second a line of JSON on standard output says what
//! was counted so far. At the end nothing new is said, what is under way may arrive, and the exit code tells whether
//! everything that was accepted was shown once and in order.

mod ledger;
mod talker;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::protocol::Key;
use crate::tools::dial::address;
use ledger::{Counts, Ledger};
use talker::{Shared, Talker};

/// Time between two lines.
const TICK: Duration = Duration::from_secs(1);
/// A message that is not everywhere after so many ticks is overdue.
const OVERDUE: u64 = 3;
/// Time in which what is under way may arrive at the end.
const SETTLING: Duration = Duration::from_secs(30);
/// The shortest time between two messages of a talker: a node takes ten per second of a session.
const FASTEST: Duration = Duration::from_millis(10);

/// What is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where sessions are opened: `http://chat:8080`.
    pub url: String,
    /// Sessions, from 1.
    pub talkers: usize,
    /// Rooms that they share, from 1; each has as many talkers as the others, or one more.
    pub rooms: usize,
    /// Time between two messages of a talker, from 10 ms.
    pub every: Duration,
    /// For how long; `None` is until SIGTERM or SIGINT.
    pub time: Option<Duration>,
}

/// A line of the report: what was counted since the beginning, and what is now.
#[derive(Debug, Serialize)]
struct Line {
    seconds: u64,
    talkers: usize,
    /// Sessions open now.
    online: u64,
    #[serde(flatten)]
    counts: Counts,
    /// Messages made 3 s ago or earlier that are not yet answered and shown by every member.
    overdue: usize,
    /// Sessions opened after the first one of each talker.
    reconnects: u64,
    /// Requests that were answered with: later.
    postponed: u64,
    /// What the session that ended last ended with.
    #[serde(skip_serializing_if = "String::is_empty")]
    last_end: String,
}

impl Line {
    fn is_whole(&self) -> bool {
        self.overdue == 0 && self.counts.sends == self.counts.accepted
    }
}

/// Talks until the time is over or a signal comes.
///
/// # Errors
/// Options that cannot be used, or what was lost, doubled, reordered, made up or never arrived, in one sentence.
pub async fn run(options: &Options) -> Result<(), String> {
    address(&options.url)?;
    if options.talkers == 0 || options.rooms == 0 || options.rooms > options.talkers {
        return Err(format!(
            "{} talkers cannot fill {} rooms: each room needs one at least",
            options.talkers, options.rooms
        ));
    }
    if options.every < FASTEST {
        return Err("the time between two messages must be 10ms or longer".to_owned());
    }
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return Err("the system gives no signals".to_owned());
    };
    let started = Instant::now();
    let (shared, talkers) = start(options);
    let end = async {
        match options.time {
            Some(time) => sleep_until(started + time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = end => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = tell(started, options, &shared, |_| false) => {}
    }
    shared.is_quiet.store(true, Ordering::Relaxed);
    let settled = tell(started, options, &shared, Line::is_whole);
    let is_settled = tokio::time::timeout(SETTLING, settled).await.is_ok();
    drop(talkers);
    verdict(&shared.ledger().counts(), is_settled)
}

fn start(options: &Options) -> (Arc<Shared>, JoinSet<()>) {
    let (shared, room_of) = shared(options);
    // In the spelling that nodes give it back in.
    let name = format!("soak {}", Key::random()).to_lowercase();
    let mut talkers = JoinSet::new();
    for (who, room) in room_of.into_iter().enumerate() {
        talkers.spawn(Talker::new(who, format!("{name} {room}"), Arc::clone(&shared)).run());
    }
    (shared, talkers)
}

/// Returns what the talkers share, and the room of each.
fn shared(options: &Options) -> (Arc<Shared>, Vec<usize>) {
    let room_of: Vec<usize> = (0..options.talkers)
        .map(|who| who % options.rooms)
        .collect();
    let shared = Arc::new(Shared {
        url: options.url.clone(),
        every: options.every,
        ledger: Mutex::new(Ledger::new(room_of.clone())),
        is_quiet: AtomicBool::new(false),
        reconnects: AtomicU64::new(0),
        postponed: AtomicU64::new(0),
        online: AtomicU64::new(0),
        last_end: Mutex::default(),
    });
    (shared, room_of)
}

/// Prints a line each second until one is the last.
async fn tell(
    started: Instant,
    options: &Options,
    shared: &Shared,
    is_last: impl Fn(&Line) -> bool,
) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (counts, overdue) = {
            let mut ledger = shared.ledger();
            ledger.tick();
            (ledger.counts(), ledger.overdue(OVERDUE))
        };
        let line = Line {
            seconds: started.elapsed().as_secs(),
            talkers: options.talkers,
            online: shared.online.load(Ordering::Relaxed),
            counts,
            overdue,
            reconnects: shared.reconnects.load(Ordering::Relaxed),
            postponed: shared.postponed.load(Ordering::Relaxed),
            last_end: shared
                .last_end
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        };
        let text = serde_json::to_string(&line).expect("numbers and a text are JSON");
        // Whoever read the lines may be gone; the verdict still counts.
        let _ = writeln!(std::io::stdout(), "{text}");
        if is_last(&line) {
            return;
        }
    }
}

fn verdict(counts: &Counts, is_settled: bool) -> Result<(), String> {
    if !counts.is_good() {
        return Err(format!(
            "of {} accepted messages {} were lost, {} doubled, {} reordered and {} made up",
            counts.accepted, counts.lost, counts.doubled, counts.reordered, counts.phantom
        ));
    }
    if !is_settled {
        return Err(format!(
            "{} s after the last message not all of {} are answered and shown",
            SETTLING.as_secs(),
            counts.sends
        ));
    }
    Ok(())
}
