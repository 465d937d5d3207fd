//! A redis-server of a test's own.
//!
//! It listens on a free loopback port, keeps its files in a directory that goes with it, and dies with the value. It
//! can be stopped, continued, killed and started again where it was.
//!
//! With the variable `MADANG_TEST_REDIS`, a directory, it is configured by the files `redis.conf` and `users.acl` in
//! there, and nodes are the user `madang` with the password in the file `password`. So the chart's tests run the suite
//! on the Redis that the chart renders, with no right but those of its chat user.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::PATIENCE;

/// How long one attempt to reach a server may take.
const ATTEMPT: Duration = Duration::from_millis(500);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct RedisOptions {
    /// Whether every write is on disk before it is answered, so that a killed server loses nothing.
    pub(crate) is_durable: bool,
    /// Password of the default user.
    pub(crate) password: Option<String>,
    /// More arguments, such as `--maxmemory` and its value.
    pub(crate) arguments: Vec<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct RedisServer {
    child: Child,
    directory: TempDir,
    options: RedisOptions,
    port: u16,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk and has no password.
    pub(crate) async fn start() -> Self {
        Self::start_with(RedisOptions::default()).await
    }

    /// Starts a server.
    pub(crate) async fn start_with(options: RedisOptions) -> Self {
        // Another process may take the port between asking for it and using it.
        for _ in 0..10 {
            let port = free_port();
            let directory = TempDir::with_prefix("madang-redis-").expect("a directory can be made");
            let child = spawn(port, &directory, &options);
            let mut server = Self {
                child,
                directory,
                options: options.clone(),
                port,
            };
            if server.answers_in_time().await {
                return server;
            }
        }
        panic!("redis-server ends at once on ten free ports: run it by hand to see why");
    }

    /// Returns the value of the setting `redis.url` for this server, with the password if it has one.
    pub(crate) fn url(&self) -> String {
        match configured(&self.options) {
            Some(files) => {
                let password = std::fs::read_to_string(files.join("password"))
                    .expect("a configured Redis has a password");
                let password = encoded(password.trim());
                format!("redis://madang:{password}@127.0.0.1:{}", self.port)
            }
            None => self.own_url(),
        }
    }

    /// Returns the address at which a test may do everything.
    pub(crate) fn own_url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{}@127.0.0.1:{}", encoded(password), self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// Freezes the server: it takes what is sent and answers nothing.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen server go on, with what it was sent meanwhile.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Kills the server as a crash of its machine does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts a killed server again, on the same port and with the same files; waits until it answers.
    pub(crate) async fn restart(&mut self) {
        let begun = Instant::now();
        // The kernel may need a moment to give the port back.
        while begun.elapsed() < PATIENCE {
            self.child = spawn(self.port, &self.directory, &self.options);
            if self.answers_in_time().await {
                return;
            }
        }
        panic!("redis-server did not come back on port {}", self.port);
    }

    /// Opens a connection of the test's own.
    pub(crate) async fn open(&self) -> RedisResult<MultiplexedConnection> {
        redis::Client::open(self.own_url())?
            .get_multiplexed_async_connection()
            .await
    }

    /// Runs a command, such as `["DEL", key]`.
    pub(crate) async fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        self.run_command(&command).await
    }

    /// Runs a command whose arguments may be any bytes.
    pub(crate) async fn run_command<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let mut connection = self.open().await.expect("the server takes connections");
        let answer = command.query_async(&mut connection).await;
        answer
            .unwrap_or_else(|error| panic!("redis-server refuses {:?}: {error}", words_of(command)))
    }

    fn signal(&self, name: &str) {
        let (name, process) = (format!("-{name}"), self.child.id().to_string());
        let status = Command::new("kill").args([&name, &process]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill {name} {process} failed"
        );
    }

    /// Waits until this very process answers; returns `false` if it ends instead.
    async fn answers_in_time(&mut self) -> bool {
        let begun = Instant::now();
        let own = format!("process_id:{}\r", self.child.id());
        while begun.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return false;
            }
            if let Ok(Ok(info)) = tokio::time::timeout(ATTEMPT, self.info()).await
                && info.contains(&own)
                && info.contains("loading:0")
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("redis-server on port {} does not answer", self.port);
    }

    async fn info(&self) -> RedisResult<String> {
        redis::cmd("INFO")
            .query_async(&mut self.open().await?)
            .await
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes a password as it stands in a URL.
fn encoded(password: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    password.bytes().map(byte).collect()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}

/// Returns where the files are that configure the server, unless it has a password of the test's own.
fn configured(options: &RedisOptions) -> Option<PathBuf> {
    let directory = std::env::var_os("MADANG_TEST_REDIS")?;
    options.password.is_none().then(|| directory.into())
}

fn spawn(port: u16, directory: &TempDir, options: &RedisOptions) -> Child {
    let mut command = Command::new("redis-server");
    if let Some(files) = configured(options) {
        command.arg(files.join("redis.conf"));
        command.args([OsString::from("--aclfile"), files.join("users.acl").into()]);
        command.args(["--appendonly", "no"]);
    }
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--save",
        "",
    ]);
    command.args([OsString::from("--dir"), directory.path().into()]);
    if options.is_durable {
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    }
    if let Some(password) = &options.password {
        command.args(["--requirepass", password]);
    }
    command
        .args(&options.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!(
                "redis-server is not installed: the integration tests need it, `make setup` installs it"
            )
        }
        Err(error) => panic!("redis-server cannot be started: {error}"),
    }
}

fn words_of(command: &Cmd) -> Vec<String> {
    let words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => "cursor".to_owned(),
    });
    words.collect()
}
