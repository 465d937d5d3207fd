//! How gathered changes get into Redis.
//!
//! The lease's index names a room before anything is written in it, and loses the room only after its last user. A call
//! whose answer did not come may have run or may still run until its time is over; nothing is repeated before that.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};
use serde::Serialize;

use super::super::super::PresenceChange;
use super::super::fault::LinkError;
use super::super::lease::LeaseId;
use super::super::script::{self, Call, Script};
use super::changes::Batch;
use super::{BIG_ROOM, COMMON, LONG_LIST, Presence};
use crate::protocol::{RoomName, UserName, millis};

/// Wait after a call without answer, beyond its time: more than the clock can err.
pub(super) const MARGIN: Duration = Duration::from_millis(100);

pub(super) static CHANGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[COMMON, include_str!("../scripts/presence_change.lua")]));

pub(super) static UNINDEX: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("../scripts/presence_index.lua")]));

impl Presence {
    /// Writes batches under the lease; what was not written is due again.
    pub(super) async fn write(
        &self,
        lease: &LeaseId,
        batches: Vec<Batch>,
        until: Instant,
    ) -> Result<(), LinkError> {
        let again = until + MARGIN;
        let answers = match self.index(lease, &batches, until).await {
            Ok(()) => {
                let calls: Vec<_> = batches
                    .iter()
                    .map(|batch| self.call(lease, batch, until))
                    .collect();
                script::run(&self.link, &calls, until).await
            }
            Err(fault) => Err(fault),
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(fault) => {
                let mut changes = self.changes();
                batches
                    .into_iter()
                    .for_each(|batch| changes.unknown(batch, again));
                return Err(fault);
            }
        };
        let rooms: Vec<_> = batches.iter().map(|batch| batch.room.clone()).collect();
        for (batch, answer) in batches.into_iter().zip(answers) {
            self.note(batch, answer, again);
        }
        self.unindex(lease, &rooms, until).await
    }

    /// Names rooms in the lease's index, before anything is written in them.
    async fn index(
        &self,
        lease: &LeaseId,
        batches: &[Batch],
        until: Instant,
    ) -> Result<(), LinkError> {
        let new: Vec<_> = batches.iter().filter(|batch| !batch.is_indexed).collect();
        if new.is_empty() {
            return Ok(());
        }
        let key = lease.rooms(self.link.keys());
        let mut pipeline = redis::pipe();
        pipeline.cmd("SADD").arg(&key);
        for batch in &new {
            pipeline.arg(batch.room.as_str());
        }
        pipeline
            .cmd("PEXPIRE")
            .arg(&key)
            .arg(millis(self.link.options().history_keep));
        for result in self.link.ask(&mut pipeline, until).await? {
            result.map_err(|error| self.link.fault(&error))?;
        }
        let mut changes = self.changes();
        new.iter().for_each(|batch| changes.indexed(batch));
        Ok(())
    }

    fn call(&self, lease: &LeaseId, batch: &Batch, until: Instant) -> Call<'static> {
        let keys = self.link.keys();
        let mut call = CHANGE
            .call([keys.presence(&batch.room)])
            .arg(self.link.clock().at(until))
            .arg(lease.as_str())
            .arg(millis(self.link.options().history_keep))
            .arg(keys.payloads(&batch.room))
            .arg(BIG_ROOM)
            .arg(LONG_LIST);
        for change in &batch.changes {
            call = match change {
                PresenceChange::Here(user) => call.arg(&user.id).arg(about(&user.name, user.bot)),
                PresenceChange::Gone(id) => call.arg(id).arg(""),
            };
        }
        call
    }

    /// Notes what a call came to.
    fn note(&self, batch: Batch, answer: RedisResult<Value>, again: Instant) {
        let answer =
            answer.and_then(|answer| Ok(redis::from_redis_value::<(i64, u64, String)>(answer)?));
        let mut changes = self.changes();
        match answer {
            Ok((written, count, failure)) => match usize::try_from(written) {
                Ok(written) => {
                    if !failure.is_empty() {
                        tracing::debug!(room.name = %batch.room, failure, "presence was written in part");
                    }
                    changes.written(batch, written, count, again);
                }
                Err(_) => changes.unknown(batch, again),
            },
            Err(error) => {
                tracing::debug!(room.name = %batch.room, %error, "presence was refused");
                changes.unknown(batch, again);
            }
        }
    }

    /// Takes rooms that nobody of this node is in any more out of the lease's index.
    async fn unindex(
        &self,
        lease: &LeaseId,
        rooms: &[RoomName],
        until: Instant,
    ) -> Result<(), LinkError> {
        let empty = self.changes().forget_empty(rooms);
        if empty.is_empty() {
            return Ok(());
        }
        let call = UNINDEX
            .call([lease.rooms(self.link.keys())])
            .arg(self.link.clock().at(until));
        let call = empty.iter().fold(call, Call::arg);
        script::run(&self.link, &[call], until).await.map(drop)
    }
}

/// Returns what presence says of a user beside its id, as members of a JSON object without its braces.
fn about(name: &UserName, bot: Option<bool>) -> String {
    #[derive(Serialize)]
    struct About<'a> {
        name: &'a UserName,
        #[serde(skip_serializing_if = "Option::is_none")]
        bot: Option<bool>,
    }
    let object = serde_json::to_string(&About { name, bot }).expect("strings always become JSON");
    object[1..object.len() - 1].to_owned()
}
