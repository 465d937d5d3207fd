//! A session's life: the loop, its deadlines, and its end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::coop::poll_proceed;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tracing::Instrument;

use super::codec::{Frame, Incoming, Violation};
use super::context::Context;
use super::link::{Link, Received};
use super::place::Place;
use super::requests::Desk;
use crate::broker::{Health, Source};
use crate::fleet::Letter;
use crate::hub::{Command, Hub, Order, Seat, lines};
use crate::protocol::{
    Answer, CloseCode, DegradedReason, SessionId, User, UserId, UserName, millis,
};

/// How long the end of a session waits for the page: to take the last frames, then to close its side.
const FAREWELL: Duration = Duration::from_secs(2);
/// An outage that is shorter is not told: a link that is opened anew within it costs nobody anything.
const OUTAGE: Duration = Duration::from_millis(250);

/// Why a session ends.
#[derive(Debug)]
pub(super) enum End {
    /// The page closed the session, with this code if it gave one.
    Page(Option<(u16, String)>),
    /// The wire broke.
    Lost(#[expect(dead_code, reason = "told by Debug in the log")] Option<io::Error>),
    /// The node closes the session.
    Closed(CloseCode, String),
    /// The node lets the session go to another one.
    Moved(Letter),
}

impl End {
    pub(super) fn closed(code: CloseCode) -> Self {
        Self::Closed(code, code.reason().to_owned())
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Page(_) => "page",
            Self::Lost(_) => "lost",
            Self::Closed(code, _) => code.reason(),
            Self::Moved(_) => CloseCode::Drain.reason(),
        }
    }
}

/// Runs a session on an upgraded stream until it ends; `early` is what the page sent right behind its request, and
/// `permit` is dropped with the session.
pub fn open(
    context: Arc<Context>,
    io: TcpStream,
    early: Bytes,
    address: IpAddr,
    permit: impl Send + 'static,
) {
    let tracker = context.tracker.clone();
    let id = SessionId::random();
    // Only at its level does a session keep one: it would be a good part of what a silent session takes.
    let span = tracing::debug_span!(
        "session",
        session.id = id.as_str(),
        user.id = tracing::field::Empty
    );
    tracing::debug!(parent: &span, address = %address, "session opened");
    let session = Box::new(Session::new(context, io, id));
    tracker.spawn(session.live(early, permit).instrument(span));
}

/// The part of a session that its task owns; boxed, since a future that it is handed on in would hold it twice.
struct Session {
    context: Arc<Context>,
    place: Arc<Place>,
    link: Link,
    desk: Desk,
    health: watch::Receiver<Health>,
    opened_at: Instant,
    ping_at: Instant,
    pong_by: Option<Instant>,
    /// Since when the page takes nothing.
    blocked_since: Option<Instant>,
    /// When to come for answers that wait for company.
    held_until: Option<Instant>,
    is_degraded: bool,
    /// When to tell an outage, should it last.
    degraded_at: Option<Instant>,
    /// Messages that have come and wait for room for their answers.
    unread: VecDeque<Incoming>,
    /// The end that lies behind them.
    behind: Option<End>,
}

impl Session {
    fn new(context: Arc<Context>, io: TcpStream, id: SessionId) -> Self {
        let nobody = User {
            id: UserId::random(),
            name: UserName::trusted("guest"),
            bot: None,
        };
        let (read, write) = io.into_split();
        let place = Arc::new(Place::new(context.clone(), write, nobody));
        let now = Instant::now();
        Self {
            link: Link::new(read, context.bounds.told.frame_bytes),
            desk: Desk::new(context.clone(), place.clone(), id),
            health: context.health.clone(),
            opened_at: now,
            ping_at: now + context.bounds.ping_interval,
            pong_by: None,
            blocked_since: None,
            held_until: None,
            is_degraded: false,
            degraded_at: None,
            unread: VecDeque::new(),
            behind: None,
            place,
            context,
        }
    }

    /// Lives and leaves; a fault of the code ends this session alone, and not without leaving its rooms.
    async fn live(mut self: Box<Self>, early: Bytes, permit: impl Send) {
        let context = self.context.clone();
        let place = self.place.clone();
        context.metrics.sessions.inc();
        context.metrics.sessions_opened.inc();
        context.roll.enter(&place);
        let reason = match AssertUnwindSafe(self.serve(early)).catch_unwind().await {
            Ok(end) => {
                let reason = end.reason();
                tracing::debug!(reason, ?end, "session ended");
                Box::pin(self.part(end)).await;
                reason
            }
            Err(_) => {
                tracing::error!(
                    session.id = self.desk.session().as_str(),
                    "session ended by a fault of this program"
                );
                "fault"
            }
        };
        context
            .metrics
            .sessions_closed
            .with_label_values(&[reason])
            .inc();
        context.metrics.sessions.dec();
        place.outbox.shut();
        context.roll.leave(place.id());
        let rooms = std::mem::take(&mut *place.rooms());
        for room in rooms {
            let leave = Command::Leave {
                seat: place.clone(),
                id: None,
            };
            tell_hub(&context.hub, (room, leave)).await;
        }
        context.broker.forget(Source(place.id().0), None);
        drop(permit);
    }

