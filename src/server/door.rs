//! The door to sessions: who may come in now, and how many.
//!
//! A session has a place from the moment its request is admitted until its [`Permit`] is dropped,
//! so no limit can be passed by being fast. A full node stays ready: it refuses with 503 and says
//! when to come back, spread over ten seconds so that those who were refused do not come back
//! together.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::places::{Permit, Places};
use super::proxies::Proxies;
use crate::config::{Origins, Settings};
use crate::fleet::Readiness;
use crate::telemetry::Metrics;

/// A request that has become a session.
#[derive(Debug)]
pub struct Opened {
    /// The stream, behind the answer 101.
    pub io: TcpStream,
    /// Bytes that came right behind the request; they come before those of `io`.
    pub early: Bytes,
    /// The address that asked, behind the trusted proxies.
    pub address: IpAddr,
    /// The session's places; to be kept as long as the session lives.
    pub permit: Permit,
}

/// Takes a session over. It is called on a task of the listener and must not block.
pub type Open = Arc<dyn Fn(Opened) + Send + Sync>;

/// Who may open a session now.
pub struct Door {
    pub(super) origins: Origins,
    pub(super) proxies: Arc<Proxies>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) open: Open,
    is_closed: AtomicBool,
    readiness: Arc<Readiness>,
    places: Arc<Places>,
    /// Held for one computation, never across an await.
    pace: Option<Mutex<Pace>>,
}

impl Door {
    /// Makes a door with the limits of the settings, closed while `readiness` says that the node is sick; each session that comes in is given to `open`.
    #[must_use]
    pub fn new(
        settings: &Settings,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        open: Open,
    ) -> Arc<Self> {
        let limits = &settings.limits;
        Arc::new(Self {
            origins: settings.server.allowed_origins.clone(),
            proxies: Arc::new(Proxies::new(settings.server.trusted_proxies.clone())),
            metrics,
            open,
            is_closed: AtomicBool::new(false),
            readiness,
            places: Places::new(limits.sessions, limits.sessions_per_address),
            pace: (limits.upgrades_per_second > 0)
                .then(|| Mutex::new(Pace::new(limits.upgrades_per_second))),
        })
    }

    /// Refuses every further session with 503. Those that are open go on.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Returns how many sessions have a place now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.places.taken()
    }

    /// Takes the places of a session from this address, or says which limit refuses it.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Permit, Full> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Full::Draining);
        }
        if self.readiness.is_sick() {
            return Err(Full::Sick);
        }
        let permit = self.places.take(address)?;
        if let Some(pace) = &self.pace {
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            // The places are given back by the drop of the permit.
            pace.take().then_some(()).ok_or(Full::Pace)?;
        }
        Ok(permit)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("is_closed", &self.is_closed)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

/// Why nobody is let in at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The node leaves.
    Draining,
    /// The node hands its sessions over to others, which see the broker.
    Sick,
    /// `limits.sessions` are open.
    Sessions,
    /// `limits.sessions_per_address` are open from this address.
    Address,
    /// `limits.upgrades_per_second` have come.
    Pace,
}

impl Full {
    /// Returns the word in the metric and the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Sick => "sick",
            Self::Sessions => "sessions",
            Self::Address => "sessions_per_address",
            Self::Pace => "upgrades_per_second",
        }
    }

    /// Returns what the refused one is told.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Draining => "the node leaves; another one serves you",
            Self::Sick => "the node does not reach the broker; another one serves you",
            Self::Sessions => {
                "the node has as many sessions as limits.sessions (MADANG_LIMITS__SESSIONS) allows"
            }
            Self::Address => {
                "your address has as many sessions as limits.sessions_per_address \
                 (MADANG_LIMITS__SESSIONS_PER_ADDRESS) allows"
            }
            Self::Pace => {
                "the node opens as many sessions per second as limits.upgrades_per_second \
                 (MADANG_LIMITS__UPGRADES_PER_SECOND) allows"
            }
        }
    }
}

/// How many may still come in this second: a token bucket that holds one second.
#[derive(Debug)]
struct Pace {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            left: per_second,
            at: Instant::now(),
        }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        let earned = (now - self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.per_second);
        self.at = now;
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn door(limits: &[(&str, &str)]) -> Arc<Door> {
        let variable =
            |(name, value): &(&str, &str)| (format!("MADANG_LIMITS__{name}"), (*value).to_owned());
        let settings = Settings::load(None, limits.iter().map(variable))
            .unwrap()
            .settings;
        Door::new(&settings, Arc::default(), Arc::default(), Arc::new(drop))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_permit_is_dropped() {
        let door = door(&[("SESSIONS", "2")]);
        let first = door.admit(address("192.0.2.1")).unwrap();
        let _second = door.admit(address("192.0.2.2")).unwrap();
        assert_eq!(
            door.admit(address("192.0.2.3")).unwrap_err(),
            Full::Sessions
        );
        assert_eq!(door.sessions(), 2);
        drop(first);
        assert_eq!(door.sessions(), 1);
        door.admit(address("192.0.2.3")).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_allows_a_second_at_once_and_then_its_rate() {
        let door = door(&[("UPGRADES_PER_SECOND", "4")]);
        let ask = || door.admit(address("192.0.2.1")).map(drop);
        for _ in 0..4 {
            ask().unwrap();
        }
        assert_eq!(ask(), Err(Full::Pace));
        advance(Duration::from_millis(250)).await;
        ask().unwrap();
        assert_eq!(ask(), Err(Full::Pace));
        advance(Duration::from_secs(60)).await;
        for _ in 0..4 {
            ask().unwrap();
        }
        assert_eq!(ask(), Err(Full::Pace));
        assert_eq!(door.sessions(), 0);
    }

    #[test]
    fn a_closed_door_refuses_and_keeps_who_is_in() {
        let door = door(&[]);
        let _inside = door.admit(address("192.0.2.1")).unwrap();
        door.close();
        assert_eq!(
            door.admit(address("192.0.2.1")).unwrap_err(),
            Full::Draining
        );
        assert_eq!(door.sessions(), 1);
    }
}
