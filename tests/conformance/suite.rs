//! The suite as a program: installed once, then run against an address.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{fs, process::Command, time::timeout};

/// Pinned: another release may have other cases and another report.
const PACKAGE: &str = "kosoku==0.1.0";
/// Compression, which the codec never negotiates.
const EXCLUDED: [&str; 2] = ["12.*", "13.*"];
/// Cases that run at once; those that wait for a time-out on purpose then do not add up.
const PARALLEL_CASES: &str = "4";
/// The suite takes seconds; one that takes minutes hangs.
const RUN_LIMIT: Duration = Duration::from_secs(300);

/// Returns the suite's program, made in a virtual environment below `directory` unless it is there.
pub(crate) async fn install(directory: &Path) -> Result<PathBuf> {
    let environment = directory.join(PACKAGE);
    let program = environment.join("bin/kosoku");
    // A directory that was moved or half made has the file, but it does not start.
    if finish(Command::new(&program).arg("--help"), "the suite")
        .await
        .is_ok()
    {
        return Ok(program);
    }
    println!(
        "installing {PACKAGE} from the Python package index into {}",
        environment.display()
    );
    fs::create_dir_all(directory).await?;
    finish(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
        "python3 -m venv (Python 3.10 or later is needed)",
    )
    .await?;
    finish(
        Command::new(environment.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            PACKAGE,
        ]),
        "pip install",
    )
    .await?;
    Ok(program)
}

/// Runs all cases against `address`; returns the path of the JSON report.
pub(crate) async fn run(program: &Path, address: SocketAddr, directory: &Path) -> Result<PathBuf> {
    let reports = directory.join("reports");
    let log = directory.join("suite.log");
    // An old report must not pass for one of this run.
    if reports.exists() {
        fs::remove_dir_all(&reports).await?;
    }
    let output = std::fs::File::create(&log)?;
    let mut command = Command::new(program);
    command
        .args(["-m", "fuzzingclient", "-p", PARALLEL_CASES])
        .args(EXCLUDED.iter().flat_map(|cases| ["-x", cases]))
        .arg("-o")
        .arg(&reports)
        .arg(address.to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    // Its exit code only says that some case failed; the report says which.
    timeout(RUN_LIMIT, command.status())
        .await
        .with_context(|| format!("no end after {RUN_LIMIT:?}; see {}", log.display()))?
        .context("the suite does not start")?;
    let report = reports.join("index.json");
    ensure!(
        report.exists(),
        "no report was written; see {}",
        log.display()
    );
    Ok(report)
}

/// Runs a command to its end; errs with what it printed if it fails.
async fn finish(command: &mut Command, what: &str) -> Result<()> {
    let output = command
        .output()
        .await
        .with_context(|| format!("{what} does not start"))?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed: {}", printed.trim());
    Ok(())
}
