//! What a page may ask, and who answers it: this file, the hub, or the broker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::context::Context;
use super::hello::greet;
use super::permission::{self, Action, Who};
use super::place::Place;
use super::task::End;
use crate::broker::publish::short_hash;
use crate::broker::{Accepted, Ephemeral, Publish, Refusal, Reply, Source};
use crate::hub::{Command, Order, Seat, lines};
use crate::protocol::{
    Answer, CloseCode, ErrorCode, Key, Refused, Request, RequestId, RoomName, SessionId, User,
    UserName, encode_m, millis,
};

/// Typing is passed on this often in the long run; the rest is dropped, as anything ephemeral may be.
const TYPING_RATE: (u32, u32) = (1, 3);
/// A refused message holds up those after it no longer than this after the last refusal.
const HELD_UP: Duration = Duration::from_secs(10);

/// A room's send that was refused for its rate: those after it must not overtake it.
#[derive(Debug)]
struct Held {
    first: Key,
    until: Instant,
}

/// Takes the requests of one session.
#[derive(Debug)]
pub(super) struct Desk {
    context: Arc<Context>,
    place: Arc<Place>,
    session: SessionId,
    user: Option<User>,
    requests: Bucket,
    sends: Bucket,
    typings: Bucket,
    held: HashMap<RoomName, Held>,
}

