//! The program as a process of its own.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PATIENCE, eventually};

/// Returns the program with only these variables, listening on free ports unless they say otherwise.
fn madang(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    command.args(arguments).env_clear();
    command
        .env("MADANG_SERVER__LISTEN", "127.0.0.1:0")
        .env("MADANG_SERVER__INTERNAL_LISTEN", "127.0.0.1:0");
    command.env("MADANG_LOG__FORMAT", "json");
    command.envs(variables.iter().copied());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    madang(arguments, variables).output().unwrap()
}

/// Returns what it said on standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A running program and its log.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts the program and waits until it serves.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let errors = log.try_clone().unwrap();
        let child = madang(&[], variables)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .spawn()
            .unwrap();
        let running = Self { child, folder };
        eventually("the program serves", || async {
            running.log().contains("madang serves")
        })
        .await;
        running
    }

    /// Returns what it has written so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(Path::new(self.folder.path()).join("log")).unwrap()
    }

    /// Returns a field of the line that tells that it serves.
    pub(crate) fn value(&self, field: &str) -> String {
        let log = self.log();
        let line = log
            .lines()
            .find(|line| line.contains("madang serves"))
            .unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line[field].as_str().unwrap().to_owned()
    }

    /// Asks the internal listener; returns status and body.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.value("internal_address"))
            .await
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Returns true if it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        self.ask("/readyz").await.0 == 200
    }

    /// Returns a line of the metrics, without the name that it begins with.
    pub(crate) async fn metric(&self, name: &str) -> Option<String> {
        let (_, page) = self.ask("/metrics").await;
        let mut lines = page.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args([&format!("-{signal}"), &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends a signal and returns the exit code.
    pub(crate) async fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "still running after {PATIENCE:?}: {}",
                self.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
