//! A node as a process of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a node may take to serve, and to end after everything it waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer of the internal listener may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A variable and its value.
pub(crate) type Variable = (String, String);

/// A running node, its log and where it listens.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) internal: SocketAddr,
}

/// Returns the program with only these variables.
fn program(variables: &[Variable]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    command.env_clear();
    command.envs(variables.iter().cloned());
    command
}

/// Runs a subcommand to its end.
pub(crate) fn run(arguments: &[&str], variables: &[Variable]) -> Result<Output> {
    program(variables)
        .args(arguments)
        .output()
        .context("the program cannot be run")
}

impl Process {
    /// Starts a node on free ports and waits until it serves.
    pub(crate) async fn start(variables: &[Variable]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = File::create(folder.path().join("log"))?;
        let mut child = program(&[])
            .env("MADANG_SERVER__LISTEN", "127.0.0.1:0")
            .env("MADANG_SERVER__INTERNAL_LISTEN", "127.0.0.1:0")
            .env("MADANG_LOG__FORMAT", "json")
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the program cannot be started")?;
        let begun = Instant::now();
        let line = loop {
            let text = read_log(folder.path());
            if let Some(line) = text.lines().find(|line| line.contains("madang serves")) {
                break serde_json::from_str::<Value>(line)?;
            }
            if let Some(status) = child.try_wait()? {
                bail!("a node ended at once with {status}: {text}");
            }
            if begun.elapsed() > PATIENCE {
                let _ended = child.kill();
                bail!("a node does not serve after {PATIENCE:?}: {text}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let field = |name: &str| line[name].as_str().unwrap_or_default().parse();
        let (address, internal) = (field("address")?, field("internal_address")?);
        Ok(Self {
            child,
            folder,
            address,
            internal,
        })
    }

    /// Returns what it has written so far.
    pub(crate) fn log(&self) -> String {
        read_log(self.folder.path())
    }

    /// Returns the most memory that it ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path)?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
            .with_context(|| format!("no VmHWM in {path}"))?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()?;
        anyhow::ensure!(status.success(), "kill -{name} {} failed", self.child.id());
        Ok(())
    }

    /// Kills it as a crash of its machine does.
    pub(crate) fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Returns true while it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop, and waits for the exit code.
    pub(crate) async fn stop(&mut self) -> Result<Option<i32>> {
        self.signal("TERM")?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "a node still runs {PATIENCE:?} after SIGTERM: {}",
                    self.log()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns a number of its metrics, by name and labels as they stand there.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let (_, page) = ask(self.internal, "/metrics").await?;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line
            .with_context(|| format!("there is no metric {name}"))?
            .trim()
            .parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Who looks for the cause of a fault wants the logs, which go with the value otherwise.
        if let Some(folder) = std::env::var_os("MADANG_FAULTS_LOGS") {
            let name = format!("node-{}.log", self.address.port());
            let _copied = std::fs::copy(
                self.folder.path().join("log"),
                Path::new(&folder).join(name),
            );
        }
    }
}

/// Asks an internal listener; returns status and body.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    let answer = timeout(ANSWER, exchange(address, &request))
        .await
        .context("no answer in time")??;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// Sends a whole HTTP request and returns all that comes back.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn read_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
