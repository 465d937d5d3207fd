//! The end: what was accepted, what stands on the screens and what the logs hold, compared.

use std::collections::{HashMap, HashSet};

use super::{Judge, Logged};
use crate::checker::history::{Place, RoomIndex};

impl Judge {
    /// Compares what was accepted, what stands on the screens and what the logs hold.
    pub(super) fn close(&mut self, logs: &HashMap<RoomIndex, Vec<Logged>>) {
        let kept = self.compare_logs(logs);
        self.compare_screens(logs);
        self.compare_accepted(&kept);
    }

    /// Returns the messages that the logs hold.
    fn compare_logs(
        &mut self,
        logs: &HashMap<RoomIndex, Vec<Logged>>,
    ) -> HashSet<(RoomIndex, String)> {
        let mut kept = HashSet::new();
        for (room, log) in logs {
            for Logged { place, key, text } in log {
                let is_made = self.messages.get(key).is_some_and(|it| it.text == *text);
                let stands = self.places.get(&(*room, place.clone()));
                if !is_made || stands.is_some_and(|other| other != key) {
                    self.verdict.counts.phantom += 1;
                    self.complain(format!(
                        "the log of room {room} holds {key} at {place:?}, which is not so"
                    ));
                } else if !kept.insert((*room, key.clone())) {
                    self.verdict.counts.doubled += 1;
                    self.complain(format!(
                        "the log of room {room} holds {key} twice, at {place:?}"
                    ));
                }
            }
        }
        kept
    }

    /// What a screen shows where the log begins and behind it, the log must hold: otherwise it was lost without a word.
    fn compare_screens(&mut self, logs: &HashMap<RoomIndex, Vec<Logged>>) {
        let mut complaints = Vec::new();
        for ((room, who), member) in &self.members {
            let Some(log) = logs.get(room) else { continue };
            let places: HashSet<&Place> = log.iter().map(|logged| &logged.place).collect();
            let first = log.first().map_or(u64::MAX, |logged| logged.place.seq);
            for (place, key) in member.screen.range(first..).map(|(_, shown)| shown) {
                if !places.contains(place) {
                    self.verdict.counts.lost += 1;
                    complaints.push(format!(
                        "{who} still shows {key} at {place:?}, which the log does not hold"
                    ));
                }
            }
        }
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
    }

    /// Whoever was a member when a message was made has it on the screen, or was told.
    fn compare_accepted(&mut self, kept: &HashSet<(RoomIndex, String)>) {
        let mut complaints = Vec::new();
        for (key, message) in &self.messages {
            let Some(place) = &message.accepted else {
                if !message.is_asked {
                    self.verdict.counts.unanswered += 1;
                    complaints.push(format!("{key} of {} was never answered", message.from));
                }
                continue;
            };
            let is_kept = kept.contains(&(message.room, key.clone()));
            let is_withdrawn = !is_kept
                && self.rewinds.iter().any(|(room, told)| {
                    *room == message.room && told.covers(message.made, place.seq)
                });
            for ((room, who), member) in &self.members {
                let is_owed =
                    *room == message.room && member.since.is_some_and(|since| since < message.made);
                if !is_owed
                    || is_withdrawn
                    || member.keys.contains_key(key)
                    || member.holes.contains(&place.seq)
                {
                    continue;
                }
                let mut told = member
                    .told
                    .iter()
                    .filter(|told| told.covers(message.made, place.seq))
                    .peekable();
                let is_told = told.peek().is_some();
                let is_true = told.any(|told| told.is_kept || !is_kept);
                if !is_true {
                    self.verdict.counts.lost += 1;
                    let but = if is_told {
                        "was told that it is gone, but the log has it"
                    } else {
                        "was told nothing"
                    };
                    complaints.push(format!(
                        "{who} misses {key}, accepted at {place:?}, and {but}"
                    ));
                }
            }
        }
        complaints
            .into_iter()
            .for_each(|complaint| self.complain(complaint));
    }
}
