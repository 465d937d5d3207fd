//! The program itself: what it says of settings that cannot work, how it starts, and how it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::redis::{RedisOptions, RedisServer};
use crate::support::{PATIENCE, eventually};

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

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    madang(arguments, variables).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn all_faults_of_the_settings_are_told_at_once() {
    let variables = [
        ("MADANG_LIMITS__TEXT", "lots"),
        ("MADANG_REDIS__URL", "http://here"),
        ("MADANG_SERVER__LISTNE", ":80"),
    ];
    let output = run(&[], &variables);
    assert_eq!(output.status.code(), Some(78));
    let told = stderr(&output);
    for word in [
        "MADANG_LIMITS__TEXT",
        "lots",
        "redis.url",
        "redis://",
        "MADANG_SERVER__LISTNE",
        "MADANG_SERVER__LISTEN?",
    ] {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    let output = run(&["--config", "no/such/file.toml"], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("no/such/file.toml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_port_in_use_is_one_sentence_with_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    let address = address.to_string();
    let output = run(&[], &[("MADANG_SERVER__LISTEN", &address)]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("server.listen") && told.contains(&port),
        "{told}"
    );
    assert_eq!(told.trim().lines().count(), 1, "{told}");
}

#[test]
fn an_unreadable_password_file_is_named() {
    let variables = [
        ("MADANG_REDIS__URL", "redis://127.0.0.1:1"),
        ("MADANG_REDIS__PASSWORD_FILE", "no/such/file"),
    ];
    let output = run(&[], &variables);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr(&output).contains("redis.password_file"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_answers_its_own_probe_and_ends_with_0() {
    let started = Running::start(&[("MADANG_DRAIN__DELAY", "0s")]).await;
    let internal = started.value("internal_address");
    let variables = [("MADANG_SERVER__INTERNAL_LISTEN", internal.as_str())];
    let is_ready = || async { run(&["healthcheck"], &variables).status.success() };
    eventually("the node is healthy", is_ready).await;
    assert!(run(&["healthcheck", "--live"], &variables).status.success());
    assert_eq!(started.end("TERM").await, Some(0));
    let output = run(&["healthcheck"], &variables);
    assert_eq!(output.status.code(), Some(1));
    assert!(!stderr(&output).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_redis_it_starts_and_says_so() {
    let mut redis = RedisServer::start().await;
    redis.kill();
    let started = Running::start(&[("MADANG_REDIS__URL", &redis.url())]).await;
    eventually("the log tells", || async {
        started.log().contains("redis.url")
    })
    .await;
    assert_eq!(started.end("INT").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_with_its_setting() {
    let options = RedisOptions {
        password: Some("right".to_owned()),
        ..RedisOptions::default()
    };
    let redis = RedisServer::start_with(options).await;
    let url = redis.url().replace("right", "wrong");
    let started = Running::start(&[("MADANG_REDIS__URL", &url)]).await;
    eventually("the log tells", || async {
        started.log().contains("password")
    })
    .await;
    assert!(
        !started.log().contains("wrong"),
        "the password is in the log"
    );
    assert_eq!(started.end("INT").await, Some(0));
    let output = run(&["check"], &[("MADANG_REDIS__URL", &url)]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("redis.password_file") && !told.contains("wrong"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_settings_with_their_origin_and_what_redis_allows() {
    let options = RedisOptions {
        arguments: vec!["--maxmemory-policy".to_owned(), "volatile-lru".to_owned()],
        ..RedisOptions::default()
    };
    let redis = RedisServer::start_with(options).await;
    let output = run(
        &["check"],
        &[
            ("MADANG_REDIS__URL", &redis.url()),
            ("MADANG_LIMITS__TEXT", "3000"),
        ],
    );
    assert_eq!(output.status.code(), Some(1), "volatile-lru may evict");
    let told = String::from_utf8(output.stdout.clone()).unwrap() + &stderr(&output);
    for word in [
        "limits.text",
        "3000",
        "MADANG_LIMITS__TEXT",
        "default",
        "noeviction",
        "volatile-lru",
        "7.",
    ] {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
    let redis = RedisServer::start().await;
    let output = run(&["check"], &[("MADANG_REDIS__URL", &redis.url())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// A running program and its log.
struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts the program and waits until it serves.
    async fn start(variables: &[(&str, &str)]) -> Self {
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

    fn log(&self) -> String {
        std::fs::read_to_string(Path::new(self.folder.path()).join("log")).unwrap()
    }

    /// Returns a field of the line that tells that it serves.
    fn value(&self, field: &str) -> String {
        let log = self.log();
        let line = log
            .lines()
            .find(|line| line.contains("madang serves"))
            .unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line[field].as_str().unwrap().to_owned()
    }

    /// Sends a signal and returns the exit code.
    async fn end(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &id])
                .status()
                .unwrap()
                .success()
        );
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
