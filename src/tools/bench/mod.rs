//! `madang bench`: many sessions against any madang, or another chat server, and what it costs and loses.
//!
//! An open loop: each message has a time at which it is due, whatever the server does, and its latency runs from then.
//! Every delivery is judged: lost, doubled, reordered. What the bench itself costs is told beside it, and makes a run
//! void that measured the bench rather than the server. See `docs/bench.md`.

pub mod account;
pub mod dialect;
mod hand;
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

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use account::Process;
use dialect::Dialect;
use pace::Arrivals;
use plan::Plan;
pub use report::Measured;

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

impl Default for Options {
    /// A hundred sessions in ten rooms of the node on this machine, idle.
    fn default() -> Self {
        Self {
            urls: vec!["http://localhost:8080".to_owned()],
            dialect: Dialect::Madang,
            rooms: 10,
            members: 10,
            rate: None,
            window: None,
            arrivals: Arrivals::Poisson,
            senders: None,
            payload: 128,
            ramp: 1_000.0,
            settle: Duration::from_secs(2),
            warmup: Duration::from_secs(3),
            time: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            hold: Duration::ZERO,
            cool: Duration::ZERO,
            storm: None,
            slow: 0.0,
            processes: Vec::new(),
            threads: 1,
            seed: None,
            json: None,
            plot: None,
            is_quiet: false,
            label: String::new(),
        }
    }
}

/// Runs it.
///
/// # Errors
/// Options that cannot be used, a target where no session can be opened, or a system that does not tell what is asked.
pub fn measure(options: Options) -> Result<Measured, String> {
    let plan = Plan::new(options)?;
    let outcome = run::run(&plan)?;
    Ok(Measured::new(&plan, outcome))
}

/// Runs it, prints the table, and writes what is asked for.
///
/// # Errors
/// As [`measure`], a file that cannot be written, or what went wrong: sessions that failed, deliveries that were lost,
/// doubled or reordered.
pub fn run(options: Options) -> Result<(), String> {
    let (json, plot) = (options.json.clone(), options.plot.clone());
    let measured = measure(options)?;
    let is_standard_output = json.as_deref() == Some(Path::new("-"));
    if let Some(path) = json.filter(|_| !is_standard_output) {
        write(&path, &(measured.json() + "\n"))?;
    }
    if let Some(path) = plot {
        write(&path, &measured.plot())?;
    }
    // Whoever reads it may be gone; the verdict still counts.
    let _ = if is_standard_output {
        eprint!("{}", measured.table());
        writeln!(std::io::stdout(), "{}", measured.json())
    } else {
        write!(std::io::stdout(), "{}", measured.table())
    };
    measured.verdict()
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