    async fn serve(&mut self, early: Bytes) -> End {
        self.tell_health();
        let unread = &mut self.unread;
        let received = self
            .link
            .decode(&early, |message| unread.push_back(message));
        drop(early);
        self.behind = behind(received);
        let mut timer = pin!(sleep_until(self.ping_at));
        loop {
            if let Some(letter) = self.place.letter() {
                return End::Moved(letter);
            }
            if self.health.has_changed().unwrap_or(false) {
                self.tell_health();
            }
            if let Some(end) = self.work().await {
                return end;
            }
            if let Err(error) = self.flush().await {
                return End::Lost(Some(error));
            }
            if !self.unread.is_empty() && !self.place.is_backed_up() {
                continue;
            }
            let deadline = self.deadline();
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            if let Err(error) = self.turn(timer.as_mut()).await {
                return End::Lost(Some(error));
            }
            if timer.is_elapsed()
                && let Some(end) = self.strike(Instant::now())
            {
                return end;
            }
        }
    }

    /// Waits until there is something to do, and reads what has come.
    async fn turn(&mut self, mut timer: Pin<&mut Sleep>) -> io::Result<()> {
        let may_read = self.behind.is_none() && !self.place.is_backed_up();
        poll_fn(|context| {
            let budget = ready!(poll_proceed(context));
            let mut is_over = self.place.outbox.poll_news(context).is_ready();
            if may_read {
                let unread = &mut self.unread;
                let take = |message| unread.push_back(message);
                if let Poll::Ready(received) = self.link.poll_receive(context, take) {
                    self.behind = behind(received);
                    is_over = true;
                }
            }
            if self.blocked_since.is_some()
                && let Poll::Ready(ready) = self.link.poll_writable(context)
            {
                ready?;
                is_over = true;
            }
            if is_over || timer.as_mut().poll(context).is_ready() {
                budget.made_progress();
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await
    }

    /// Handles messages while there is room for their answers; returns the end if they lead to one.
    async fn work(&mut self) -> Option<End> {
        while !self.place.is_backed_up() {
            let Some(message) = self.unread.pop_front() else {
                return self.behind.take();
            };
            self.pong_by = None;
            let end = match message {
                Incoming::Text(text) => match self.desk.request(&text) {
                    Ok(orders) => {
                        for order in orders {
                            tell_hub(&self.context.hub, order).await;
                        }
                        None
                    }
                    Err(end) => Some(end),
                },
                Incoming::Ping(payload) => self.desk.count().or_else(|| {
                    self.place.answer(Frame::pong(&payload));
                    None
                }),
                Incoming::Pong(_) => self.desk.count(),
                Incoming::Close(reason) => Some(End::Page(reason)),
                Incoming::Binary(_) => Some(End::closed(CloseCode::Binary)),
            };
            if end.is_some() {
                return end;
            }
        }
        None
    }

    /// Writes what is queued, as far as the page takes it.
    async fn flush(&mut self) -> io::Result<()> {
        let flushed = self.place.outbox.flush()?;
        self.held_until = flushed.held_until;
        self.blocked_since = flushed.blocked_since;
        if let Some(at) = flushed.oldest {
            let waited = self.context.broker.now_ms().saturating_sub(at);
            self.context
                .metrics
                .delivery_latency
                .observe(Duration::from_millis(waited).as_secs_f64());
        }
        for room in flushed.drained {
            let seat = self.place.id();
            tell_hub(&self.context.hub, (room, Command::Drained { seat })).await;
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let hello =
            (!self.desk.is_greeted()).then(|| self.opened_at + self.context.bounds.hello_timeout);
        let stall = self
            .blocked_since
            .map(|since| since + self.context.bounds.pong_timeout);
        let others = [self.pong_by, self.degraded_at];
        [hello, stall]
            .into_iter()
            .chain(others)
            .flatten()
            .fold(self.ping_at, Instant::min)
    }

    /// Does what a deadline asks for; returns the end if it is one.
    fn strike(&mut self, now: Instant) -> Option<End> {
        let bounds = &self.context.bounds;
        if !self.desk.is_greeted() && self.opened_at + bounds.hello_timeout <= now {
            return Some(End::closed(CloseCode::NoHello));
        }
        if self
            .blocked_since
            .is_some_and(|since| since + bounds.pong_timeout <= now)
        {
            return Some(End::closed(CloseCode::Slow));
        }
        if self.place.is_backed_up() {
            // The session does not read now, so a pong could not be seen.
            self.pong_by = self.pong_by.map(|_| now + bounds.pong_timeout);
        }
        if self.pong_by.is_some_and(|by| by <= now) {
            return Some(End::closed(CloseCode::Heartbeat));
        }
        if self.degraded_at.take_if(|at| *at <= now).is_some() {
            self.is_degraded = true;
            self.tell(&Answer::Degraded {
                reason: DegradedReason::Broker,
            });
        }
        if self.ping_at <= now {
            self.ping_at = now + bounds.ping_interval;
            self.pong_by.get_or_insert(now + bounds.pong_timeout);
            self.place.answer(Frame::ping(b""));
            self.rest();
        }
        None
    }

    /// Gives memory back that a silent session does not need: whoever talks takes it again.
    fn rest(&mut self) {
        self.place.outbox.rest();
        if self.unread.is_empty() {
            self.unread = VecDeque::new();
        }
    }

    /// Tells that an outage is over at once, and that one has begun if it lasts.
    fn tell_health(&mut self) {
        let is_down = matches!(*self.health.borrow_and_update(), Health::Down(_));
        if is_down && !self.is_degraded {
            self.degraded_at.get_or_insert(Instant::now() + OUTAGE);
        } else if !is_down {
            self.degraded_at = None;
            if std::mem::take(&mut self.is_degraded) {
                self.tell(&Answer::Recovered {});
            }
        }
    }

    fn tell(&self, answer: &Answer<'_>) {
        self.place.answer(lines::frame(answer));
    }

    /// Says good-bye as the end requires, within [`FAREWELL`] each step.
    async fn part(&mut self, end: End) {
        let farewell = match end {
            End::Lost(_) => return,
            End::Page(reason) => Frame::close_reply(reason.as_ref()),
            End::Moved(letter) => {
                let after_ms = fastrand::u64(0..=millis(letter.spread));
                let reason = letter.reason;
                self.tell(&Answer::Reconnect { after_ms, reason });
                let told = &self.context.metrics.sessions_let_go;
                told.with_label_values(&[reason.as_str()]).inc();
                let by = Instant::now() + self.context.bounds.send_timeout;
                self.flush_until(by, |place| place.is_answered()).await;
                Frame::close(CloseCode::Drain.code(), CloseCode::Drain.reason())
            }
            End::Closed(code, reason) => Frame::close(code.code(), &reason),
        };
        let by = Instant::now() + FAREWELL;
        self.flush_until(by, |_| true).await;
        if self.blocked_since.is_some() {
            return;
        }
        self.place.outbox.close(farewell);
        self.flush_until(by, |_| true).await;
        // The page reads all that was written before it sees the end.
        self.place.outbox.shut();
        // Whether it ended by itself or in time makes no difference any more.
        let _ = timeout_at(Instant::now() + FAREWELL, self.link.end()).await;
    }

    /// Returns true if the last flush has left nothing.
    fn is_flushed(&self) -> bool {
        self.blocked_since.is_none() && self.held_until.is_none()
    }

    /// Writes until nothing waits and `is_done`, or until a time.
    async fn flush_until(&mut self, by: Instant, is_done: impl Fn(&Place) -> bool) {
        loop {
            if self.flush().await.is_err() || self.is_flushed() && is_done(&self.place) {
                return;
            }
            let mut timer = pin!(sleep_until(self.held_until.unwrap_or(by).min(by)));
            let next = poll_fn(|context| {
                if self.place.outbox.poll_news(context).is_ready() {
                    return Poll::Ready(true);
                }
                if self.blocked_since.is_some()
                    && let Poll::Ready(ready) = self.link.poll_writable(context)
                {
                    return Poll::Ready(ready.is_ok());
                }
                timer.as_mut().poll(context).map(|()| true)
            });
            if !next.await || by <= Instant::now() {
                return;
            }
        }
    }
}

/// Hands an order over; what it takes to wait for a full queue is held only then.
async fn tell_hub(hub: &Hub, (room, command): Order) {
    if let Err(order) = hub.offer(room, command) {
        Box::pin(hub.command(order)).await;
    }
}

/// Returns the end that lies behind what was received.
fn behind(received: Received) -> Option<End> {
    match received {
        Received::Messages => None,
        Received::End => Some(End::Lost(None)),
        Received::Broken(violation) => Some(closed_by(&violation)),
    }
}

/// Returns the end that a violation of the wire leads to.
fn closed_by(violation: &Violation) -> End {
    let close = violation.close;
    End::Closed(close, format!("{}: {}", close.reason(), violation.reason))
}