/// A refusal on its way to the page: code, what is wrong, and after how many milliseconds to repeat.
type Refusing = (ErrorCode, &'static str, Option<u64>);

impl Desk {
    pub(super) fn new(context: Arc<Context>, place: Arc<Place>, session: SessionId) -> Self {
        let now = now();
        let bounds = &context.bounds;
        let told = &bounds.told;
        Self {
            requests: Bucket::new(bounds.request_rate.0, bounds.request_rate.1, now),
            sends: Bucket::new(told.sends_per_second, told.send_burst, now),
            typings: Bucket::new(TYPING_RATE.0, TYPING_RATE.1, now),
            held: HashMap::new(),
            user: None,
            context,
            place,
            session,
        }
    }

    pub(super) fn session(&self) -> &SessionId {
        &self.session
    }

    /// Returns true if `welcome` has been said.
    pub(super) fn is_greeted(&self) -> bool {
        self.user.is_some()
    }

    /// Counts a frame against the session's rate; returns the end if it is too much.
    pub(super) fn count(&mut self) -> Option<End> {
        self.requests
            .take(now())
            .is_err()
            .then(|| End::closed(CloseCode::Flood))
    }

    /// Takes a text frame; returns what it asks of rooms.
    ///
    /// # Errors
    /// The end, if it leads to one.
    pub(super) fn request(&mut self, text: &str) -> Result<Vec<Order>, End> {
        let mut orders = Vec::new();
        if let Some(end) = self.count() {
            return Err(end);
        }
        let request = match Request::parse(text, &self.context.bounds.requests) {
            Ok(request) => request,
            Err(refused) => {
                self.refuse_frame(&refused);
                return Ok(orders);
            }
        };
        let Some(user) = self.user.clone() else {
            self.before_hello(request);
            return Ok(orders);
        };
        match request {
            Request::Hello { .. } => {
                self.refuse(
                    None,
                    None,
                    (
                        ErrorCode::BadType,
                        "hello has been answered; open another session for another user",
                        None,
                    ),
                );
            }
            Request::Ping { id } => self.pong(&id),
            Request::Join {
                id,
                room,
                after,
                limit,
            } => {
                if let Err(refusing) = self.enter(&user, &room) {
                    self.refuse(Some(&id), Some(&room), refusing);
                } else {
                    let seat = self.place.clone();
                    orders.push((
                        room,
                        Command::Join {
                            seat,
                            id,
                            after,
                            limit,
                        },
                    ));
                }
            }
            Request::Leave { id, room } => {
                if self.place.rooms().remove(&room) {
                    self.held.remove(&room);
                    self.context.broker.forget(self.source(), Some(&room));
                    let seat = self.place.clone();
                    orders.push((room, Command::Leave { seat, id: Some(id) }));
                } else {
                    self.refuse(Some(&id), Some(&room), not_joined());
                }
            }
            Request::Send {
                id,
                room,
                text,
                key,
            } => self.send(user, id, room, &text, key),
            Request::History {
                id,
                room,
                range,
                limit,
            } => {
                if self.may_read(&user, &id, &room) {
                    let (seat, ticket) = (self.place.clone(), self.place.ticket());
                    orders.push((
                        room,
                        Command::History {
                            seat,
                            id,
                            range,
                            limit,
                            ticket,
                        },
                    ));
                }
            }
            Request::Members {
                id,
                room,
                cursor,
                limit,
            } => {
                if self.may_read(&user, &id, &room) {
                    let (seat, ticket) = (self.place.clone(), self.place.ticket());
                    orders.push((
                        room,
                        Command::Members {
                            seat,
                            id,
                            cursor,
                            limit,
                            ticket,
                        },
                    ));
                }
            }
            Request::Typing { room } => {
                if let Err(refusing) = self.member(&user, &room, Action::Type) {
                    self.refuse(None, Some(&room), refusing);
                } else if self.typings.take(now()).is_ok() {
                    self.context
                        .broker
                        .ephemeral(&room, Ephemeral::Typing { user });
                }
            }
            Request::Rename { id, name } => orders = self.rename(user, &id, name),
        }
        Ok(orders)
    }

    fn before_hello(&mut self, request: Request) {
        match request {
            Request::Hello {
                token,
                name,
                client,
                moved_ms,
                ..
            } => {
                let Some(greeting) = greet(&self.context, &self.session, token.as_deref(), name)
                else {
                    let refusing = (
                        ErrorCode::Unavailable,
                        "the node has not reached the broker yet",
                        Some(1000),
                    );
                    return self.refuse(None, None, refusing);
                };
                tracing::Span::current().record("user.id", greeting.user.id.as_str());
                tracing::debug!(client, "session greeted");
                self.place.set_user(greeting.user.clone());
                if let Some(ago) = moved_ms {
                    self.place.moved(Duration::from_millis(ago));
                }
                self.user = Some(greeting.user);
                self.place.answer(greeting.welcome);
            }
            Request::Ping { id } => self.pong(&id),
            _ => self.refuse(None, None, (ErrorCode::BadType, "say hello first", None)),
        }
    }

    fn pong(&self, id: &RequestId) {
        let at = self.context.broker.now_ms();
        self.place.answer(lines::frame(&Answer::Pong { id, at }));
    }

    /// Makes the session a member of a room as far as its own rooms are concerned.
    fn enter(&self, user: &User, room: &RoomName) -> Result<(), Refusing> {
        permission::check(Who::from(user), room, Action::Join).map_err(not_permitted)?;
        let mut rooms = self.place.rooms();
        if rooms.contains(room) {
            return Err((
                ErrorCode::AlreadyJoined,
                "the session is a member of this room",
                None,
            ));
        }
        if rooms.len() >= self.context.bounds.told.rooms {
            return Err((
                ErrorCode::TooManyRooms,
                "leave a room first; welcome tells how many are allowed",
                None,
            ));
        }
        rooms.insert(room.clone());
        Ok(())
    }

    fn member(&self, user: &User, room: &RoomName, action: Action<'_>) -> Result<(), Refusing> {
        if !self.place.rooms().contains(room) {
            return Err(not_joined());
        }
        permission::check(Who::from(user), room, action).map_err(not_permitted)
    }

    /// Returns true if the user may read the room; refuses the request otherwise.
    fn may_read(&self, user: &User, id: &RequestId, room: &RoomName) -> bool {
        let allowed = self.member(user, room, Action::Read);
        if let Err(refusing) = allowed {
            self.refuse(Some(id), Some(room), refusing);
        }
        allowed.is_ok()
    }

    fn send(&mut self, user: User, id: RequestId, room: RoomName, text: &str, key: Key) {
        let metrics = self.context.metrics.clone();
        metrics.messages_received.inc();
        let allowed = self
            .member(&user, &room, Action::Send(text))
            .and_then(|()| self.rate(&room, &key));
        if let Err(refusing) = allowed {
            metrics
                .messages_refused
                .with_label_values(&[refusing.0.as_str()])
                .inc();
            return self.answer_refusal(Some(&id), Some(&room), refusing);
        }
        let arrived = now();
        let place = self.place.clone();
        place.begin_publish();
        let is_accepted_at_once = self.context.bounds.is_accepted_at_once;
        let answered_room = room.clone();
        let reply = Reply::new(move |result| {
            metrics
                .publish_duration
                .observe(arrived.elapsed().as_secs_f64());
            match &result {
                Ok(accepted) => {
                    metrics.messages_accepted.inc();
                    let frame = sent(&id, &answered_room, accepted);
                    if is_accepted_at_once && !accepted.duplicate {
                        place.end_publish_beside(frame, &answered_room, accepted.seq);
                    } else {
                        place.end_publish(frame);
                    }
                }
                Err(refusal) => {
                    metrics
                        .messages_refused
                        .with_label_values(&[refusal.code().as_str()])
                        .inc();
                    place.end_publish(refused(&id, &answered_room, *refusal));
                }
            }
        });
        let m = encode_m(&key, &user, text).into();
        let publish = Publish {
            room,
            source: self.source(),
            author: user.id,
            hash: short_hash(text),
            key,
            m,
            arrived,
            reply,
        };
        self.context.broker.publish(publish);
    }

    /// Takes a send's token, unless an earlier send of the room waits for one: it may not be overtaken.
    fn rate(&mut self, room: &RoomName, key: &Key) -> Result<(), Refusing> {
        let now = now();
        let until = now + HELD_UP;
        if let Some(held) = self.held.get_mut(room) {
            if held.first != *key && now < held.until {
                held.until = until;
                return Err((
                    ErrorCode::RateLimited,
                    "an earlier message of the room was refused; repeat it first",
                    Some(1000),
                ));
            }
            self.held.remove(room);
        }
        self.sends.take(now).map_err(|wait| {
            self.held.insert(
                room.clone(),
                Held {
                    first: key.clone(),
                    until,
                },
            );
            let wait_ms = millis(wait).saturating_add(1);
            (
                ErrorCode::RateLimited,
                "too many messages; welcome tells how many are allowed",
                Some(wait_ms),
            )
        })
    }

    fn rename(&mut self, mut user: User, id: &RequestId, name: UserName) -> Vec<Order> {
        user.name = name;
        self.place.set_user(user.clone());
        self.place
            .answer(lines::frame(&Answer::Renamed { id, user: &user }));
        self.user = Some(user);
        let seat = self.place.id();
        let rooms = self.place.rooms();
        rooms
            .iter()
            .map(|room| (room.clone(), Command::Rename { seat }))
            .collect()
    }

    fn source(&self) -> Source {
        Source(self.place.id().0)
    }

    fn refuse_frame(&self, refused: &Refused) {
        self.context
            .metrics
            .requests_refused
            .with_label_values(&[refused.error.as_str()])
            .inc();
        self.place.answer(lines::frame(&Answer::from(refused)));
    }

    fn refuse(&self, id: Option<&RequestId>, room: Option<&RoomName>, refusing: Refusing) {
        self.context
            .metrics
            .requests_refused
            .with_label_values(&[refusing.0.as_str()])
            .inc();
        self.answer_refusal(id, room, refusing);
    }

    fn answer_refusal(&self, id: Option<&RequestId>, room: Option<&RoomName>, refusing: Refusing) {
        let (code, message, retry_after_ms) = refusing;
        let room = room.map(RoomName::as_str);
        self.place.answer(lines::frame(&Answer::Error {
            id,
            room,
            code,
            field: None,
            message,
            retry_after_ms,
        }));
    }
}

fn sent(id: &RequestId, room: &RoomName, accepted: &Accepted) -> crate::protocol::Frame {
    let Accepted {
        epoch,
        seq,
        at,
        duplicate,
    } = accepted;
    lines::frame(&Answer::Sent {
        id,
        room,
        epoch,
        seq: *seq,
        at: *at,
        duplicate: *duplicate,
    })
}

fn refused(id: &RequestId, room: &RoomName, refusal: Refusal) -> crate::protocol::Frame {
    let code = refusal.code();
    lines::frame(&Answer::Error {
        id: Some(id),
        room: Some(room.as_str()),
        code,
        field: None,
        message: &refusal.to_string(),
        retry_after_ms: code.retry_after_ms(),
    })
}

fn not_joined() -> Refusing {
    (ErrorCode::NotJoined, "join the room first", None)
}

fn not_permitted(code: ErrorCode) -> Refusing {
    (code, "the user may not do this here", code.retry_after_ms())
}

/// Returns the time by tokio's clock, which tests may pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
