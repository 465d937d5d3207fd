//! The faults that both kinds of broker can have: hooks of the memory broker, raw commands and signals to Redis.

use std::time::Duration;

use madang::broker::memory::hooks::Faults;
use madang::broker::{Health, Refusal};
use madang::protocol::RoomName;
use redis::Cmd;

use super::{Bench, Image, Kind};
use crate::support::PATIENCE;
use crate::support::redis::RedisServer;

/// A publish in any room, refused until a test says otherwise.
const ALWAYS: usize = usize::MAX;

/// Returns the key of a part of a room, as the design lays it out.
fn key(room: &RoomName, part: &str) -> String {
    format!("madang:{{{room}}}:{part}")
}

impl Bench {
    fn of_memory(&self) -> Option<Faults> {
        match &self.kind {
            Kind::Memory(store) => Some(store.faults()),
            Kind::Redis(_) | Kind::Elsewhere => None,
        }
    }

    fn server(&mut self) -> &mut RedisServer {
        match &mut self.kind {
            Kind::Redis(server) => server,
            Kind::Memory(_) => unreachable!("asked for after the memory broker was ruled out"),
            Kind::Elsewhere => panic!("a scenario that breaks something needs a Redis of its own"),
        }
    }

    async fn run(&mut self, words: &[&str]) {
        let _: redis::Value = self.server().run(words).await;
    }

