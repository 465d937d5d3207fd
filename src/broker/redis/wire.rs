//! One wire to Redis, and how it is opened.
//!
//! With sentinels, whoever opens a wire asks them first. Credentials and CA are read anew every time, so that rotating them needs no restart; a password that Redis does not
//! know yet is followed by the one that worked before. A wire exists only if its server said that it is a master and
//! that it answers, and carries the server's lineage as it was then: a script call passes the lineage under which its
//! wire was opened.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::Manager as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo};

use super::clock::Clock;
use super::endpoint::{self, Account};
use super::fault::{Address, LinkError};
use super::sentinels::Sentinels;
use crate::config::{Redis, Secret, ServerAddress, Topology};

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
    /// The server.
    pub server: ServerAddress,
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wire")
            .field("lineage", &self.lineage)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Where a dialer finds the server to open a wire to.
#[derive(Debug)]
enum Target {
    /// Always there.
    Fixed(ServerAddress),
    /// At the master that the sentinels name.
    Sentinels(Sentinels),
}

/// Opens wires to one server, or to the master that the sentinels name at that moment.
#[derive(Debug)]
pub(super) struct Dialer {
    settings: Redis,
    target: Target,
    clock: Arc<Clock>,
    /// Where the last wire was opened, or tried.
    address: Mutex<Address>,
    /// The password that worked last.
    accepted: Mutex<Option<Secret<String>>>,
}

impl Dialer {
    /// Makes the dialer of one server or of sentinels, and checks what can be checked without them.
    ///
    /// # Errors
    /// No URL, or a CA or password file that cannot be used.
    pub(super) fn new(settings: &Redis, clock: Arc<Clock>) -> Result<Self, LinkError> {
        let url = settings.url.as_ref().ok_or(LinkError::NoUrl)?;
        let first = url.servers.first().ok_or(LinkError::NoUrl)?.clone();
        let target = match &url.topology {
            Topology::Standalone | Topology::Cluster => Target::Fixed(first.clone()),
            Topology::Sentinel { master } => Target::Sentinels(Sentinels::new(
                settings.clone(),
                url.servers.clone(),
                master.clone(),
            )),
        };
        let dialer = Self::with_target(settings, target, &first, clock);
        let fault = |error| endpoint::password_fault(&error);
        let password = settings.read_password().map_err(fault)?;
        settings.read_sentinel_password().map_err(fault)?;
        endpoint::connection(settings, &first, &dialer.account(password.as_ref()))?;
        Ok(dialer)
    }

    fn with_target(
        settings: &Redis,
        target: Target,
        first: &ServerAddress,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            target,
            clock,
            address: Mutex::new(endpoint::address(settings, first)),
            accepted: Mutex::default(),
        }
    }

    /// Returns where the last wire was opened, or tried.
    pub(super) fn address(&self) -> Address {
        lock(&self.address).clone()
    }

    /// Returns the sentinels, if there are any.
    pub(super) fn sentinels(&self) -> Option<&Sentinels> {
        match &self.target {
            Target::Fixed(_) => None,
            Target::Sentinels(sentinels) => Some(sentinels),
        }
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
            .map_err(|error| endpoint::password_fault(&error))?;
        let server = match &self.target {
            Target::Fixed(server) => server.clone(),
            Target::Sentinels(sentinels) => sentinels.master().await?,
        };
        *lock(&self.address) = endpoint::address(&self.settings, &server);
        let mut opened = self.open_with(&server, password.clone(), &config).await;
        let mut used = password;
        if matches!(opened, Err(LinkError::WrongPassword(_))) {
            let before = lock(&self.accepted).clone();
            if before.is_some() && before != used {
                opened = self.open_with(&server, before.clone(), &config).await;
                used = before;
            }
        }
        if opened.is_ok() {
            *lock(&self.accepted) = used;
        }
        opened
    }

    async fn open_with(
        &self,
        server: &ServerAddress,
        password: Option<Secret<String>>,
        config: &AsyncConnectionConfig,
    ) -> Result<Wire, LinkError> {
        let address = endpoint::address(&self.settings, server);
        let account = self.account(password.as_ref());
        let info = endpoint::connection(&self.settings, server, &account)?;
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
            Ok(result) => result.map_err(|error| LinkError::of(&address, &error))?,
            Err(_) => return Err(LinkError::Silent(address.name)),
        };
        match Server::parse(&info) {
            Some(Server {
                is_master: true,
                lineage,
            }) => Ok(Wire {
                commands,
                lineage,
                server: server.clone(),
            }),
            Some(_) => Err(match &self.target {
                Target::Fixed(_) => LinkError::NotMaster(address.name),
                Target::Sentinels(_) => LinkError::NotPromoted(address.name),
            }),
            None => Err(LinkError::Answer(
                address.name,
                "INFO replication without a role".to_owned(),
            )),
        }
    }

    fn account<'a>(&'a self, password: Option<&'a Secret<String>>) -> Account<'a> {
        Account {
            user: self.settings.user(),
            password,
            db: self.settings.url.as_ref().map_or(0, |url| url.db),
        }
    }
}

/// Locks without a care for poison: what is guarded is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
