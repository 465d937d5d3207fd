//! Faults under traffic: several real nodes, a real Redis, a fault proxy on each way, and a checker that judges what
//! people saw.
//!
//! `make test-faults` runs the whole matrix, `make test-faults-smoke` a few rows of each group. By hand:
//! `cargo test --test faults -- --row killed --seed 7`; `--help` names the rest.
//!
//! Parts, in reading order: `checker/history` (what happened), `checker/verdict` (whether it keeps the promise),
//! `checker/broken` (whether the checker finds what it should), `rig/` (nodes, proxies, people), `rows/` (the faults),
//! `report`. How to add a row is in `README.md` beside this file.

mod checker;
mod report;
mod rig;
mod rows;
#[path = "../support/topology/mod.rs"]
mod topology;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use report::Run;
use rig::outcome::Outcome;
use rows::{GROUPS, Row};

/// Faults under traffic, judged by a checker.
#[derive(Debug, Parser)]
struct Options {
    /// Rows whose names hold this.
    #[arg(long, value_name = "NAME")]
    row: Option<String>,
    /// Rows of one group: redis, nodes, network, topologies or fleet.
    #[arg(long)]
    group: Option<String>,
    /// Only the rows that are fit for every change.
    #[arg(long)]
    smoke: bool,
    /// Reproduces the schedule of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Rows that are run at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: u32,
    /// Where to write everything that was counted and measured.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Names the rows and ends.
    #[arg(long)]
    list: bool,
    /// What `cargo test` hands to every test binary; without `--all` and without one of the options above, nothing runs.
    #[arg(hide = true)]
    filter: Vec<String>,
    /// Runs all rows.
    #[arg(long)]
    all: bool,
}

/// How long a row may take at most.
const LONGEST: Duration = Duration::from_secs(240);

impl Options {
    fn rows(&self) -> Result<Vec<Row>> {
        if let Some(group) = &self.group {
            ensure!(
                GROUPS.contains(&group.as_str()),
                "--group {group}: the groups are {}",
                GROUPS.join(", ")
            );
        }
        let is_chosen = |row: &Row| {
            self.row
                .as_ref()
                .is_none_or(|name| row.name.contains(name.as_str()))
                && self.group.as_ref().is_none_or(|group| row.group == group)
                && (!self.smoke || row.is_smoke)
        };
        let rows: Vec<Row> = rows::all().into_iter().filter(is_chosen).collect();
        ensure!(!rows.is_empty(), "no row is called so: --list names all");
        Ok(rows)
    }

    /// True if rows were asked for: `cargo test` by itself is for tests that take less.
    const fn is_asked(&self) -> bool {
        self.all || self.smoke || self.list || self.row.is_some() || self.group.is_some()
    }
}

/// Runs without the test harness.
fn main() -> ExitCode {
    let options = Options::parse();
    if !options.is_asked() {
        println!("faults: no row is asked for; `make test-faults` runs all");
        return ExitCode::SUCCESS;
    }
    // Some of what rows do to Redis blocks its thread for a while.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(6)
        .enable_all()
        .build();
    let end = runtime
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(run(&options)));
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("the matrix did not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool> {
    let rows = options.rows()?;
    if options.list {
        for row in rows {
            println!(
                "{:<10} {}{}",
                row.group,
                row.name,
                if row.is_smoke { " (smoke)" } else { "" }
            );
        }
        return Ok(true);
    }
    let begun = Instant::now();
    let missed = checker::broken::check()
        .await
        .context("the checker cannot be checked")?;
    for missed in &missed {
        println!("the checker does not find: {missed}");
    }
    let found = if missed.is_empty() {
        "finds all"
    } else {
        "does NOT find all"
    };
    println!(
        "the checker {found} that a broken broker does, after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("--seed {seed} reproduces the schedule\n{}", report::head());
    let order: Vec<&str> = rows.iter().map(|row| row.name).collect();
    let all = options.jobs.clamp(1, 16);
    let jobs = Arc::new(Semaphore::new(usize::try_from(all)?));
    let mut tasks = JoinSet::new();
    for row in rows.clone() {
        let jobs = Arc::clone(&jobs);
        tasks.spawn(async move {
            let part = if row.is_alone { all } else { 1 };
            let _job = jobs.acquire_many_owned(part).await;
            run_row(row, seed).await
        });
    }
    let mut runs = Vec::new();
    while let Some(run) = tasks.join_next().await {
        let run = run?;
        println!("{}", run.line());
        run.outcome
            .faults
            .iter()
            .for_each(|fault| println!("  {fault}"));
        runs.push(run);
    }
    runs.sort_by_key(|run| order.iter().position(|name| *name == run.name));
    println!(
        "\nseed {seed}, {:.0} s\n{}",
        begun.elapsed().as_secs_f64(),
        report::table(&runs)
    );
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", report::to_json(seed, &runs)))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let failed = runs.iter().filter(|run| !run.outcome.is_good()).count() + missed.len();
    println!(
        "{} passed, {failed} failed",
        runs.len() + missed.len() - failed
    );
    Ok(failed == 0)
}

/// Runs a row in a task of its own: one that panics is one that failed.
async fn run_row(row: Row, seed: u64) -> Run {
    let begun = Instant::now();
    let mut hasher = DefaultHasher::new();
    (seed, row.name).hash(&mut hasher);
    let mut task = tokio::spawn((row.run)(hasher.finish()));
    let end = match tokio::time::timeout(LONGEST, &mut task).await {
        Ok(Ok(end)) => end.map_err(|error| format!("{error:#}")),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_) => {
            task.abort();
            Err(format!("not over after {LONGEST:?}"))
        }
    };
    let outcome = end.unwrap_or_else(|fault| Outcome {
        faults: vec![fault],
        ..Outcome::default()
    });
    Run {
        group: row.group,
        name: row.name,
        outcome,
        took: begun.elapsed(),
    }
}
