//! One worker's pipeline: out, answered, done.
//!
//! Every message gets its answer by the end of its call's time. Without one from Redis by then it is
//! [`Refusal::Timeout`]: written or not, only the same key may come again. What Redis answers with an error was not
//! written. With the setting `redis.acks` a pipeline ends with a wait for replicas, and what too few of them have is
//! not known either.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::time::timeout_at;

use super::super::Refusal;
use super::call::{self, Call, Circumstances};
use super::cluster::Redirect;
use super::link::Link;
use super::parcels::{Parcel, Redirected};
use super::positions::Positions;
use super::publisher::lock;
use super::refusals::Refusals;
use super::script::{self, Form};
use super::shard::{Pooled, Shard};
use crate::protocol::{Epoch, millis};

/// How long something without a number may wait for a wire.
const EPHEMERAL_LIMIT: Duration = Duration::from_secs(1);

/// What does not change over the rounds of a parcel.
struct Trip<'a> {
    shard: &'a Shard,
    asking: bool,
    circumstances: &'a Circumstances<'a>,
}

/// Calls that did not run.
#[derive(Default)]
struct Left {
    /// The server has forgotten the script.
    forgotten: Vec<Call>,
    redirected: Vec<Redirected>,
}

/// Sends batches, one at a time.
#[derive(Debug)]
pub(super) struct Sender {
    link: Arc<Link>,
    positions: Arc<Positions>,
    refusals: Arc<Mutex<Refusals>>,
}

