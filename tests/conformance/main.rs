//! WebSocket conformance of the codec: every case of the Autobahn suite but compression.
//!
//! A test-only echo on the session's own codec and handshake, its size limit raised, is driven by `kosoku`, a Python
//! package with the suite's cases. All must pass, and none may pass only loosely but the two that `report` names.
//! It needs `python3` (3.10 or later) and, the first time, the package registry; everything it makes stays below the
//! target directory.

mod echo;
mod report;
mod suite;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use tokio::net::TcpListener;

use report::Report;

/// Runs without the test harness, but obeys its filter: `cargo test hub` does not start the suite.
fn main() -> ExitCode {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !"conformance".contains(&filter)) {
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(report) => {
            for failure in &report.failures {
                println!("{failure}");
            }
            println!("{} passed, {} failed", report.passed, report.failures.len());
            if report.failures.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            println!("the conformance suite did not run: {error:#}");
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run() -> Result<Report> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let program = suite::install(&directory).await?;
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("no free port on 127.0.0.1")?;
    let address = listener.local_addr()?;
    let echo = tokio::spawn(echo::serve(listener));
    let outcome = suite::run(&program, address, &directory).await;
    echo.abort();
    report::read(&outcome?)
}
