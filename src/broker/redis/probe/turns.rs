//! Whose turn it is to be probed.
//!
//! Every room has its turn once per interval, spread evenly over it; rooms that may have missed something come at once.
//! No second sees more than the budget, and turns take a part of it only: with more rooms the interval stretches.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::protocol::RoomName;

/// How long an entry that was lost on the way stays unnoticed at most, while the budget allows it.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// The part of the budget that turns may take. They look for what should not happen, and cost Redis as long as a node
/// lives; the whole budget is for rooms that have been interrupted.
const TURNS_SHARE: f64 = 0.2;

/// The rooms in the order of their turns.
#[derive(Debug)]
pub(super) struct Turns {
    queue: VecDeque<Turn>,
    known: HashSet<RoomName>,
    urgent: VecDeque<RoomName>,
    is_urgent: HashSet<RoomName>,
    per_second: f64,
    refresh_after: Duration,
    /// Turns that have come but were not taken yet.
    credit: f64,
    /// Probes that the budget allows now.
    allowance: f64,
    counted: Instant,
}

#[derive(Debug)]
struct Turn {
    room: RoomName,
    since: Instant,
    refreshed: Option<Instant>,
}

/// A room to be probed now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) room: RoomName,
    /// Whether its expiry is to be moved too.
    pub(super) refresh: bool,
}

impl Turns {
    /// Begins without rooms; `refresh_after` is the time between two moves of a room's expiry.
    pub(super) fn new(per_second: u32, refresh_after: Duration, now: Instant) -> Self {
        Self {
            queue: VecDeque::new(),
            known: HashSet::new(),
            urgent: VecDeque::new(),
            is_urgent: HashSet::new(),
            per_second: f64::from(per_second.max(1)),
            refresh_after,
            credit: 0.0,
            allowance: 0.0,
            counted: now,
        }
    }

    /// Gives a room its turns, the first within one interval.
    pub(super) fn add(&mut self, room: &RoomName, now: Instant) {
        if self.known.insert(room.clone()) {
            self.queue.push_back(Turn {
                room: room.clone(),
                since: now,
                refreshed: None,
            });
        }
    }

    /// Gives a room a turn before all others.
    pub(super) fn soon(&mut self, room: &RoomName) {
        if self.is_urgent.insert(room.clone()) {
            self.urgent.push_back(room.clone());
        }
    }

    /// Returns the rooms whose turn it is, at most `limit`; those that are not subscribed lose theirs.
    pub(super) fn take(
        &mut self,
        limit: usize,
        now: Instant,
        is_subscribed: impl Fn(&RoomName) -> bool,
    ) -> Vec<Due> {
        self.count(limit, now);
        let mut due = Vec::new();
        while due.len() < limit && self.allowance >= 1.0 {
            let next = self
                .next_urgent(&is_subscribed)
                .or_else(|| self.next_in_turn(now, &is_subscribed));
            let Some(next) = next else { break };
            self.allowance -= 1.0;
            due.push(next);
        }
        due
    }

    /// Returns the time between two turns of a room, as the budget allows it now.
    pub(super) fn interval(&self) -> Duration {
        let rooms = self.queue.len() as f64;
        INTERVAL.max(Duration::from_secs_f64(
            rooms / (self.per_second * TURNS_SHARE),
        ))
    }

    fn count(&mut self, limit: usize, now: Instant) {
        let elapsed = now.saturating_duration_since(self.counted).as_secs_f64();
        self.counted = now;
        let rate = self.queue.len() as f64 / self.interval().as_secs_f64();
        // What was not taken in time does not come as a burst later.
        let most = (limit as f64).max(self.per_second / 10.0);
        self.credit = (self.credit + elapsed * rate)
            .min(most)
            .min(self.queue.len() as f64);
        self.allowance = (self.allowance + elapsed * self.per_second).min(most);
    }

    fn next_urgent(&mut self, is_subscribed: impl Fn(&RoomName) -> bool) -> Option<Due> {
        while let Some(room) = self.urgent.pop_front() {
            self.is_urgent.remove(&room);
            if is_subscribed(&room) {
                return Some(Due {
                    room,
                    refresh: false,
                });
            }
        }
        None
    }

