//! How a node reaches Redis, and the sentence for each reason that it does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::super::fault::LinkError;
use super::super::testing::eventually;
use super::*;

fn until() -> Instant {
    Instant::now() + PATIENCE
}

fn link(options: &Options) -> Arc<Link> {
    Link::new(options, Arc::new(Metrics::new())).unwrap()
}

async fn fault(options: &Options) -> LinkError {
    link(options).get(until()).await.map(drop).unwrap_err()
}

/// A file with a content that can change.
struct TestFile(TempDir, PathBuf);

impl TestFile {
    fn new(content: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, content).unwrap();
        Self(directory, path)
    }

    fn write(&self, content: &str) {
        std::fs::write(&self.1, content).unwrap();
        assert!(self.0.path().exists());
    }
}

fn with_user(server: &RedisServer, password: &TestFile, rights: &[&str]) -> Options {
    let user = [
        &[
            "ACL",
            "SETUSER",
            "chat",
            "reset",
            "on",
            ">first",
            "~madang:*",
            "&madang:*",
        ],
        rights,
    ]
    .concat();
    server.run(&user);
    let mut options = server.options();
    options.redis.username = Some("chat".to_owned());
    options.redis.password_file = Some(password.1.clone());
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_read_at_every_connect_and_the_one_before_still_counts() {
    let (server, password) = (RedisServer::start(), TestFile::new("first\n"));
    let options = with_user(&server, &password, &["+@all"]);
    let link = link(&options);
    link.get(until()).await.unwrap().keep();
    // The file is ahead of the server.
    password.write("second");
    link.drop_all();
    link.get(until()).await.unwrap().keep();
    server.run(&["ACL", "SETUSER", "chat", "resetpass", ">second"]);
    link.drop_all();
    link.get(until()).await.unwrap().keep();
    password.write("third");
    server.run(&["ACL", "SETUSER", "chat", "resetpass", ">fourth"]);
    link.drop_all();
    let refused = link.get(until()).await.map(drop).unwrap_err();
    assert!(matches!(refused, LinkError::WrongPassword(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_has_its_sentence_with_setting_and_remedy() {
    let (mut server, password) = (RedisServer::start(), TestFile::new("wrong"));
    let mut options = with_user(&server, &password, &["+@all", "-info"]);
    let wrong = fault(&options).await;
    assert!(wrong.is_configuration());
    assert_eq!(
        wrong.to_string(),
        format!(
            "Redis at 127.0.0.1:{} refuses the password: check redis.username and redis.password_file",
            server.port
        )
    );
    password.write("first");
    let rights = fault(&options).await;
    assert!(rights.is_configuration());
    assert!(
        rights.to_string().contains("denies its user a right")
            && rights.to_string().contains("info"),
        "{rights}"
    );

    options = server.options();
    server.run(&["ACL", "SETUSER", "default", "resetpass", ">secret"]);
    assert!(matches!(fault(&options).await, LinkError::WrongPassword(_)));

    server = RedisServer::start();
    options = server.options();
    server.run(&["CONFIG", "SET", "maxclients", "1"]);
    let held = server.connection();
    let full = fault(&options).await;
    assert!(
        full.is_configuration() && full.to_string().contains("maxclients"),
        "{full}"
    );
    drop(held);

    server.crash();
    let refused = fault(&options).await;
    assert!(!refused.is_configuration());
    assert!(
        refused
            .to_string()
            .starts_with("nothing listens at 127.0.0.1:"),
        "{refused}"
    );

    options.redis.url.as_mut().unwrap().servers[0].host = "no-such-host.invalid".to_owned();
    let unresolved = fault(&options).await;
    assert!(
        unresolved.to_string().contains("cannot be resolved"),
        "{unresolved}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_is_told() {
    let server = RedisServer::start();
    let mut options = server.options();
    options.redis.url.as_mut().unwrap().tls = true;
    // A plain server waits for the end of a line that never comes.
    let silent = fault(&options).await;
    assert!(
        silent
            .to_string()
            .contains("rediss:// needs a port that speaks TLS"),
        "{silent}"
    );
}

/// Makes a CA and a certificate of it for 127.0.0.1: `ca.pem`, `server.pem`, `server.key`.
fn make_certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        let new = "req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
        let words = new.split(' ').chain(arguments.split(' '));
        let output = Command::new("openssl")
            .args(words)
            .current_dir(directory)
            .output();
        let output = output.expect("openssl must be installed to run this test");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    openssl("-keyout ca.key -out ca.pem -subj /CN=authority");
    openssl(
        "-CA ca.pem -CAkey ca.key -keyout server.key -out server.pem -subj /CN=redis \
         -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_a_server_that_the_ca_file_vouches_for() {
    let directory = TempDir::new().unwrap();
    make_certificates(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (tls_port, certificate, key, ca) = (
        port.to_string(),
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
    );
    let files = [
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
    ];
    let server = RedisServer::start_with(
        &[
            &["--tls-port", &tls_port, "--tls-auth-clients", "no"],
            &files[..],
        ]
        .concat(),
    );
    let mut options = server.options();
    let url = options.redis.url.as_mut().unwrap();
    (url.tls, url.servers[0].port) = (true, port);
    let untrusted = fault(&options).await;
    assert!(
        untrusted
            .to_string()
            .starts_with("TLS with Redis at 127.0.0.1:"),
        "{untrusted}"
    );
    options.redis.ca_file = Some(ca.into());
    link(&options).get(until()).await.unwrap().keep();
    options.redis.url.as_mut().unwrap().servers[0].host = "localhost".to_owned();
    let other_name = fault(&options).await;
    assert!(
        other_name
            .to_string()
            .starts_with("TLS with Redis at localhost:"),
        "{other_name}"
    );
    options.redis.url.as_mut().unwrap().tls = false;
    let plain = fault(&options).await;
    assert!(
        plain
            .to_string()
            .contains("a port that speaks TLS needs a redis.url with rediss://"),
        "{plain}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_silent_within_the_limit() {
    let server = RedisServer::start();
    let link = server.link();
    let mut wires = Vec::new();
    for _ in 0..4 {
        wires.push(link.get(until()).await.unwrap());
    }
    wires
        .into_iter()
        .for_each(super::super::shard::Pooled::keep);
    // So that each wire is asked before it is handed out.
    link.broke();
    server.signal("STOP");
    let began = Instant::now();
    let fault = link.get(until()).await.map(drop).unwrap_err();
    assert!(matches!(fault, LinkError::Silent(_)), "{fault}");
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
    let limit = Instant::now() + SHORT;
    assert!(link.get(limit).await.is_err());
    assert!(limit.elapsed() < SHORT);
    server.signal("CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_data_is_told() {
    let slowly = [
        "--key-load-delay",
        "10000",
        "--loading-process-events-interval-bytes",
        "1024",
        "--rdbcompression",
        "no",
    ];
    let mut server = RedisServer::start_with(&slowly);
    for key in 0..50 {
        server.run(&["SET", &key.to_string(), &"x".repeat(1000)]);
    }
    server.run(&["SAVE"]);
    server.crash();
    let options = server.options();
    let starting = std::thread::spawn(move || {
        server.restart();
        server
    });
    let link = link(&options);
    let mut seen = Vec::new();
    let patience = until();
    loop {
        match link.get(until()).await {
            Ok(_) => break,
            Err(fault) => seen.push(fault),
        }
        assert!(Instant::now() < patience, "never loaded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        seen.iter()
            .any(|fault| matches!(fault, LinkError::Loading(_))),
        "{seen:?}"
    );
    drop(starting.join().unwrap());
}

#[test]
fn settings_that_cannot_work_are_faults_at_once() {
    let server = RedisServer::start();
    let new = |options: &Options| {
        Link::new(options, Arc::new(Metrics::new()))
            .map(drop)
            .unwrap_err()
    };
    let mut options = server.options();
    options.redis.url = None;
    assert_eq!(new(&options), LinkError::NoUrl);
    let mut options = server.options();
    options.redis.password_file = Some("/nowhere/password".into());
    assert!(
        new(&options).to_string().contains("redis.password_file"),
        "{}",
        new(&options)
    );
    let mut options = server.options();
    options.redis.url.as_mut().unwrap().tls = true;
    let file = TestFile::new("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for path in [&"/nowhere/ca.pem".into(), &file.1] {
        options.redis.ca_file = Some(path.clone());
        let fault = new(&options);
        assert!(matches!(fault, LinkError::CaFile { .. }), "{fault}");
        assert!(
            fault
                .to_string()
                .contains("redis.ca_file (MADANG_REDIS__CA_FILE)"),
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_wires_are_never_handed_out_again() {
    let server = RedisServer::start();
    let link = server.link();
    let id = async |pooled: &mut super::super::shard::Pooled| {
        redis::cmd("CLIENT")
            .arg("ID")
            .query_async::<u64>(pooled.commands())
            .await
            .unwrap()
    };
    let (mut used, mut idle) = (
        link.get(until()).await.unwrap(),
        link.get(until()).await.unwrap(),
    );
    let old = [id(&mut used).await, id(&mut idle).await];
    idle.keep();
    let mut again = link.get(until()).await.unwrap();
    assert_eq!(id(&mut again).await, old[1]);
    again.keep();
    link.drop_all();
    used.keep();
    let mut fresh = Vec::new();
    for _ in 0..3 {
        fresh.push(link.get(until()).await.unwrap());
    }
    for wire in &mut fresh {
        let id = id(wire).await;
        assert!(!old.contains(&id), "{id} {old:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wires_of_two_lineages_are_never_used_in_turn() {
    let server = RedisServer::start();
    let link = server.link();
    let (mut first, second) = (
        link.get(until()).await.unwrap(),
        link.get(until()).await.unwrap(),
    );
    let old = first.lineage();
    second.keep();
    server.run(&["REPLICAOF", "127.0.0.1", "1"]);
    server.run(&["REPLICAOF", "NO", "ONE"]);
    // The idle wire still works, so it is handed out, and none but a new one knows better.
    let mut idle = link.get(until()).await.unwrap();
    assert_eq!(idle.lineage(), old);
    let mut new = link.get(until()).await.unwrap();
    assert_ne!(new.lineage(), old);
    idle.keep();
    first.keep();
    let mut next = link.get(until()).await.unwrap();
    assert_eq!(next.lineage(), new.lineage());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_is_not_kept_is_closed() {
    let server = RedisServer::start();
    let link = server.link();
    let open = || {
        server
            .text(&["CLIENT", "LIST", "TYPE", "normal"])
            .matches("resp=3")
            .count()
    };
    link.get(until()).await.unwrap().keep();
    assert_eq!(open(), 1);
    drop(link.get(until()).await.unwrap());
    eventually("the wire is closed", || open() == 0).await;
}
