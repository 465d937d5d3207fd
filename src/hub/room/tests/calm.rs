//! What must hold once everything on its way has arrived.

use std::time::Duration;

use super::world::{Weather, World};
use crate::hub::room::catchup::Stage;

/// Rounds until a world is quiet; it takes a dozen.
const MAX_ROUNDS: usize = 300;
/// Reads of one node in a calm.
const MAX_READS: usize = 30;

/// Entries of one read.
const PAGE: usize = 40;

impl World {
    /// Lets everybody come back, everything arrive, and checks what pages show.
    pub(super) fn calm(&mut self) {
        self.trace(|| "it becomes calm".to_owned());
        self.now += Duration::from_secs(3);
        for node in &mut self.nodes {
            node.come_up();
        }
        for guest in 0..self.guests.len() {
            if self.seat(guest).is_none() {
                let node = self.dice.index(self.nodes.len());
                let limit = if self.dice.hits(20) {
                    1 + self.dice.index(6)
                } else {
                    1000
                };
                self.join(guest, node, limit, 1);
            }
        }
        self.guests
            .iter()
            .filter_map(|guest| guest.place.as_ref())
            .for_each(|place| place.desk.widen());
        for node in &mut self.nodes {
            node.come_up();
            node.reads = 0;
        }
        self.settle();
        for node in 0..self.nodes.len() {
            self.nodes[node].probes.push_back(self.keys.probe());
        }
        self.settle();
        self.check_nodes();
        for guest in 0..self.guests.len() {
            self.check_page(guest);
        }
    }

    /// Lets everything arrive.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.now += Duration::from_millis(5);
            for node in 0..self.nodes.len() {
                self.nodes[node].change();
                self.serve(node);
                while let Some(entries) = self.nodes[node].payloads.pop_front() {
                    self.nodes[node].hear(entries);
                    self.serve(node);
                }
                self.nodes[node].see(&self.keys, PAGE);
                self.nodes[node].answer(false, self.now);
                self.serve(node);
                self.nodes[node].answer_roster(false, self.now);
                self.serve(node);
                self.nodes[node].probed();
                self.serve(node);
                self.nodes[node].go_on(self.now);
                self.serve(node);
                self.nodes[node].write();
            }
            for guest in 0..self.guests.len() {
                self.take(guest, usize::MAX);
            }
            if self.is_quiet() {
                return;
            }
        }
        panic!("the world does not become quiet");
    }

    fn is_quiet(&self) -> bool {
        let is_read = |desk: &super::desk::Desk| desk.has_joined() && !desk.is_busy();
        self.nodes.iter().all(super::node::Node::is_quiet)
            && self.guests.iter().all(|guest| {
                guest
                    .place
                    .as_ref()
                    .is_some_and(|place| is_read(&place.desk))
            })
    }

    fn check_nodes(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            assert!(
                node.reads <= MAX_READS,
                "node {index} reads without end: {}",
                node.reads
            );
            if let Some(room) = &node.room {
                let position = room.position().unwrap();
                assert_eq!(
                    position.seq,
                    self.end(),
                    "node {index} does not stand at the end: {position:?}"
                );
                let is_live = room
                    .members
                    .iter()
                    .all(|member| matches!(member.stage, Stage::Live));
                assert!(is_live, "node {index} has members that are not live");
            }
        }
    }

    fn check_page(&self, guest: usize) {
        let page = &self.guests[guest].page;
        let position = page.position().unwrap();
        assert_eq!(
            position.seq,
            self.end(),
            "page {guest} does not stand at the end: {position:?}"
        );
        for (seq, (epoch, key)) in self.keys.entries() {
            let shown = page.shown.get(&seq);
            if shown.is_none() {
                assert!(
                    page.lacks(seq),
                    "page {guest} misses {seq} without having been told"
                );
            }
            assert!(
                shown.is_none_or(|shown| *shown == (epoch.clone(), *key)),
                "page {guest} shows {shown:?} at {seq}"
            );
        }
        if !self.is_meta_lost {
            self.check_withdrawn(guest);
        }
        assert!(
            page.short_skips == 0 || self.is_rewound(),
            "page {guest} was told more than the limit"
        );
        match self.weather {
            Weather::Gentle => assert_eq!(
                page.losses, 0,
                "page {guest} is told of a loss that was none"
            ),
            Weather::Dry => {
                let trimmed = |seq| {
                    page.gaps
                        .iter()
                        .any(|gap| gap.is_trimmed && (gap.from..=gap.to).contains(&seq))
                };
                let there = self.keys.entries().find(|(seq, _)| trimmed(*seq));
                assert_eq!(there, None, "page {guest} was told that this is gone");
            }
            Weather::Restless | Weather::Wild => {}
        }
    }

    /// Returns true if the log may have been rewound, or taken for it.
    fn is_rewound(&self) -> bool {
        matches!(self.weather, Weather::Restless | Weather::Wild)
    }

    /// What is gone from the log may be shown still, but not if another lineage took its number.
    fn check_withdrawn(&self, guest: usize) {
        let chain = self.keys.chain();
        for (seq, (epoch, key)) in &self.guests[guest].page.shown {
            let numbered = chain
                .iter()
                .rev()
                .find(|(_, first)| first <= seq)
                .map(|(epoch, _)| epoch);
            assert!(
                numbered.is_none_or(|now| now == epoch),
                "page {guest} shows {key} at {epoch} {seq}, withdrawn"
            );
        }
    }
}
