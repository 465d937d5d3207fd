//! What may happen in the world.

use super::page::Page;
use super::world::{Weather, World};

/// Clean restarts where they may cost nobody anything: who misses more epochs than the chain keeps is told.
const MAX_RESTARTS: usize = 7;

/// Entries of one read: few, so that reads take many pages.
const MAX_PAGE: usize = 4;

/// How often to look for something on its way.
const TRIES: usize = 6;

impl World {
    /// Lets one thing happen.
    pub(super) fn step(&mut self) {
        let node = self.dice.index(self.nodes.len());
        let guest = self.dice.index(self.guests.len());
        match self.dice.below(1000) {
            0..180 => self.publish(node),
            180..640 => {
                // What is on its way is mostly one thing.
                let _ = (0..TRIES).any(|_| self.go_on(node));
            }
            640..780 => {
                let count = 1 + self.dice.index(6);
                self.take(guest, count);
            }
            780..880 => self.come_or_go(guest, node),
            880..905 => self.desert(node),
            905..915 => {
                let lost = self.dice.index(3);
                self.nodes[node].go_down(lost);
                self.trace(|| format!("node {node} is cut off"));
            }
            915..925 => {
                self.nodes[node].answer_again(self.now);
                self.serve(node);
            }
            925..930 => {
                if let Some(room) = &mut self.nodes[node].room {
                    room.suspect();
                }
                self.serve(node);
            }
            930..935 => self.expire(guest),
            935..940 => self.put_back(guest),
            940..955 => self.nodes[node].probes.push_back(self.keys.probe()),
            955..970 => self.restart(),
            _ => self.damage(),
        }
    }

    /// Lets something arrive that is on its way to a node; returns false if nothing of its kind is.
    fn go_on(&mut self, node: usize) -> bool {
        let what = self.dice.below(100);
        let nodes = self.nodes.len();
        let waits = |node: &usize| match what {
            0..40 => !self.nodes[*node].payloads.is_empty(),
            40..55 => self.nodes[*node].is_read_unseen(),
            55..70 => self.nodes[*node].is_read_seen(),
            70..80 => self.nodes[*node].is_roster_read(),
            80..85 => !self.nodes[*node].probes.is_empty(),
            85..92 => !self.nodes[*node].changes.is_empty(),
            92..96 => !self.nodes[*node].drained.is_empty(),
            _ => self.nodes[*node].is_cut_off(),
        };
        let Some(node) = (node..node + nodes).map(|node| node % nodes).find(waits) else {
            return false;
        };
        match what {
            0..40 => self.deliver(node),
            40..55 => {
                let limit = 1 + self.dice.index(MAX_PAGE);
                self.nodes[node].see(&self.keys, limit);
            }
            55..70 => self.answer(node),
            70..80 => {
                let fails = self.dice.hits(20);
                self.nodes[node].answer_roster(fails, self.now);
            }
            80..85 => self.nodes[node].probed(),
            85..92 => self.nodes[node].change(),
            92..96 => self.nodes[node].go_on(self.now),
            _ => self.nodes[node].come_up(),
        }
        self.serve(node);
        true
    }

    fn publish(&mut self, node: usize) {
        if self.weather == Weather::Restless && self.dice.hits(50) {
            self.restart();
        }
        if self.dice.hits(90) {
            self.nodes[node].lineage = self.keys.lineage;
        }
        let lineage = self.nodes[node].lineage;
        // A connection of a lineage that is over is refused by its server.
        if lineage != self.keys.lineage || !self.keys.is_seen(lineage, &self.nodes[node].delivered)
        {
            return;
        }
        let mut batch = Vec::new();
        for _ in 0..=self.dice.below(3) {
            if !self.unanswered.is_empty() && self.dice.hits(30) {
                batch.push(self.unanswered[self.dice.index(self.unanswered.len())]);
            } else {
                self.sent += 1;
                batch.push(self.sent);
            }
        }
        let entries = self
            .keys
            .publish(lineage, &self.nodes[node].delivered, &batch);
        for key in batch {
            self.unanswered.retain(|other| *other != key);
            if self.dice.hits(20) {
                self.unanswered.push(key);
            }
        }
        let Some((first, last)) = entries.first().zip(entries.last()) else {
            return;
        };
        self.trace(|| {
            format!(
                "node {node} publishes {} {} to {}",
                first.epoch, first.seq, last.seq
            )
        });
        for other in 0..self.nodes.len() {
            let copies = match self.dice.below(100) {
                0..12 => 0,
                12..16 => 2,
                _ => 1,
            };
            if self.nodes[other].is_up {
                (0..copies).for_each(|_| self.nodes[other].payloads.push_back(entries.clone()));
            }
        }
        if self.dice.hits(50) {
            self.keys.back_up();
        }
    }