    /// Loses everything.
    pub(crate) async fn lose_all(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.lose_all(),
            None => self.run(&["FLUSHALL"]).await,
        }
    }

    /// Loses the log of a room.
    pub(crate) async fn lose_log(&mut self, room: &RoomName) {
        match self.of_memory() {
            Some(faults) => faults.lose_log(room),
            None => self.run(&["DEL", &key(room, "log")]).await,
        }
    }

    /// Loses the meta of a room.
    pub(crate) async fn lose_meta(&mut self, room: &RoomName) {
        match self.of_memory() {
            Some(faults) => faults.lose_meta(room),
            None => self.run(&["DEL", &key(room, "meta")]).await,
        }
    }

    /// Loses the identity key.
    pub(crate) async fn lose_identity_key(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.lose_identity_key(),
            None => self.run(&["DEL", "madang:identity"]).await,
        }
    }

    /// Removes the oldest entries of a log.
    pub(crate) async fn trim(&mut self, room: &RoomName, count: usize) {
        if let Some(faults) = self.of_memory() {
            return faults.trim(room, count);
        }
        let log = key(room, "log");
        let length: usize = self.server().run(&["XLEN", &log]).await;
        let rest = length.saturating_sub(count).to_string();
        self.run(&["XTRIM", &log, "MAXLEN", "=", &rest]).await;
    }

    /// Removes single entries of a log.
    pub(crate) async fn delete(&mut self, room: &RoomName, seqs: &[u64]) {
        if let Some(faults) = self.of_memory() {
            return faults.delete(room, seqs);
        }
        let mut command = redis::cmd("XDEL");
        command.arg(key(room, "log"));
        for seq in seqs {
            command.arg(format!("{seq}-0"));
        }
        let _: redis::Value = self.server().run_command(&command).await;
    }

    /// Copies log and meta of a room.
    pub(crate) async fn image(&mut self, room: &RoomName) -> Image {
        if let Some(faults) = self.of_memory() {
            return Image::Memory(faults.image());
        }
        let mut dumps = Vec::new();
        for key in [key(room, "log"), key(room, "meta")] {
            let dump = self.server().run(&["DUMP", &key]).await;
            dumps.push((key, dump));
        }
        Image::Redis(dumps)
    }

    /// Puts an older log and meta of a room into the place of the present ones, unnoticed.
    pub(crate) async fn rewind(&mut self, room: &RoomName, image: &Image) {
        match (image, self.of_memory()) {
            (Image::Memory(image), Some(faults)) => faults.rewind_room(image, room),
            (Image::Redis(dumps), None) => self.restore(dumps).await,
            _ => panic!("this image is of another broker"),
        }
    }

    /// Puts an older log of a room into the place of the present one, unnoticed; its meta stays.
    pub(crate) async fn rewind_log(&mut self, room: &RoomName, image: &Image) {
        match (image, self.of_memory()) {
            (Image::Memory(image), Some(faults)) => faults.rewind_log(image, room),
            (Image::Redis(dumps), None) => self.restore(&dumps[..1]).await,
            _ => panic!("this image is of another broker"),
        }
    }

    async fn restore(&mut self, dumps: &[(String, Option<Vec<u8>>)]) {
        for (key, dump) in dumps {
            let command: Cmd = match dump {
                Some(dump) => redis::cmd("RESTORE")
                    .arg(key)
                    .arg(0)
                    .arg(&dump[..])
                    .arg("REPLACE")
                    .to_owned(),
                None => redis::cmd("DEL").arg(key).to_owned(),
            };
            let _: redis::Value = self.server().run_command(&command).await;
        }
    }

    /// Writes an entry whose payload is lost; returns its seq.
    pub(crate) async fn put_silently(&mut self, room: &RoomName, m: &'static [u8]) -> u64 {
        if let Some(faults) = self.of_memory() {
            faults.drop_payloads(room, 1);
            return faults.put(room, m).seq;
        }
        let (log, meta) = (key(room, "log"), key(room, "meta"));
        let (epoch, seq, at): (String, u64, String) = self
            .server()
            .run(&["HMGET", &meta, "epoch", "seq", "at"])
            .await;
        let mut add = redis::cmd("XADD");
        add.arg(&log)
            .arg(format!("{}-0", seq + 1))
            .arg("e")
            .arg(epoch)
            .arg("at")
            .arg(at)
            .arg("m")
            .arg(m);
        let _: redis::Value = self.server().run_command(&add).await;
        self.run(&["HSET", &meta, "seq", &(seq + 1).to_string()])
            .await;
        seq + 1
    }

    /// Drops every connection of every node; all come back.
    pub(crate) async fn cut(&mut self) {
        if let Some(faults) = self.of_memory() {
            faults.set_up(false);
            tokio::time::sleep(Duration::from_millis(5)).await;
            faults.set_up(true);
            return;
        }
        self.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .await;
        self.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    }

    /// Takes the broker away, its data kept, and waits until every node has noticed.
    pub(crate) async fn take_down(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.set_up(false),
            None => self.server().kill(),
        }
        self.until_down().await;
    }

    /// Brings the broker back with its data and another lineage, and waits until every node has noticed.
    pub(crate) async fn bring_up(&mut self) {
        match self.of_memory() {
            Some(faults) => {
                faults.restart();
                faults.set_up(true);
            }
            None => self.server().restart().await,
        }
        self.until_up().await;
    }

    /// Takes the broker away and brings it back.
    pub(crate) async fn restart(&mut self) {
        self.take_down().await;
        self.bring_up().await;
    }

    /// Freezes the broker: what it is sent waits, and nothing is answered.
    pub(crate) fn pause(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.set_up(false),
            None => self.server().pause(),
        }
    }

    /// Lets a frozen broker go on, and waits until every node reaches it.
    pub(crate) async fn resume(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.set_up(true),
            None => self.server().resume(),
        }
        self.until_up().await;
    }

    /// Leaves the broker no memory for another message.
    pub(crate) async fn fill(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.refuse(None, Refusal::RedisFull, ALWAYS),
            None => self.run(&["CONFIG", "SET", "maxmemory", "1"]).await,
        }
    }

    /// Gives the broker memory again.
    pub(crate) async fn empty(&mut self) {
        match self.of_memory() {
            Some(faults) => faults.stop_refusing(),
            None => self.run(&["CONFIG", "SET", "maxmemory", "0"]).await,
        }
    }

    async fn until_down(&mut self) {
        for health in &mut self.health {
            let down = health.wait_for(|health| *health != Health::Up);
            let noticed = tokio::time::timeout(PATIENCE, down).await;
            assert!(
                noticed.is_ok(),
                "a node does not notice that the broker is gone"
            );
        }
    }
}
