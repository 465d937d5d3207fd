//! The arguments of the larger subcommands.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use humantime::parse_duration;
use madang::tools::bench::account::Process;
use madang::tools::bench::dialect::Dialect;
use madang::tools::bench::pace::Arrivals;
use madang::tools::{bench, soak};

/// The arguments of `madang soak`.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// Where its pages are.
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    url: String,
    /// People who talk, each with a session.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    talkers: u16,
    /// Rooms that they share.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    rooms: u16,
    /// Time between two messages of one of them, such as `500ms`.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    every: Duration,
    /// For how long, such as `10m`; without it, until a signal to stop.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    time: Option<Duration>,
}

/// The arguments of `madang bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Where the pages of its nodes are; can be given many times, and members of a room alternate over them.
    #[arg(
        long = "url",
        value_name = "URL",
        default_value = "http://localhost:8080"
    )]
    urls: Vec<String>,
    /// Whose protocol is spoken: madang, centrifuge, socketio or plain.
    #[arg(long, value_name = "NAME", default_value = "madang")]
    protocol: Dialect,
    /// Rooms.
    #[arg(long, value_name = "N", default_value_t = 10)]
    rooms: u32,
    /// Sessions in each room.
    #[arg(long, value_name = "N", default_value_t = 10)]
    members: u32,
    /// Messages per second over all rooms, whatever the answers do; without it and `--window`, all is idle.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Instead of a rate: each sender keeps so many unanswered messages under way.
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    /// The gaps of a rate: poisson, as many people make them, or even.
    #[arg(long, value_name = "KIND", default_value = "poisson")]
    arrivals: Arrivals,
    /// Members of each room that send; without it, all.
    #[arg(long, value_name = "N")]
    senders: Option<u32>,
    /// Bytes of the text of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    payload: usize,
    /// Sessions opened per second.
    #[arg(long, value_name = "N", default_value_t = 1000.0)]
    ramp: f64,
    /// Silence after the last session was opened.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    settle: Duration,
    /// Silence after that, at whose end memory is read.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    hold: Duration,
    /// Traffic before what is measured.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    warmup: Duration,
    /// For how long is measured.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    time: Duration,
    /// How long what is under way may take to arrive at the end.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    drain: Duration,
    /// Silence after traffic, at whose end memory is read again.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    cool: Duration,
    /// After traffic, all sessions are cut at once and come back over this time, each from its position.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    storm: Option<Duration>,
    /// Percentage of sessions that do not read while is measured.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    slow: f64,
    /// A process whose time and memory are accounted for; can be given many times.
    #[arg(long = "pid", value_name = "[NAME=]PID")]
    processes: Vec<Process>,
    /// Threads that drive sessions; rooms are shared out over them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: u32,
    /// Decides the arrivals; without it, random.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where the report goes as JSON; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where a plot of the latencies goes, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Tells no progress.
    #[arg(long)]
    quiet: bool,
    /// What the run is called in report and plot.
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
}

impl From<Soak> for soak::Options {
    fn from(arguments: Soak) -> Self {
        Self {
            url: arguments.url,
            talkers: arguments.talkers.into(),
            rooms: arguments.rooms.into(),
            every: arguments.every,
            time: arguments.time,
        }
    }
}

impl From<Bench> for bench::Options {
    fn from(arguments: Bench) -> Self {
        Self {
            urls: arguments.urls,
            dialect: arguments.protocol,
            rooms: arguments.rooms,
            members: arguments.members,
            rate: arguments.rate,
            window: arguments.window,
            arrivals: arguments.arrivals,
            senders: arguments.senders,
            payload: arguments.payload,
            ramp: arguments.ramp,
            settle: arguments.settle,
            warmup: arguments.warmup,
            time: arguments.time,
            drain: arguments.drain,
            hold: arguments.hold,
            cool: arguments.cool,
            storm: arguments.storm,
            slow: arguments.slow,
            processes: arguments.processes,
            threads: arguments.threads,
            seed: arguments.seed,
            json: arguments.json,
            plot: arguments.plot,
            is_quiet: arguments.quiet,
            label: arguments.label,
        }
    }
}