impl Sender {
    pub(super) fn new(
        link: Arc<Link>,
        positions: Arc<Positions>,
        refusals: Arc<Mutex<Refusals>>,
    ) -> Self {
        Self {
            link,
            positions,
            refusals,
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn send_timeout(&self) -> Duration {
        self.link.options().send_timeout
    }

    pub(super) fn refusals(&self) -> &Mutex<Refusals> {
        &self.refusals
    }

    /// Sends a parcel and answers all its messages but those of calls that have to go elsewhere.
    pub(super) async fn deliver(&self, parcel: Parcel) -> Vec<Redirected> {
        let Parcel {
            shard,
            asking,
            mut calls,
            ephemeral,
        } = parcel;
        let first_end = calls.iter().map(|call| call.not_after).min();
        let until = first_end.unwrap_or_else(|| Instant::now() + EPHEMERAL_LIMIT);
        let mut wire = match shard.get(until).await {
            Ok(wire) => wire,
            Err(fault) => {
                tracing::debug!(%fault, rooms = calls.len(), "messages cannot be published");
                self.lost();
                calls
                    .iter_mut()
                    .for_each(|call| self.refuse(call, Refusal::Unavailable));
                return Vec::new();
            }
        };
        let (lineage, fresh) = (wire.lineage(), Epoch::random());
        let circumstances = Circumstances {
            link: &self.link,
            positions: &self.positions,
            lineage: &lineage,
            fresh: &fresh,
        };
        let mut pipeline = Pipeline::with_capacity(2 * calls.len() + ephemeral.len() + 1);
        let publish = if self.link.is_cluster() {
            "SPUBLISH"
        } else {
            "PUBLISH"
        };
        for (name, payload) in ephemeral {
            pipeline.cmd(publish).arg(name).arg(payload).ignore();
        }
        // The first call over a wire brings the script along: whoever answers it may never have seen it.
        let first = if wire.is_new() {
            Form::Whole
        } else {
            Form::Hash
        };
        let trip = Trip {
            shard: &shard,
            asking,
            circumstances: &circumstances,
        };
        let answered = self
            .round(&mut wire, pipeline, &mut calls, [first, Form::Hash], &trip)
            .await;
        let (is_sound, redirected) = match answered {
            Some(mut left) if !left.forgotten.is_empty() => {
                let mut again = std::mem::take(&mut left.forgotten);
                let pipeline = Pipeline::with_capacity(2 * again.len() + 1);
                // Rare: boxed, so that what every pipeline allocates and moves is small.
                let answered =
                    Box::pin(self.round(&mut wire, pipeline, &mut again, [Form::Whole; 2], &trip))
                        .await;
                let is_sound = answered.is_some();
                let redirected = answered.into_iter().flat_map(|left| left.redirected);
                left.redirected.extend(redirected);
                (is_sound, left.redirected)
            }
            Some(left) => (true, left.redirected),
            None => (false, Vec::new()),
        };
        if is_sound {
            wire.keep();
        } else {
            self.lost();
        }
        redirected
    }

    /// Sends calls, the first and the others in these forms, and answers their messages; returns the calls that did not
    /// run, and nothing if the wire is of no use any more.
    async fn round(
        &self,
        wire: &mut Pooled,
        mut pipeline: Pipeline,
        calls: &mut Vec<Call>,
        [first, others]: [Form; 2],
        trip: &Trip<'_>,
    ) -> Option<Left> {
        for (index, call) in calls.iter().enumerate() {
            let form = if index == 0 { first } else { others };
            if trip.asking {
                pipeline.cmd("ASKING").ignore();
            }
            pipeline.add_command(call.command(form, trip.circumstances));
        }
        let acks = self.link.options().redis.needed_acks();
        let first_end = calls.iter().map(|call| call.not_after).min();
        let waits_until = first_end.filter(|_| acks > 0);
        if let Some(end) = waits_until {
            let left = millis(end.saturating_duration_since(Instant::now()));
            // Zero would wait for ever.
            pipeline.cmd("WAIT").arg(acks).arg(left.max(1));
        }
        let mut results = self
            .exchange(trip.shard, wire, pipeline.ignore_errors(), calls)
            .await?;
        let is_replicated = waits_until.is_none() || {
            let answer = results.pop().and_then(Result::ok);
            let count = answer.map(redis::from_redis_value::<u32>);
            matches!(count, Some(Ok(count)) if count >= acks)
        };
        let mut left = Left::default();
        let server = trip.shard.dialer().server();
        for (mut call, result) in calls.drain(..).zip(results) {
            let redirect = result
                .as_ref()
                .err()
                .and_then(|error| Redirect::of(error, server.as_ref()?))
                .filter(|_| self.link.is_cluster());
            match result {
                _ if call.messages.is_empty() => {}
                Err(_) if redirect.is_some() => left.redirected.push((call, redirect)),
                Err(error) if script::is_forgotten(&error) && others == Form::Hash => {
                    left.forgotten.push(call)
                }
                result => self.settle(trip.shard, &mut call, result, is_replicated),
            }
        }
        Some(left)
    }

    /// Waits for the answer of a pipeline. Calls whose time ends before are refused; when all are, or the wire breaks,
    /// there is none.
    async fn exchange(
        &self,
        shard: &Shard,
        wire: &mut Pooled,
        pipeline: &Pipeline,
        calls: &mut [Call],
    ) -> Option<Vec<RedisResult<Value>>> {
        let mut answer =
            std::pin::pin!(pipeline.query_async::<Vec<RedisResult<Value>>>(wire.commands()));
        let sent = Instant::now();
        loop {
            let open = calls.iter().filter(|call| !call.messages.is_empty());
            let next_end = match open.map(|call| call.not_after).min() {
                Some(end) => end,
                None if calls.is_empty() => sent + EPHEMERAL_LIMIT,
                None => return None,
            };
            match timeout_at(next_end.into(), &mut answer).await {
                Ok(Ok(results)) => return Some(results),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a publish has no answer");
                    shard.broke();
                    calls
                        .iter_mut()
                        .for_each(|call| self.refuse(call, Refusal::Timeout));
                    return None;
                }
                Err(_) if calls.is_empty() => return None,
                Err(_) => {
                    let now = Instant::now();
                    let ended = calls.iter_mut().filter(|call| call.not_after <= now);
                    ended.for_each(|call| self.refuse(call, Refusal::Timeout));
                }
            }
        }
    }

    /// Answers the messages of a call as its result says.
    fn settle(
        &self,
        shard: &Shard,
        call: &mut Call,
        result: RedisResult<Value>,
        is_replicated: bool,
    ) {
        let answers = match result.map(|value| call::answers(value, call.messages.len())) {
            Ok(Some(answers)) => answers,
            Ok(None) => {
                tracing::error!("the publish script gave an answer that is none");
                return self.refuse(call, Refusal::Timeout);
            }
            Err(error) => return self.refuse(call, self.judge(shard, &error)),
        };
        let now = Instant::now();
        for (message, answer) in call.messages.drain(..).zip(answers) {
            let answer = if is_replicated {
                answer
            } else {
                answer.and(Err(Refusal::Timeout))
            };
            if let Err(refusal) = answer {
                lock(&self.refusals).refused(
                    message.source,
                    &call.room,
                    &message.key,
                    refusal,
                    now,
                );
            }
            message.reply.send(answer);
        }
    }

    /// Returns what a server's error means, and tells of one that does not pass by itself.
    fn judge(&self, shard: &Shard, error: &RedisError) -> Refusal {
        if call::is_demoted(error) {
            shard.drop_all();
        }
        let refusal = call::refusal(error);
        if refusal == Refusal::Unavailable && !call::is_passing(error) {
            tracing::warn!(%error, "Redis refuses to publish");
        } else {
            tracing::debug!(%error, "Redis refuses to publish for now");
        }
        refusal
    }

    pub(super) fn refuse(&self, call: &mut Call, refusal: Refusal) {
        let now = Instant::now();
        for message in call.messages.drain(..) {
            lock(&self.refusals).refused(message.source, &call.room, &message.key, refusal, now);
            message.reply.send(Err(refusal));
        }
    }
}
