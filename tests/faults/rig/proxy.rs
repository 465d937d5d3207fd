//! A TCP proxy in front of a node or a Redis that a row can delay, throttle, hold, swallow and cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What becomes of the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They go through.
    #[default]
    Pass,
    /// They wait, as in a network that is parted: nothing arrives, nothing ends.
    Hold,
    /// They are taken and never arrive.
    Swallow,
}

/// How a proxy behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// To whom the proxy stands before.
    pub(crate) there: Flow,
    /// And back.
    pub(crate) back: Flow,
    /// How much later everything arrives.
    pub(crate) delay: Duration,
    /// Bytes per second of one direction, at most.
    pub(crate) rate: Option<u32>,
    /// Whether whoever comes is turned away.
    pub(crate) is_closed: bool,
}

impl Weather {
    /// Nothing arrives, nothing ends.
    pub(crate) fn parted() -> Self {
        Self {
            there: Flow::Hold,
            back: Flow::Hold,
            ..Self::default()
        }
    }

    /// Everything open is cut by this, and nobody is let in.
    pub(crate) fn closed() -> Self {
        Self {
            is_closed: true,
            ..Self::default()
        }
    }
}

#[derive(Debug)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    weather: watch::Sender<Weather>,
    /// Ends what is open; replaced at each cut.
    open: Mutex<CancellationToken>,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: Arc<JoinSet<()>>,
}

impl Proxy {
    /// Starts a proxy on a free loopback port.
    pub(crate) async fn start(target: Option<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            weather: watch::channel(Weather::default()).0,
            open: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _tasks: Arc::new(tasks),
        })
    }

    /// Returns where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads who comes from now on to another place.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self
            .shared
            .target
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(target);
    }

    /// Changes the weather, for what is open too; a closed proxy cuts it.
    pub(crate) fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
        if weather.is_closed {
            self.cut();
        }
    }

    /// Lets everything through again. What a swallowing proxy had open misses bytes, so it is cut.
    pub(crate) fn clear(&self) {
        let before = self.shared.weather.send_replace(Weather::default());
        if before.there == Flow::Swallow || before.back == Flow::Swallow {
            self.cut();
        }
    }

    /// Cuts everything that is open.
    pub(crate) fn cut(&self) {
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.cancel();
        *open = CancellationToken::new();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut pairs = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while pairs.try_join_next().is_some() {}
        if shared.weather.borrow().is_closed {
            continue;
        }
        let open = shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let shared = Arc::clone(&shared);
        pairs.spawn(async move {
            tokio::select! {
                () = open.cancelled() => {}
                () = join(near, &shared) => {}
            }
        });
    }
}

/// Carries bytes until one side ends.
async fn join(near: TcpStream, shared: &Shared) {
    let mut weather = shared.weather.subscribe();
    // A parted network lets nobody in: what is dialed waits.
    drop(weather.wait_for(|now| now.there != Flow::Hold).await);
    let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(target) = target else { return };
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = carry(near_read, far_write, weather.clone(), |weather| weather.there) => {}
        () = carry(far_read, near_write, weather, |weather| weather.back) => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    flow: fn(&Weather) -> Flow,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        drop(weather.wait_for(|now| flow(now) != Flow::Hold).await);
        let Ok(count @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        let Ok(now) = weather
            .wait_for(|now| flow(now) != Flow::Hold)
            .await
            .map(|now| *now)
        else {
            return;
        };
        if flow(&now) == Flow::Swallow {
            continue;
        }
        let mut wait = now.delay;
        if let Some(rate) = now.rate {
            wait += Duration::from_secs_f64(count as f64 / f64::from(rate));
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
