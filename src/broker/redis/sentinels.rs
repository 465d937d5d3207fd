//! Asking the sentinels who the master is.
//!
//! They are asked in turn, first the one that answered last. While a failover goes on they may still name the old
//! master, or none: whoever dials asks again, so nothing of it is remembered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{AsyncConnectionConfig, Client};

use super::endpoint::{self, Account, Passwords};
use super::fault::LinkError;
use crate::config::{Redis, Secret, ServerAddress};

/// How long one sentinel may take, from the connection to the answer.
const LIMIT: Duration = Duration::from_millis(400);

/// The sentinels of `redis.url`.
#[derive(Debug)]
pub(super) struct Sentinels {
    settings: Redis,
    addresses: Vec<ServerAddress>,
    /// Name under which they know the master.
    master: String,
    /// Index of the one that answered last.
    last: AtomicUsize,
    passwords: Passwords,
}

impl Sentinels {
    pub(super) fn new(settings: Redis, addresses: Vec<ServerAddress>, master: String) -> Self {
        Self {
            settings,
            addresses,
            master,
            last: AtomicUsize::new(0),
            passwords: Passwords::default(),
        }
    }

    pub(super) fn addresses(&self) -> &[ServerAddress] {
        &self.addresses
    }

    /// Returns the master that the first sentinel which knows one names.
    ///
    /// # Errors
    /// Why none of them names one: a wrong password comes before an unknown name, that before silence.
    pub(super) async fn master(&self) -> Result<ServerAddress, LinkError> {
        let count = self.addresses.len();
        let first = self.last.load(Ordering::Relaxed);
        let mut worst: Option<LinkError> = None;
        for step in 0..count {
            let index = (first + step) % count;
            match self.ask(&self.addresses[index]).await {
                Ok(master) => {
                    self.last.store(index, Ordering::Relaxed);
                    return Ok(master);
                }
                Err(fault) => {
                    let is_worse = worst
                        .as_ref()
                        .is_none_or(|worst| weight(&fault) > weight(worst));
                    if is_worse {
                        worst = Some(fault);
                    }
                }
            }
        }
        Err(worst.unwrap_or(LinkError::NoUrl))
    }

    /// Returns true if more than half of all sentinels name another master than this one.
    ///
    /// One alone may be cut off from the others and know only the past.
    pub(super) async fn disown(&self, master: &ServerAddress) -> bool {
        let asked = self.addresses.iter().map(|sentinel| self.ask(sentinel));
        let answers = join_all(asked).await;
        let others = answers
            .iter()
            .filter(|answer| answer.as_ref().is_ok_and(|named| named != master))
            .count();
        2 * others > self.addresses.len()
    }

    /// Asks one sentinel, with the password of now or with the one that worked before.
    ///
    /// # Errors
    /// Why it names no master.
    pub(super) async fn ask(&self, sentinel: &ServerAddress) -> Result<ServerAddress, LinkError> {
        let password = self
            .settings
            .read_sentinel_password()
            .map_err(|error| endpoint::password_fault(&error))?;
        let mut named = self.ask_with(sentinel, password.as_ref()).await;
        let mut used = password;
        if matches!(named, Err(LinkError::SentinelPassword(_)))
            && let Some(before) = self.passwords.other_than(used.as_ref())
        {
            named = self.ask_with(sentinel, Some(&before)).await;
            used = Some(before);
        }
        if named.is_ok() {
            self.passwords.accept(used);
        }
        named
    }

    async fn ask_with(
        &self,
        sentinel: &ServerAddress,
        password: Option<&Secret<String>>,
    ) -> Result<ServerAddress, LinkError> {
        let address = endpoint::address(&self.settings, sentinel);
        let account = Account {
            user: self.settings.sentinel_username.as_deref(),
            password,
            db: 0,
        };
        let info = endpoint::connection(&self.settings, sentinel, &account)?;
        let asked = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(LIMIT))
                .set_response_timeout(Some(LIMIT));
            let client = Client::open(info)?;
            let mut commands = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            redis::cmd("SENTINEL")
                .arg("GET-MASTER-ADDR-BY-NAME")
                .arg(&self.master)
                .query_async::<Option<(String, u16)>>(&mut commands)
                .await
        };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(Some((host, port)))) => Ok(ServerAddress { host, port }),
            Ok(Ok(None)) => Err(LinkError::UnknownMaster {
                sentinel: address.name,
                master: self.master.clone(),
            }),
            Ok(Err(error)) => Err(LinkError::of_sentinel(&address, &error)),
            Err(_) => Err(LinkError::SentinelSilent(address.name)),
        }
    }
}

/// Orders why sentinels name no master by how much it helps whoever reads it.
fn weight(fault: &LinkError) -> u8 {
    match fault {
        LinkError::SentinelPassword(_) | LinkError::SentinelRights(..) => 3,
        LinkError::UnknownMaster { .. } => 2,
        LinkError::Tls(..) => 1,
        _ => 0,
    }
}
