//! One redis-server or sentinel with its ports.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, FromRedisValue, RedisResult, Value};

use super::process::{Process, free_port};
use super::{Authority, LOOK, PATIENCE};

/// How long the test waits for one answer.
const ATTEMPT: Duration = Duration::from_millis(500);

/// A running server. All methods block for some milliseconds; a server that does not answer costs half a second.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) process: Process,
    /// The plain port, over which the test itself speaks.
    pub(crate) port: u16,
    /// The port that nodes use: the one with TLS if there is one.
    pub(crate) node_port: u16,
    /// Port of the cluster bus, if it is a member of a cluster.
    pub(super) bus_port: u16,
    /// Password of the default user.
    pub(super) password: Option<String>,
    is_sentinel: bool,
}

/// How a server is to be started.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) authority: Option<&'a Authority>,
    pub(super) password: Option<&'a str>,
    /// Lines of its configuration file.
    pub(super) lines: Vec<String>,
    pub(super) is_sentinel: bool,
    pub(super) is_cluster: bool,
}

impl Server {
    /// Starts a server with its files in a new directory below `parent`.
    pub(super) async fn start(parent: &Path, plan: &Plan<'_>) -> Self {
        // Another process may take a port between asking for it and using it.
        for _ in 0..10 {
            let (port, tls_port, bus_port) = (free_port(), free_port(), free_port());
            let directory = parent.join(port.to_string());
            std::fs::create_dir_all(&directory).expect("a directory can be made");
            let file = write(&directory, plan, [port, tls_port, bus_port]);
            let mut arguments = vec![file];
            if plan.is_sentinel {
                arguments.push("--sentinel".to_owned());
            }
            let mut server = Self {
                process: Process::start("redis-server", arguments, directory),
                port,
                node_port: plan.authority.map_or(port, |_| tls_port),
                bus_port,
                password: plan.password.map(str::to_owned),
                is_sentinel: plan.is_sentinel,
            };
            if server.answers_in_time().await {
                return server;
            }
        }
        panic!("redis-server ends at once on ten free ports: run it by hand to see why");
    }

    /// Kills it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Freezes it: it takes what is sent and answers nothing.
    pub(crate) fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on after a pause, with what it was sent meanwhile.
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Starts it again after a kill, with its ports and files, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            self.process.restart();
            if self.answers_in_time().await {
                return;
            }
        }
        panic!("redis-server did not come back on port {}", self.port);
    }

    /// Opens a connection of the test's own, as the default user.
    pub(crate) fn open(&self) -> RedisResult<Connection> {
        let url = match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        };
        let connection = redis::Client::open(url)?.get_connection_with_timeout(ATTEMPT)?;
        connection.set_read_timeout(Some(ATTEMPT))?;
        Ok(connection)
    }

    /// Runs a command, such as `["DEL", key]`.
    pub(crate) fn try_run<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut self.open()?)
    }

    /// Runs a command that must succeed.
    pub(crate) fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).unwrap_or_else(|error| {
            panic!(
                "the server at port {} refuses {words:?}: {error}",
                self.port
            )
        })
    }

    /// Runs a command whose answer does not matter, but must be none of an error.
    pub(crate) fn tell(&self, words: &[&str]) {
        self.run::<Value>(words);
    }

    /// Returns a field of `INFO`; empty if there is none or the server does not answer.
    pub(crate) fn info(&self, field: &str) -> String {
        let all: String = self.try_run(&["INFO"]).unwrap_or_default();
        let field = all
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        field.unwrap_or_default().trim().to_owned()
    }

    /// Returns true if it answers and says that it is a master.
    pub(crate) fn is_master(&self) -> bool {
        self.info("role") == "master"
    }

    /// Waits until this very process answers; returns false if it ends instead.
    async fn answers_in_time(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.process.has_ended() {
                return false;
            }
            if self.info("process_id") == self.process.id().to_string()
                && (self.is_sentinel || self.info("loading") == "0")
            {
                return true;
            }
            tokio::time::sleep(LOOK / 4).await;
        }
        panic!("redis-server on port {} does not answer", self.port);
    }
}

/// Writes the configuration file; returns its path.
fn write(directory: &Path, plan: &Plan<'_>, [port, tls_port, bus_port]: [u16; 3]) -> String {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("port {port}"),
        format!("dir {}", directory.display()),
    ];
    if let Some(authority) = plan.authority {
        lines.push(format!("tls-port {tls_port}"));
        lines.push("tls-replication yes".to_owned());
        lines.extend(authority.lines());
    }
    if plan.is_cluster {
        lines.push(format!("cluster-port {bus_port}"));
        if plan.authority.is_some() {
            lines.push("tls-cluster yes".to_owned());
        }
    }
    if let Some(password) = plan.password {
        lines.push(format!("requirepass {password}"));
    }
    if !plan.is_sentinel {
        lines.extend(
            ["save \"\"", "repl-diskless-sync-delay 0", "repl-timeout 5"].map(str::to_owned),
        );
    }
    lines.extend(plan.lines.iter().cloned());
    let path: PathBuf = directory.join("redis.conf");
    std::fs::write(&path, lines.join("\n") + "\n").expect("a file can be written");
    path.display().to_string()
}
