//! The order of boot and the exit codes.

mod arguments;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use madang::config::{Loaded, Settings, process_variables};
use madang::node::Node;
use madang::server::listen::raise_file_limit;
use madang::telemetry::logs;
use madang::tools::{bench, check, healthcheck, key, selftest, soak};
use tokio::signal::unix::{SignalKind, signal};

/// The settings cannot be used (sysexits.h: `EX_CONFIG`).
const BAD_SETTINGS: u8 = 78;
/// The node cannot start on this machine, or the asked-for check failed.
const FAILED: u8 = 1;

/// Chat for Kubernetes: a WebSocket server in front of Redis, or alone with everything in memory.
#[derive(Debug, Parser)]
#[command(version = madang::VERSION)]
struct Arguments {
    /// Settings file (TOML); variables such as `MADANG_REDIS__URL` come before what it says.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    WithSettings(WithSettings),
    /// Makes a key of the HTTP API: its entry for the file on standard output, the key on standard error.
    Key {
        /// Whose key it is: the name under which it speaks.
        name: String,
        /// What it may do: `read` or `publish`; can be given twice.
        #[arg(long = "right", value_name = "RIGHT", required = true)]
        rights: Vec<String>,
        /// Where: a room's name, or a pattern such as `deploy-*`; can be given many times.
        #[arg(long = "room", value_name = "ROOM", required = true)]
        rooms: Vec<String>,
    },
    /// Has two people talk through a fleet, and says what does not work.
    Selftest {
        /// Where its pages are.
        #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
        url: String,
        /// On how many nodes they must meet.
        #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
        nodes: u8,
        /// Seconds for which nodes may still be starting.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        patience: u16,
        /// What leads to the internal listeners of all nodes; their metrics are read too.
        #[arg(long, value_name = "HOST:PORT")]
        internal: Option<String>,
    },
    /// Keeps people talking through a fleet, and counts what is lost, doubled or reordered.
    Soak(arguments::Soak),
    /// Measures what many sessions cost and how fast they are served, and counts what is lost, doubled or reordered.
    Bench(Box<arguments::Bench>),
}

/// What needs the settings of a node.
#[derive(Debug, Subcommand)]
enum WithSettings {
    /// Serves; the default.
    Serve,
    /// Prints the settings in effect with their origin, the keys of the HTTP API, and what the configured Redis allows.
    Check,
    /// Asks the node of this machine whether it is ready; for images without a shell.
    Healthcheck {
        /// Asks only whether it is alive.
        #[arg(long)]
        live: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let command = match command {
        None => WithSettings::Serve,
        Some(Command::WithSettings(command)) => command,
        Some(Command::Key {
            name,
            rights,
            rooms,
        }) => return done(key::run(&name, &rights, &rooms)),
        Some(Command::Bench(arguments)) => return done(bench::run((*arguments).into())),
        Some(Command::Soak(arguments)) => {
            let options = soak::Options::from(arguments);
            return in_runtime(async { done(soak::run(&options).await) });
        }
        Some(Command::Selftest {
            url,
            nodes,
            patience,
            internal,
        }) => {
            let options = selftest::Options {
                url,
                nodes: nodes.into(),
                patience: Duration::from_secs(patience.into()),
                internal,
            };
            return in_runtime(async { done(selftest::run(&options).await) });
        }
    };
    let loaded = match Settings::load(config.as_deref(), process_variables()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    in_runtime(async {
        match command {
            WithSettings::Serve => serve(loaded).await,
            WithSettings::Check => done(check::run(&loaded).await),
            WithSettings::Healthcheck { live } => {
                let probe = if live {
                    healthcheck::Probe::Live
                } else {
                    healthcheck::Probe::Ready
                };
                done(healthcheck::run(loaded.settings.server.internal_listen, probe).await)
            }
        }
    })
}

/// Runs something to its end on threads of its own.
fn in_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("the system gives no threads: {error}");
            ExitCode::from(FAILED)
        }
    }
}

async fn serve(loaded: Loaded) -> ExitCode {
    let settings = loaded.settings;
    if let Err(error) = logs::init(settings.log.format, &settings.log.filter) {
        eprintln!("log.filter (MADANG_LOG__FILTER): {error}");
        return ExitCode::from(BAD_SETTINGS);
    }
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        eprintln!("the system gives no signals");
        return ExitCode::from(FAILED);
    };
    if let Err(error) = raise_file_limit() {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
    let node = match Node::start(settings).await {
        Ok(node) => node,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(FAILED);
        }
    };
    // Whoever presses Ctrl-C has no load balancer that must catch up first, nor other nodes to be spared.
    let is_withdrawn = tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => false,
    };
    tokio::select! {
        () = leave(node, is_withdrawn) => ExitCode::SUCCESS,
        _ = terminate.recv() => second_signal(),
        _ = interrupt.recv() => second_signal(),
    }
}

async fn leave(node: Node, is_withdrawn: bool) {
    if is_withdrawn {
        node.withdraw().await;
        node.drain().await;
    }
    node.stop().await;
}

fn second_signal() -> ExitCode {
    tracing::warn!("second signal: exiting at once");
    ExitCode::from(FAILED)
}

fn done(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::from(FAILED)
        }
    }
}
