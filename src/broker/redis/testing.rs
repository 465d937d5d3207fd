//! A redis-server of a test's own.
//!
//! It listens on a free loopback port, keeps its files in a directory that goes with it, and dies with the value.

#[path = "../../../tests/support/topology/mod.rs"]
pub(crate) mod topology;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Value, cmd};
use tempfile::TempDir;

use super::link::Link;
use super::options::Options;
use crate::config::{Redis, RedisUrl, ServerAddress, Topology};
use crate::telemetry::Metrics;

/// How long something that must happen may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running redis-server.
pub(crate) struct RedisServer {
    child: Child,
    directory: TempDir,
    arguments: Vec<String>,
    pub(crate) port: u16,
}

impl RedisServer {
    /// Starts a server without persistence.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments, such as `["--appendonly", "yes"]`.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        // Another process may take the port between asking for it and using it.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let directory = TempDir::new().unwrap();
            let child = spawn(port, &directory, &arguments);
            let mut server = Self {
                child,
                directory,
                arguments: arguments.clone(),
                port,
            };
            if server.wait_until_it_answers() {
                return server;
            }
        }
        panic!("no redis-server could be started");
    }

    /// Kills the server as a crash does and starts it again on the same port with its files.
    pub(crate) fn crash_and_restart(&mut self) {
        self.crash();
        self.restart();
    }

    /// Kills the server as a crash does.
    pub(crate) fn crash(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a crashed server again.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.directory, &self.arguments);
        assert!(
            self.wait_until_it_answers(),
            "redis-server did not come back"
        );
    }

    /// Sends a signal such as `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Runs a command as the default user.
    pub(crate) fn run(&self, words: &[&str]) -> Value {
        self.try_run(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Runs a command with arguments of any bytes.
    pub(crate) fn run_bytes(&self, words: &[&[u8]]) -> Value {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut self.connection()).unwrap()
    }

    /// Runs a command as the default user, which may fail.
    pub(crate) fn try_run(&self, words: &[&str]) -> redis::RedisResult<Value> {
        let mut command = cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut self.connection())
    }

    /// Returns the answer of a command as text.
    pub(crate) fn text(&self, words: &[&str]) -> String {
        redis::from_redis_value(self.run(words)).unwrap()
    }

    /// Opens a wire of the test's own.
    pub(crate) fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(("127.0.0.1", self.port)).unwrap();
        client.get_connection_with_timeout(PATIENCE).unwrap()
    }

    /// Returns the section `redis` of the settings for this server.
    pub(crate) fn settings(&self) -> Redis {
        let url = RedisUrl {
            topology: Topology::Standalone,
            tls: false,
            servers: vec![ServerAddress {
                host: "127.0.0.1".to_owned(),
                port: self.port,
            }],
            db: 0,
            username: None,
            password: None,
        };
        Redis {
            url: Some(url),
            username: None,
            password_file: None,
            ca_file: None,
            prefix: "madang".to_owned(),
            sentinel_username: None,
            sentinel_password_file: None,
            acks: None,
            probes_per_second: 5000,
            pool_size: 4,
        }
    }

    /// Returns options for this server with the default limits.
    pub(crate) fn options(&self) -> Options {
        Options {
            redis: self.settings(),
            history_entries: 1000,
            history_keep: Duration::from_secs(24 * 3600),
            dedupe_window: Duration::from_secs(300),
            send_timeout: Duration::from_secs(3),
            publish_queue: 10_000,
            publish_interval: Duration::from_millis(1),
            lease: Duration::from_secs(10),
            debounce: Duration::from_secs(3),
        }
    }

    /// Returns the way to this server.
    pub(crate) fn link(&self) -> Arc<Link> {
        Link::new(&self.options(), Arc::new(Metrics::new())).unwrap()
    }

    fn wait_until_it_answers(&mut self) -> bool {
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // Its own process id tells it from a stranger on the same port.
            let own = format!("process_id:{}\r", self.child.id());
            if redis::Client::open(("127.0.0.1", self.port))
                .and_then(|client| client.get_connection_with_timeout(Duration::from_millis(200)))
                .and_then(|mut connection| {
                    cmd("INFO").arg("server").query::<String>(&mut connection)
                })
                .is_ok_and(|info| info.contains(&own))
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.crash();
    }
}

fn spawn(port: u16, directory: &TempDir, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .arg("--dir")
        .arg(directory.path())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server must be installed to run these tests")
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
