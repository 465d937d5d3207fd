//! `madang bench`: many sessions against any madang, or another chat server, and what it costs and loses.
//!
//! An open loop: each message has a time at which it is due, whatever the server does, and its latency runs from then.
//! Every delivery is judged: lost, doubled, reordered. What the bench itself costs is told beside it, and makes a run
//! void that measured the bench rather than the server. See `docs/bench.md`.

pub mod account;
pub mod dialect;
mod ledger;
pub mod pace;
mod plan;
mod record;
mod report;
mod run;
mod session;
mod stamp;
mod thread;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use account::Process;
use dialect::Dialect;
use pace::Arrivals;
use plan::Plan;

/// What is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where sessions are opened, `http://host:port`; members of a room alternate over them.
    pub urls: Vec<String>,
    /// Whose protocol is spoken.
    pub dialect: Dialect,
    /// Rooms, from 1.
    pub rooms: u32,
    /// Sessions in each, from 1.
    pub members: u32,
    /// Messages per second over all rooms.
    pub rate: Option<f64>,
    /// Unanswered messages that each sender keeps under way; excludes `rate`.
    pub window: Option<u32>,
    /// The gaps between messages.
    pub arrivals: Arrivals,
    /// Members of each room that send; all if absent.
    pub senders: Option<u32>,
    /// Bytes of the text of a message.
    pub payload: usize,
    /// Sessions opened per second.
    pub ramp: f64,
    /// Silence after the last session was opened.
    pub settle: Duration,
    /// Traffic that is not measured, before what is.
    pub warmup: Duration,
    /// Traffic that is measured.
    pub time: Duration,
    /// The longest time in which what is under way may arrive.
    pub drain: Duration,
    /// Silence after which memory is read.
    pub hold: Duration,
    /// Silence after traffic, after which memory is read again.
    pub cool: Duration,
    /// Cuts all sessions, and lets them come back over this time.
    pub storm: Option<Duration>,
    /// Percentage of sessions that do not read while traffic is measured.
    pub slow: f64,
    /// Processes that are accounted for.
    pub processes: Vec<Process>,
    /// Threads that drive sessions, from 1.
    pub threads: u32,
    /// Decides the arrivals; random if absent.
    pub seed: Option<u64>,
    /// Where the report goes as JSON; `-` is standard output.
    pub json: Option<PathBuf>,
    /// Where the plot of latencies goes.
    pub plot: Option<PathBuf>,
    /// Tells no progress.
    pub is_quiet: bool,
    /// What the run is called.
    pub label: String,
}

/// Runs it, and reports.
///
/// # Errors
/// Options that cannot be used, or what went wrong: sessions that failed, messages lost, doubled or reordered.
pub fn run(options: Options) -> Result<(), String> {
    let plan = Plan::new(options)?;
    let outcome = run::run(&plan)?;
    report::report(&plan, &outcome)
}
