//! What came of a row.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};

use crate::checker::history::{Event, RoomIndex, What};
use crate::checker::verdict::{Counts, Logged, judge};

/// What people may be told in a row; everything else is a fault of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing was destroyed: no gap, nothing withdrawn.
    Nothing,
    /// Entries were destroyed that somebody had not seen: gaps.
    Gaps,
    /// Entries were destroyed that somebody had seen: gaps, and what is withdrawn; at least one of them.
    Losses,
    /// Entries were destroyed, and whether somebody misses them depends on what the nodes remember.
    Anything,
}

/// Times that were measured for claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timings(BTreeMap<&'static str, (Duration, Vec<Duration>)>);

impl Timings {
    pub(crate) fn add(&mut self, claim: &'static str, took: Duration, deadline: Duration) {
        let entry = self
            .0
            .entry(claim)
            .or_insert_with(|| (deadline, Vec::new()));
        entry.1.push(took);
    }

    /// Returns a sentence for each claim that does not hold: the median is over the deadline, or one over three times.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (claim, (deadline, all)) in &self.0 {
            let (median, longest) = (median(all), all.iter().max().copied().unwrap_or_default());
            if median > *deadline || longest > *deadline * 3 {
                faults.push(format!(
                    "{claim}: {all:.1?}, where {deadline:?} is promised"
                ));
            }
        }
        faults
    }

    /// Returns the longest median of all claims.
    pub(crate) fn whole(&self) -> Option<Duration> {
        self.0.values().map(|(_, all)| median(all)).max()
    }

    fn to_json(&self) -> Value {
        let claims = self.0.iter().map(|(claim, (deadline, all))| {
            let seconds: Vec<f64> = all.iter().map(Duration::as_secs_f64).collect();
            json!({
                "claim": claim,
                "deadline": deadline.as_secs_f64(),
                "median": median(all).as_secs_f64(),
                "longest": all.iter().max().copied().unwrap_or_default().as_secs_f64(),
                "all": seconds,
            })
        });
        claims.collect()
    }
}

fn median(all: &[Duration]) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    sorted.get(all.len() / 2).copied().unwrap_or_default()
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) timings: Timings,
    /// Sessions opened after the first of each talker.
    pub(crate) reconnects: usize,
    /// Sends that were refused for now.
    pub(crate) postponed: usize,
    /// What should not be.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    pub(crate) fn new(
        events: &[Event],
        logs: &HashMap<RoomIndex, Vec<Logged>>,
        told: Told,
        timings: Timings,
        mut faults: Vec<String>,
    ) -> Self {
        let verdict = judge(events, logs);
        let counts = verdict.counts;
        faults.extend(timings.faults());
        if !counts.is_good() {
            faults.extend(verdict.faults);
        }
        let is_as_told = match told {
            Told::Nothing => counts.gaps == 0 && counts.withdrawn == 0,
            Told::Gaps => counts.gaps > 0 && counts.withdrawn == 0,
            Told::Losses => counts.gaps + counts.withdrawn > 0,
            Told::Anything => true,
        };
        if !is_as_told {
            let (gaps, withdrawn) = (counts.gaps, counts.withdrawn);
            faults.push(format!(
                "told: {gaps} in gaps and {withdrawn} withdrawn, where {told:?} was to be told"
            ));
        }
        if counts.delivered == 0 {
            faults.push("nothing was delivered, so nothing is proved".to_owned());
        }
        let count =
            |is_it: fn(&What) -> bool| events.iter().filter(|event| is_it(&event.what)).count();
        let opened = count(|what| matches!(what, What::Opened { .. }));
        let joined = count(|what| matches!(what, What::Joined { .. }));
        let postponed = count(|what| matches!(what, What::Postponed { .. }));
        Self {
            counts,
            timings,
            reconnects: opened.saturating_sub(joined),
            postponed,
            faults,
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "counts": self.counts,
            "times": self.timings.to_json(),
            "reconnects": self.reconnects,
            "postponed": self.postponed,
            "faults": self.faults,
        })
    }
}
