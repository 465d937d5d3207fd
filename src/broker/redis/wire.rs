//! One wire to Redis, and how it is opened.
//!
//! Credentials and CA are read anew every time, so that rotating them needs no restart; a password that Redis does not
//! know yet is followed by the one that worked before. A wire exists only if its server said that it is a master and
//! that it answers, and carries the server's lineage as it was then: a script call passes the lineage under which its
//! wire was opened.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::Manager as _;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, TlsCertificates,
};

use super::clock::Clock;
use super::fault::{Address, LinkError};
use crate::config::{Redis, RedisUrl, Secret};

/// How long opening a wire may take, from resolving the name to the last answer of the greeting.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A greeting that took longer says too little about the time; the watchdog's next round says more.
const GOOD_TRIP: Duration = Duration::from_millis(20);

/// What `INFO replication` says of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whether it is a master.
    pub is_master: bool,
    /// `master_replid`: changes with every restart after a crash, promotion and failback.
    pub lineage: Arc<str>,
}

impl Server {
    /// Reads the answer of `INFO replication`; `None` if it lacks role or lineage.
    #[must_use]
    pub fn parse(info: &str) -> Option<Self> {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        Some(Self {
            is_master: field("role")? == "master",
            lineage: field("master_replid")?.into(),
        })
    }
}

/// An open wire to a master.
#[derive(Clone)]
pub struct Wire {
    /// Where commands go in.
    pub commands: MultiplexedConnection,
    /// The server's lineage when the wire was opened.
    pub lineage: Arc<str>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wire")
            .field("lineage", &self.lineage)
            .finish_non_exhaustive()
    }
}

/// Opens wires to the one address of the settings.
#[derive(Debug)]
pub(super) struct Dialer {
    settings: Redis,
    url: RedisUrl,
    address: Address,
    clock: Arc<Clock>,
    /// The password that worked last.
    accepted: Mutex<Option<Secret<String>>>,
}

impl Dialer {
    /// Checks what can be checked without the server.
    ///
    /// # Errors
    /// No URL, or a CA or password file that cannot be used.
    pub(super) fn new(settings: &Redis, clock: Arc<Clock>) -> Result<Self, LinkError> {
        let url = settings.url.clone().ok_or(LinkError::NoUrl)?;
        let host = if url.host.contains(':') {
            format!("[{}]", url.host)
        } else {
            url.host.clone()
        };
        let address = Address {
            name: format!("{host}:{}", url.port),
            tls: url.tls,
        };
        let dialer = Self {
            settings: settings.clone(),
            url,
            address,
            clock,
            accepted: Mutex::new(None),
        };
        let password = dialer
            .settings
            .read_password()
            .map_err(|error| password_fault(&error))?;
        dialer.info(password.as_ref())?;
        Ok(dialer)
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a wire; `push` takes what the server sends unasked and must not block.
    pub(super) async fn open(
        &self,
        answer_limit: Duration,
        push: Option<impl Fn(PushInfo) + Send + Sync + 'static>,
    ) -> Result<Wire, LinkError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(answer_limit));
        if let Some(push) = push {
            config = config.set_push_sender(move |info| {
                push(info);
                Ok::<(), ()>(())
            });
        }
        let password = self
            .settings
            .read_password()
            .map_err(|error| password_fault(&error))?;
        let mut opened = self.open_with(password.clone(), &config).await;
        let mut used = password;
        if matches!(opened, Err(LinkError::WrongPassword(_))) {
            let before = self
                .accepted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if before.is_some() && before != used {
                opened = self.open_with(before.clone(), &config).await;
                used = before;
            }
        }
        if opened.is_ok() {
            *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = used;
        }
        opened
    }

    async fn open_with(
        &self,
        password: Option<Secret<String>>,
        config: &AsyncConnectionConfig,
    ) -> Result<Wire, LinkError> {
        let info = self.info(password.as_ref())?;
        let greeted = async {
            let manager = deadpool_redis::Manager::new_with_config(info, config.clone())?;
            let mut commands = manager.create().await?;
            let asked = Instant::now();
            let mut greeting = redis::pipe();
            greeting
                .cmd("INFO")
                .arg("replication")
                .cmd("TIME")
                .cmd("PING")
                .ignore();
            let (info, (seconds, micros)): (String, (u64, u64)) =
                greeting.query_async(&mut commands).await?;
            let answered = Instant::now();
            if answered - asked <= GOOD_TRIP || !self.clock.is_set() {
                self.clock.observe(
                    asked,
                    answered,
                    seconds.saturating_mul(1_000_000).saturating_add(micros),
                );
            }
            Ok((commands, info))
        };
        let (commands, info) = match tokio::time::timeout(2 * CONNECT_TIMEOUT, greeted).await {
            Ok(result) => result.map_err(|error| LinkError::of(&self.address, &error))?,
            Err(_) => return Err(LinkError::Silent(self.address.name.clone())),
        };
        match Server::parse(&info) {
            Some(Server {
                is_master: true,
                lineage,
            }) => Ok(Wire { commands, lineage }),
            Some(_) => Err(LinkError::NotMaster(self.address.name.clone())),
            None => Err(LinkError::Answer(
                self.address.name.clone(),
                "INFO replication without a role".to_owned(),
            )),
        }
    }

    /// Returns what the Redis crate needs to know to open a wire.
    fn info(&self, password: Option<&Secret<String>>) -> Result<ConnectionInfo, LinkError> {
        let mut redis = RedisConnectionInfo::default()
            .set_db(self.url.db)
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        if let Some(user) = self.settings.user() {
            redis = redis.set_username(user);
        }
        if let Some(password) = password {
            redis = redis.set_password(password.expose());
        }
        // A dead path is noticed within about 20 s without traffic and 5 s with it.
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(10))
            .with_interval(Duration::from_secs(3))
            .with_retries(3);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive)
            .set_user_timeout(Duration::from_secs(5));
        let fault = |error: redis::RedisError| LinkError::of(&self.address, &error);
        let info = self.target()?.into_connection_info().map_err(fault)?;
        Ok(info.set_redis_settings(redis).set_tcp_settings(tcp))
    }

    /// Returns the address with what its certificate is judged by.
    fn target(&self) -> Result<ConnectionAddr, LinkError> {
        let (host, port) = (self.url.host.clone(), self.url.port);
        if !self.url.tls {
            return Ok(ConnectionAddr::Tcp(host, port));
        }
        let address = ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        };
        let Some(path) = &self.settings.ca_file else {
            return Ok(address);
        };
        let fault = |reason: String| LinkError::CaFile {
            path: path.clone(),
            reason,
        };
        let root = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        if !root.windows(BEGIN.len()).any(|window| window == BEGIN) {
            return Err(fault("no BEGIN CERTIFICATE in it".to_owned()));
        }
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(root),
        };
        let client = Client::build_with_tls(address, certificates)
            .map_err(|error| fault(error.to_string()))?;
        Ok(client.get_connection_info().addr().clone())
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn password_fault(error: &crate::config::PasswordFileError) -> LinkError {
    LinkError::PasswordFile(format!("{error} ({})", error.source))
}
