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
use super::endpoint::{self, Account, Passwords};
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
    /// Always there, as long as it is a master of its Cluster.
    Member(ServerAddress),
    /// At the master that the sentinels name.
    Sentinels(Box<Sentinels>),
}

/// Opens wires to one server, or to the master that the sentinels name at that moment.
#[derive(Debug)]
pub(super) struct Dialer {
    settings: Redis,
    target: Target,
    clock: Arc<Clock>,
    /// Where the last wire was opened, or tried.
    address: Mutex<Address>,
    passwords: Arc<Passwords>,
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
            Topology::Sentinel { master } => Target::Sentinels(Box::new(Sentinels::new(
                settings.clone(),
                url.servers.clone(),
                master.clone(),
            ))),
        };
        let dialer = Self::with_target(settings, target, &first, clock, Arc::default());
        let fault = |error| endpoint::password_fault(&error);
        let password = settings.read_password().map_err(fault)?;
        settings.read_sentinel_password().map_err(fault)?;
        endpoint::connection(settings, &first, &dialer.account(password.as_ref()))?;
        Ok(dialer)
    }

    /// Makes the dialer of one member of a Cluster, which shares its passwords with those of the others.
    pub(super) fn of_member(
        settings: &Redis,
        member: &ServerAddress,
        clock: Arc<Clock>,
        passwords: Arc<Passwords>,
    ) -> Self {
        let target = Target::Member(member.clone());
        Self::with_target(settings, target, member, clock, passwords)
    }

    fn with_target(
        settings: &Redis,
        target: Target,
        first: &ServerAddress,
        clock: Arc<Clock>,
        passwords: Arc<Passwords>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            target,
            clock,
            address: Mutex::new(endpoint::address(settings, first)),
            passwords,
        }
    }

    /// Returns where the last wire was opened, or tried.
    pub(super) fn address(&self) -> Address {
        lock(&self.address).clone()
    }

    /// Returns the server, if it is always the same.
    pub(super) fn server(&self) -> Option<ServerAddress> {
        match &self.target {
            Target::Fixed(server) | Target::Member(server) => Some(server.clone()),
            Target::Sentinels(_) => None,
        }
    }

    /// Returns the sentinels, if there are any.
    pub(super) fn sentinels(&self) -> Option<&Sentinels> {
        match &self.target {
            Target::Fixed(_) | Target::Member(_) => None,
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
        let server = match &self.target {
            Target::Fixed(server) | Target::Member(server) => server.clone(),
            Target::Sentinels(sentinels) => sentinels.master().await?,
        };
        let address = endpoint::address(&self.settings, &server);
        *lock(&self.address) = address.clone();
        let opened = async {
            let mut commands = self.connect(&server, &config).await?;
            let info = self.greet(&mut commands).await;
            let info = info.map_err(|error| LinkError::of(&address, &error))?;
            self.judge(&info, &address).map(|lineage| Wire {
                commands,
                lineage,
                server,
            })
        };
        match tokio::time::timeout(2 * CONNECT_TIMEOUT, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(LinkError::Silent(address.name.clone())),
        }
    }

    /// Opens a wire whatever the role of the server is.
    pub(super) async fn open_member(
        &self,
        limit: Duration,
    ) -> Result<MultiplexedConnection, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        let server = match &self.target {
            Target::Fixed(server) | Target::Member(server) => server.clone(),
            Target::Sentinels(sentinels) => sentinels.master().await?,
        };
        self.connect(&server, &config).await
    }

    /// Opens a connection with the password of now, or with the one that worked before.
    async fn connect(
        &self,
        server: &ServerAddress,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, LinkError> {
        let password = self
            .settings
            .read_password()
            .map_err(|error| endpoint::password_fault(&error))?;
        let mut opened = self.connect_with(server, password.as_ref(), config).await;
        let mut used = password;
        if matches!(opened, Err(LinkError::WrongPassword(_)))
            && let Some(before) = self.passwords.other_than(used.as_ref())
        {
            opened = self.connect_with(server, Some(&before), config).await;
            used = Some(before);
        }
        if opened.is_ok() {
            self.passwords.accept(used);
        }
        opened
    }

    async fn connect_with(
        &self,
        server: &ServerAddress,
        password: Option<&Secret<String>>,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, LinkError> {
        let address = endpoint::address(&self.settings, server);
        let info = endpoint::connection(&self.settings, server, &self.account(password))?;
        let manager = deadpool_redis::Manager::new_with_config(info, config.clone())
            .map_err(|error| LinkError::of(&address, &error))?;
        let created = manager.create().await;
        created.map_err(|error| LinkError::of(&address, &error))
    }

    /// Returns what the server says of itself, and takes over its time.
    async fn greet(&self, commands: &mut MultiplexedConnection) -> redis::RedisResult<String> {
        let asked = Instant::now();
        let mut greeting = redis::pipe();
        greeting
            .cmd("INFO")
            .arg("replication")
            .cmd("TIME")
            .cmd("PING")
            .ignore();
        let (info, (seconds, micros)): (String, (u64, u64)) =
            greeting.query_async(commands).await?;
        let answered = Instant::now();
        if answered - asked <= GOOD_TRIP || !self.clock.is_set() {
            self.clock.observe(
                asked,
                answered,
                seconds.saturating_mul(1_000_000).saturating_add(micros),
            );
        }
        Ok(info)
    }

    /// Returns the lineage of a master.
    fn judge(&self, info: &str, address: &Address) -> Result<Arc<str>, LinkError> {
        let name = address.name.clone();
        match Server::parse(info) {
            Some(server) if server.is_master => Ok(server.lineage),
            Some(_) => Err(match &self.target {
                Target::Fixed(_) => LinkError::NotMaster(name),
                Target::Member(_) => LinkError::NoShard(name),
                Target::Sentinels(_) => LinkError::NotPromoted(name),
            }),
            None => Err(LinkError::Answer(
                name,
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
