//! Sending: always a slice of messages, of which one message is the smallest.
//!
//! One request is one source of the broker, so its messages keep their order per room; what it was refused is
//! forgotten with it.

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::super::refusal::Refusal;
use super::auth::Caller;
use super::send::Sent;
use super::{Api, not_permitted, now};
use crate::broker::publish::short_hash;
use crate::broker::{self, Accepted, Publish, Reply, SharedBroker, Source};
use crate::protocol::{ErrorCode, Key, RoomName, Text, encode_m};
use crate::session::permission::{self, Action};

/// Messages in one request, at most.
pub(super) const MAX_BATCH: u32 = 100;

/// A message in canonical form.
pub(super) struct Outgoing {
    room: RoomName,
    text: String,
    key: Key,
    /// Where the room stands in the request, for a refusal.
    room_field: String,
}

impl Outgoing {
    /// Checks what a person or program wrote; `of` stands before the names of wrong members.
    pub(super) fn check(
        api: &Api,
        room: RoomName,
        text: &str,
        key: Option<&str>,
        of: &str,
    ) -> Result<Self, Refusal> {
        let text = Text::parse(text, api.limits.text).map_err(|fault| {
            Refusal::of_field(fault.code(), format!("{of}text"), fault.to_string())
        })?;
        let key = key.map_or_else(|| Ok(Key::random()), Key::parse);
        let key = key.map_err(|fault| {
            let field = format!("{of}key");
            let message = format!("`{field}` {fault}");
            Refusal::of_field(ErrorCode::BadField, field, message)
        })?;
        Ok(Self {
            room,
            text,
            key,
            room_field: format!("{of}room"),
        })
    }
}

/// The source of one request; what it was refused is forgotten with it.
struct Sending {
    broker: SharedBroker,
    source: Source,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.broker.forget(self.source, None);
    }
}

/// Sends messages in their order and returns what became of each; what is refused already stays refused.
pub(super) async fn publish(
    api: &Api,
    caller: &Caller,
    messages: Vec<Result<Outgoing, Refusal>>,
) -> Vec<Result<Sent, Refusal>> {
    let sending = Sending {
        broker: api.broker.clone(),
        source: api.next_source(),
    };
    let under_way = messages.into_iter().map(|message| {
        let answer = message.and_then(|message| {
            let room = message.room.clone();
            hand_over(api, caller, sending.source, message).map(|answer| (room, answer))
        });
        async move {
            let (room, answer) = answer?;
            // A reply is always sent; only the end of the node drops it.
            match answer.await.unwrap_or(Err(broker::Refusal::Unavailable)) {
                Ok(accepted) => Ok(Sent::new(room, accepted)),
                Err(refusal) => Err(Refusal::new(refusal.code(), refusal.to_string())),
            }
        }
    });
    // Handing over happens in the order of the messages, before any answer is awaited.
    let under_way: Vec<_> = under_way.collect();
    let results = join_all(under_way).await;
    for result in &results {
        match result {
            Ok(_) => api.metrics.messages_accepted.inc(),
            Err(refusal) => api
                .metrics
                .messages_refused
                .with_label_values(&[refusal.code.as_str()])
                .inc(),
        }
    }
    results
}

type Answer = oneshot::Receiver<Result<Accepted, broker::Refusal>>;

fn hand_over(
    api: &Api,
    caller: &Caller,
    source: Source,
    message: Outgoing,
) -> Result<Answer, Refusal> {
    api.metrics.messages_received.inc();
    let Outgoing {
        room,
        text,
        key,
        room_field,
    } = message;
    let Caller(key_of) = caller;
    permission::check(key_of.who(), &room, Action::Send(&text))
        .map_err(|code| not_permitted(code, "publish to", &room))
        .map_err(|refusal| Refusal {
            field: Some(room_field),
            ..refusal
        })?;
    let (answer, answered) = oneshot::channel();
    let (arrived, metrics) = (now(), api.metrics.clone());
    let reply = Reply::new(move |result| {
        metrics
            .publish_duration
            .observe(arrived.elapsed().as_secs_f64());
        // Who asked may be gone.
        let _ = answer.send(result);
    });
    let m = encode_m(&key, &key_of.user, &text).into();
    api.broker.publish(Publish {
        room,
        source,
        author: key_of.user.id.clone(),
        hash: short_hash(&text),
        key,
        m,
        arrived,
        reply,
    });
    Ok(answered)
}
