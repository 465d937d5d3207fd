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
use super::batch::Batch;
use super::call::{self, Call, Circumstances};
use super::link::{Link, Pooled};
use super::positions::Positions;
use super::publisher::lock;
use super::refusals::Refusals;
use super::script::{self, Form};
use crate::protocol::Epoch;

/// How long something without a number may wait for a wire.
const EPHEMERAL_LIMIT: Duration = Duration::from_secs(1);

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

    pub(super) fn send_timeout(&self) -> Duration {
        self.link.options().send_timeout
    }

    pub(super) fn refusals(&self) -> &Mutex<Refusals> {
        &self.refusals
    }

    /// Sends a batch and answers all its messages.
    pub(super) async fn send(&mut self, batch: Batch) {
        let Batch {
            mut calls,
            ephemeral,
        } = batch;
        if calls.is_empty() && ephemeral.is_empty() {
            return;
        }
        let first_end = calls.iter().map(|call| call.not_after).min();
        let until = first_end.unwrap_or_else(|| Instant::now() + EPHEMERAL_LIMIT);
        let mut wire = match self.link.get(until).await {
            Ok(wire) => wire,
            Err(fault) => {
                tracing::debug!(%fault, rooms = calls.len(), "messages cannot be published");
                calls
                    .iter_mut()
                    .for_each(|call| self.refuse(call, Refusal::Unavailable));
                return;
            }
        };
        let (lineage, fresh) = (wire.lineage(), Epoch::random());
        let circumstances = Circumstances {
            link: &self.link,
            positions: &self.positions,
            lineage: &lineage,
            fresh: &fresh,
        };
        let mut pipeline = Pipeline::with_capacity(calls.len() + ephemeral.len() + 1);
        for (name, payload) in ephemeral {
            pipeline.cmd("PUBLISH").arg(name).arg(payload).ignore();
        }
        // The first call over a wire brings the script along: whoever answers it may never have seen it.
        let first = if wire.is_new() {
            Form::Whole
        } else {
            Form::Hash
        };
        let forgotten = self
            .round(
                &mut wire,
                pipeline,
                &mut calls,
                [first, Form::Hash],
                &circumstances,
            )
            .await;
        let is_sound = match forgotten {
            Some(again) if again.is_empty() => true,
            Some(mut again) => {
                let pipeline = Pipeline::with_capacity(again.len() + 1);
                self.round(
                    &mut wire,
                    pipeline,
                    &mut again,
                    [Form::Whole; 2],
                    &circumstances,
                )
                .await
                .is_some()
            }
            None => false,
        };
        if is_sound {
            wire.keep();
        }
    }

    /// Sends calls, the first and the others in these forms, and answers their messages; returns the calls whose script
    /// the server has forgotten, and nothing if the wire is of no use any more.
    async fn round(
        &self,
        wire: &mut Pooled,
        mut pipeline: Pipeline,
        calls: &mut Vec<Call>,
        [first, others]: [Form; 2],
        circumstances: &Circumstances<'_>,
    ) -> Option<Vec<Call>> {
        for (index, call) in calls.iter().enumerate() {
            let form = if index == 0 { first } else { others };
            pipeline.add_command(call.command(form, circumstances));
        }
        let acks = self.link.options().redis.needed_acks();
        if acks > 0 && !calls.is_empty() {
            let left = calls
                .iter()
                .map(|call| call.not_after)
                .min()
                .map_or(Duration::ZERO, |end| {
                    end.saturating_duration_since(Instant::now())
                });
            // Zero would wait for ever.
            pipeline
                .cmd("WAIT")
                .arg(acks)
                .arg(call::millis(left).max(1));
        }
        let mut results = self.exchange(wire, pipeline.ignore_errors(), calls).await?;
        let is_replicated = if acks > 0 && !calls.is_empty() {
            let answer = results
                .pop()
                .and_then(Result::ok)
                .map(redis::from_redis_value::<u32>);
            matches!(answer, Some(Ok(count)) if count >= acks)
        } else {
            true
        };
        let mut forgotten = Vec::new();
        for (mut call, result) in calls.drain(..).zip(results) {
            match result {
                _ if call.messages.is_empty() => {}
                Err(error) if script::is_forgotten(&error) && others == Form::Hash => {
                    forgotten.push(call)
                }
                result => self.settle(&mut call, result, is_replicated),
            }
        }
        Some(forgotten)
    }

    /// Waits for the answer of a pipeline. Calls whose time ends before are refused; when all are, or the wire breaks,
    /// there is none.
    async fn exchange(
        &self,
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
                    self.link.broke();
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
    fn settle(&self, call: &mut Call, result: RedisResult<Value>, is_replicated: bool) {
        let answers = match result.map(|value| call::answers(value, call.messages.len())) {
            Ok(Some(answers)) => answers,
            Ok(None) => {
                tracing::error!("the publish script gave an answer that is none");
                return self.refuse(call, Refusal::Timeout);
            }
            Err(error) => return self.refuse(call, self.judge(&error)),
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
    fn judge(&self, error: &RedisError) -> Refusal {
        if call::is_demoted(error) {
            self.link.drop_all();
        }
        let refusal = call::refusal(error);
        if refusal == Refusal::Unavailable && !call::is_passing(error) {
            tracing::warn!(%error, "Redis refuses to publish");
        } else {
            tracing::debug!(%error, "Redis refuses to publish for now");
        }
        refusal
    }

    fn refuse(&self, call: &mut Call, refusal: Refusal) {
        let now = Instant::now();
        for message in call.messages.drain(..) {
            lock(&self.refusals).refused(message.source, &call.room, &message.key, refusal, now);
            message.reply.send(Err(refusal));
        }
    }
}
