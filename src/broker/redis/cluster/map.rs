//! Which master has which slot, as one member of the Cluster tells it.

use std::collections::HashMap;
use std::sync::Arc;

use redis::{RedisError, RedisResult, Value};

use super::super::shard::Shard;
use crate::config::ServerAddress;

/// Number of slots.
pub const SLOTS: usize = 16_384;

/// Stands for a slot that nobody has.
const NOBODY: u16 = u16::MAX;

/// Returns the slot of a key: that of its hash tag, if it has one.
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &rest[..length])
    });
    let slots = u16::try_from(SLOTS).expect("16384 fits");
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % slots
}

/// What a member told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its `cluster_current_epoch`: whoever was cut off knows a lower one.
    pub(super) epoch: u64,
    /// First slot, last slot, master.
    pub(super) ranges: Vec<(u16, u16, ServerAddress)>,
}

impl Told {
    /// Reads the answers of `CLUSTER INFO` and `CLUSTER SLOTS` that `asked` gave.
    pub(super) fn parse(info: Value, slots: Value, asked: &ServerAddress) -> RedisResult<Self> {
        let info: String = redis::from_redis_value(info)?;
        let epoch = info
            .lines()
            .find_map(|line| line.strip_prefix("cluster_current_epoch:"))
            .and_then(|epoch| epoch.trim().parse().ok())
            .ok_or_else(|| malformed("CLUSTER INFO without cluster_current_epoch"))?;
        let rows: Vec<Vec<Value>> = redis::from_redis_value(slots)?;
        let ranges: RedisResult<Vec<_>> = rows.into_iter().map(|row| range(row, asked)).collect();
        Ok(Self {
            epoch,
            ranges: ranges?,
        })
    }
}

/// Reads a row: first slot, last slot, and then the master before its replicas.
fn range(row: Vec<Value>, asked: &ServerAddress) -> RedisResult<(u16, u16, ServerAddress)> {
    let mut parts = row.into_iter();
    let mut next = || {
        parts
            .next()
            .ok_or_else(|| malformed("CLUSTER SLOTS with a short row"))
    };
    let (first, last) = (
        redis::from_redis_value::<u16>(next()?)?,
        redis::from_redis_value::<u16>(next()?)?,
    );
    let mut master = redis::from_redis_value::<Vec<Value>>(next()?)?.into_iter();
    let (Some(host), Some(port)) = (master.next(), master.next()) else {
        return Err(malformed("CLUSTER SLOTS with a master without an address"));
    };
    // A member that does not know its own host says so: it is the one that was asked.
    let host = redis::from_redis_value::<Option<String>>(host)?
        .filter(|host| !host.is_empty() && host != "?")
        .unwrap_or_else(|| asked.host.clone());
    let port = redis::from_redis_value(port)?;
    if first > last || usize::from(last) >= SLOTS {
        return Err(malformed("CLUSTER SLOTS with slots that are none"));
    }
    Ok((first, last, ServerAddress { host, port }))
}

fn malformed(what: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::UnexpectedReturnType, what))
}

/// The masters and their slots.
#[derive(Debug)]
pub struct Map {
    pub(super) epoch: u64,
    shards: Vec<(ServerAddress, Arc<Shard>)>,
    /// For each slot the index of its shard.
    owners: Vec<u16>,
}

impl Map {
    /// Returns a map on which nobody has any slot.
    pub(super) fn empty() -> Self {
        Self {
            epoch: 0,
            shards: Vec::new(),
            owners: vec![NOBODY; SLOTS],
        }
    }

    /// Draws what was told, with `shard` giving the way to each master.
    pub(super) fn draw(told: &Told, mut shard: impl FnMut(&ServerAddress) -> Arc<Shard>) -> Self {
        let mut map = Self::empty();
        map.epoch = told.epoch;
        let mut indices = HashMap::new();
        for (first, last, master) in &told.ranges {
            let index = *indices.entry(master).or_insert_with(|| {
                map.shards.push((master.clone(), shard(master)));
                map.shards.len() - 1
            });
            let index = u16::try_from(index).unwrap_or(NOBODY);
            map.owners[usize::from(*first)..=usize::from(*last)].fill(index);
        }
        map
    }

    /// Returns the masters that have slots.
    #[must_use]
    pub fn shards(&self) -> &[(ServerAddress, Arc<Shard>)] {
        &self.shards
    }

    /// Returns the master of a slot, if it has one.
    #[must_use]
    pub fn owner(&self, slot: u16) -> Option<&(ServerAddress, Arc<Shard>)> {
        let index = *self.owners.get(usize::from(slot))?;
        self.shards.get(usize::from(index))
    }

    /// Returns true if both give each slot to the same master.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let addresses = |map: &Self| -> Vec<_> {
            let owners = map.owners.iter();
            owners
                .map(|index| {
                    map.shards
                        .get(usize::from(*index))
                        .map(|(address, _)| address.clone())
                })
                .collect()
        };
        self.shards.len() == other.shards.len() && addresses(self) == addresses(other)
    }

    /// Returns the shortest number whose slot is this master's.
    #[must_use]
    pub fn tag_of(&self, master: &ServerAddress) -> Option<String> {
        // A hundred times as many numbers as slots: each slot is among them.
        let numbers = 0..100 * SLOTS;
        numbers
            .map(|number| number.to_string())
            .find(|tag| {
                let owner = self.owner(slot_of(tag.as_bytes()));
                owner.is_some_and(|(address, _)| address == master)
            })
            .filter(|_| self.shards.iter().any(|(address, _)| address == master))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> ServerAddress {
        ServerAddress {
            host: "10.0.0.1".to_owned(),
            port,
        }
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn row(first: i64, last: i64, host: Value, port: i64) -> Value {
        let master = Value::Array(vec![host, Value::Int(port), bulk("id")]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        for (key, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("a:{foo}:b", 12_182),
            ("{}foo", slot_of(b"{}foo")),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_ne!(slot_of(b"{}foo"), slot_of(b"foo"));
        assert_eq!(slot_of(b"{foo}{bar}"), slot_of(b"foo"));
        assert_ne!(slot_of(b"{foo"), slot_of(b"foo"));
    }

    #[test]
    fn a_map_is_read_whoever_hides_its_host() {
        let info = || bulk("cluster_state:ok\r\ncluster_current_epoch:7\r\n");
        let slots = Value::Array(vec![
            row(0, 5, bulk("10.0.0.1"), 7000),
            row(6, 9, bulk(""), 7001),
            row(10, 16_383, Value::Nil, 7002),
        ]);
        let told = Told::parse(info(), slots, &address(1)).unwrap();
        assert_eq!(told.epoch, 7);
        let expected = [
            (0, 5, address(7000)),
            (6, 9, address(7001)),
            (10, 16_383, address(7002)),
        ];
        assert_eq!(told.ranges, expected);
        for broken in [
            row(0, 16_384, bulk("h"), 1),
            row(5, 4, bulk("h"), 1),
            Value::Array(vec![Value::Int(1)]),
        ] {
            let slots = Value::Array(vec![broken]);
            assert!(Told::parse(info(), slots, &address(1)).is_err());
        }
        assert!(Told::parse(bulk("none"), Value::Array(Vec::new()), &address(1)).is_err());
    }
}