    /// Delivers a payload, mostly the oldest.
    fn deliver(&mut self, node: usize) {
        let waiting = self.nodes[node].payloads.len();
        if waiting == 0 {
            return;
        }
        let index = if self.dice.hits(10) {
            self.dice.index(waiting)
        } else {
            0
        };
        if let Some(entries) = self.nodes[node].payloads.remove(index) {
            let (epoch, from, to) = (
                &entries[0].epoch,
                entries[0].seq,
                entries[entries.len() - 1].seq,
            );
            self.trace(|| {
                format!(
                    "node {node} hears {epoch} {from} to {to} at {:?}",
                    self.nodes[node].position()
                )
            });
            self.nodes[node].hear(entries);
        }
    }

    fn answer(&mut self, node: usize) {
        let fails = self.dice.hits(8);
        self.nodes[node].answer(fails, self.now);
        self.trace(|| {
            format!(
                "node {node} has its read answered and stands at {:?}",
                self.nodes[node].position()
            )
        });
    }

    fn come_or_go(&mut self, guest: usize, node: usize) {
        if self.seat(guest).is_some() {
            let reads_on = self.dice.hits(30);
            return self.leave(guest, reads_on);
        }
        match self.dice.below(20) {
            0..4 => self.guests[guest].page = Page::default(),
            4 if matches!(self.weather, Weather::Restless | Weather::Wild) => {
                let position = self.odd_position();
                self.guests[guest].page = Page::at(position);
            }
            _ => {}
        }
        let limit = if self.dice.hits(30) {
            1 + self.dice.index(6)
        } else {
            1000
        };
        let bound = 1 + self.dice.index(12);
        self.join(guest, node, limit, bound);
    }

    fn desert(&mut self, node: usize) {
        self.nodes[node].sweep(self.now);
        self.nodes[node].close();
    }

    /// Puts a page back to what it was some time ago.
    fn put_back(&mut self, guest: usize) {
        if self.seat(guest).is_none() {
            let guest = &mut self.guests[guest];
            std::mem::swap(&mut guest.page, &mut guest.earlier);
        } else if self.guests[guest].page.position().is_some() {
            self.guests[guest].earlier = self.guests[guest].page.clone();
        }
    }

    fn restart(&mut self) {
        let is_counted = matches!(self.weather, Weather::Gentle | Weather::Dry);
        if !is_counted || self.restarts < MAX_RESTARTS {
            self.restarts += 1;
            self.trace(|| "the server restarts".to_owned());
            self.keys.restart();
        }
    }

    fn damage(&mut self) {
        let kind = self.dice.below(30);
        match (self.weather, kind) {
            (Weather::Gentle, _) | (Weather::Restless, 0..28) => return,
            (_, 0..8) => {
                let held = self.keys.entries().count();
                self.keys.trim(self.dice.index(held + 1));
            }
            (_, 8..14) => self.keys.delete(|held| self.dice.index(held)),
            (Weather::Dry, _) => return,
            (_, 14..19) => self.keys.rewind(|held| self.dice.index(held)),
            (_, 19..24) => self.keys.restore(|held| self.dice.index(held)),
            (_, 24..26) => self.keys.flush(),
            (_, 26..28) => self.keys.lose_log(),
            _ => {
                self.is_meta_lost = true;
                self.keys.lose_meta();
            }
        }
        self.trace(|| {
            format!(
                "damage {kind}: the log ends at {} of {:?}",
                self.keys.end(),
                self.keys.chain()
            )
        });
    }
}