    fn next_in_turn(
        &mut self,
        now: Instant,
        is_subscribed: impl Fn(&RoomName) -> bool,
    ) -> Option<Due> {
        loop {
            let waited = now.saturating_duration_since(self.queue.front()?.since);
            // Rooms that go make the others' turns come slower, but never later than after one interval.
            if waited.is_zero() || (self.credit < 1.0 && waited < self.interval()) {
                return None;
            }
            let mut turn = self.queue.pop_front()?;
            if !is_subscribed(&turn.room) {
                self.known.remove(&turn.room);
                continue;
            }
            self.credit = (self.credit - 1.0).max(0.0);
            let refresh = turn
                .refreshed
                .is_none_or(|at| now.saturating_duration_since(at) >= self.refresh_after);
            turn.since = now;
            if refresh {
                turn.refreshed = Some(now);
            }
            let due = Due {
                room: turn.room.clone(),
                refresh,
            };
            self.queue.push_back(turn);
            return Some(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const TICK: Duration = Duration::from_millis(20);
    const HOUR: Duration = Duration::from_secs(3600);

    fn room(index: usize) -> RoomName {
        RoomName::parse(&format!("r{index}")).unwrap()
    }

    /// Returns the turns of so many rooms under a budget of 5,000.
    fn crowd(rooms: usize, now: Instant) -> Turns {
        let mut turns = Turns::new(5000, HOUR, now);
        (0..rooms).for_each(|index| turns.add(&room(index), now));
        turns
    }

    fn names(due: Vec<Due>) -> Vec<RoomName> {
        due.into_iter().map(|due| due.room).collect()
    }

    /// Takes turns for a while and returns how many came in each tick.
    fn run(
        turns: &mut Turns,
        now: &mut Instant,
        ticks: usize,
        seen: &mut HashMap<RoomName, Instant>,
    ) -> Vec<usize> {
        (0..ticks)
            .map(|_| {
                *now += TICK;
                let taken = names(turns.take(128, *now, |_| true));
                let count = taken.len();
                seen.extend(taken.into_iter().map(|room| (room, *now)));
                count
            })
            .collect()
    }

    #[test]
    fn every_room_has_its_turn_within_the_interval_and_none_in_a_burst() {
        let mut now = Instant::now();
        let mut turns = crowd(1000, now);
        let mut seen = HashMap::new();
        let counts = run(&mut turns, &mut now, 251, &mut seen);
        assert_eq!(seen.len(), 1000);
        assert!(counts.iter().all(|count| *count <= 5), "{counts:?}");
        assert_eq!(turns.interval(), INTERVAL);
    }

    #[test]
    fn a_single_room_has_its_turn_each_interval() {
        let mut now = Instant::now();
        let mut turns = Turns::new(5000, HOUR, now);
        turns.add(&room(1), now);
        let counts = run(&mut turns, &mut now, 1000, &mut HashMap::new());
        assert_eq!(counts.iter().sum::<usize>(), 4);
    }

    #[test]
    fn rooms_that_go_do_not_delay_those_that_stay() {
        let mut now = Instant::now();
        let begin = now;
        let mut turns = crowd(100, now);
        run(&mut turns, &mut now, 120, &mut HashMap::new());
        let stays = room(99);
        while names(turns.take(128, now, |room| *room == stays)).is_empty() {
            now += TICK;
        }
        assert!(now - begin <= INTERVAL + TICK, "{:?}", now - begin);
        assert_eq!(
            names(turns.take(128, now + INTERVAL, |room| *room == stays)),
            [room(99)]
        );
        assert_eq!(turns.known.len(), 1);
    }

    #[test]
    fn the_budget_stretches_the_interval_and_holds_for_urgent_rooms() {
        let mut now = Instant::now();
        let mut turns = Turns::new(100, HOUR, now);
        for index in 0..1000 {
            turns.add(&room(index), now);
            turns.soon(&room(index));
        }
        assert_eq!(turns.interval(), Duration::from_secs(50));
        let counts = run(&mut turns, &mut now, 500, &mut HashMap::new());
        assert!(
            (990..=1000).contains(&counts.iter().sum::<usize>()),
            "{counts:?}"
        );
        assert!(counts.iter().all(|count| *count <= 3), "{counts:?}");
    }

    #[test]
    fn turns_take_their_share_of_the_budget_only() {
        let mut now = Instant::now();
        let mut turns = crowd(10_000, now);
        assert_eq!(turns.interval(), Duration::from_secs(10));
        let mut seen = HashMap::new();
        let counts = run(&mut turns, &mut now, 1000, &mut seen);
        let total: usize = counts.iter().sum();
        assert!((19_900..=20_000).contains(&total), "{total}");
        assert_eq!(seen.len(), 10_000);
        assert!(counts.iter().all(|count| *count <= 21), "{counts:?}");
    }

    #[test]
    fn urgent_rooms_come_first_and_once() {
        let mut now = Instant::now();
        let mut turns = crowd(3, now);
        turns.soon(&room(2));
        turns.soon(&room(2));
        turns.soon(&room(7));
        now += TICK;
        assert_eq!(
            names(turns.take(9, now, |room| room.as_str() != "r7")),
            [room(2)]
        );
        assert_eq!(turns.take(9, now, |_| true), []);
    }

    #[test]
    fn an_expiry_is_moved_at_the_first_turn_and_after_its_time() {
        let mut now = Instant::now();
        let mut turns = Turns::new(5000, Duration::from_secs(12), now);
        turns.add(&room(1), now);
        let mut refreshed = Vec::new();
        for _ in 0..6 {
            now += INTERVAL;
            refreshed.extend(
                turns
                    .take(9, now, |_| true)
                    .into_iter()
                    .map(|due| due.refresh),
            );
        }
        assert_eq!(refreshed, [true, false, false, true, false, false]);
    }
}
