use super::*;

/// Where those who were let go come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Balancer {
    /// Any node.
    Random,
    /// The node with the fewest sessions.
    Least,
    /// The node that they came from.
    Sticky,
}

/// A fleet in which only counts matter.
struct Fleet {
    balancer: Balancer,
    percent: u32,
    /// Whether pages say that they were moved.
    are_told: bool,
    now: Instant,
    nodes: Vec<Node>,
    /// Sessions on the way: when they arrive, and where they come from.
    away: Vec<(Instant, usize)>,
    dice: u64,
    moves: usize,
    moved_at: Instant,
    stops: Vec<Stop>,
}

struct Node {
    balance: Balance,
    lease: FleetNode,
    /// Never moved, and moved once.
    fresh: usize,
    resting: usize,
}

impl Node {
    fn sessions(&self) -> usize {
        self.fresh + self.resting
    }
}

impl Fleet {
    fn new(balancer: Balancer, sessions: &[usize]) -> Self {
        let now = Instant::now();
        let mut fleet = Self {
            balancer,
            percent: 2,
            are_told: true,
            now,
            nodes: Vec::new(),
            away: Vec::new(),
            dice: 7,
            moves: 0,
            moved_at: now,
            stops: Vec::new(),
        };
        for sessions in sessions {
            fleet.add(*sessions, "g1");
        }
        fleet
    }

    fn add(&mut self, sessions: usize, generation: &str) {
        let name = NodeId::parse(&format!("n{}", self.nodes.len())).unwrap();
        let lease = FleetNode {
            generation: generation.to_owned(),
            sessions: sessions as u64,
            ..FleetNode::new(name.clone())
        };
        self.nodes.push(Node {
            balance: Balance::new(name, self.percent, self.now),
            lease,
            fresh: sessions,
            resting: 0,
        });
    }

    fn chance(&mut self, below: usize) -> usize {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.dice >> 33).unwrap() % below
    }

    fn counts(&self) -> Vec<usize> {
        self.nodes.iter().map(Node::sessions).collect()
    }

    /// One second: leases are renewed every third one, and who was let go is back after two.
    fn second(&mut self, number: u64) {
        self.now += Duration::from_secs(1);
        let (arrived, away) = self.away.iter().partition(|(at, _)| *at <= self.now);
        self.away = away;
        let arrived: Vec<(Instant, usize)> = arrived;
        for (_, from) in arrived {
            let to = match self.balancer {
                Balancer::Random => self.chance(self.nodes.len()),
                Balancer::Least => {
                    let counts = self.counts();
                    (0..counts.len()).min_by_key(|node| counts[*node]).unwrap()
                }
                Balancer::Sticky => from,
            };
            match self.are_told {
                true => self.nodes[to].resting += 1,
                false => self.nodes[to].fresh += 1,
            }
        }
        if number.is_multiple_of(3) {
            for node in &mut self.nodes {
                node.lease.sessions = node.sessions() as u64;
            }
        }
        let leases: Vec<_> = self.nodes.iter().map(|node| node.lease.clone()).collect();
        for from in 0..self.nodes.len() {
            let node = &mut self.nodes[from];
            let step = node.balance.step(node.sessions(), &leases, self.now);
            self.stops.extend(step.stopped);
            let told = step.let_go.min(node.fresh);
            node.fresh -= told;
            if step.let_go > 0 {
                node.balance.told(told, self.now);
            }
            if told > 0 {
                self.moves += told;
                self.moved_at = self.now;
            }
            let back = self.now + Duration::from_secs(2);
            self.away.extend(vec![(back, from); told]);
        }
    }

    fn pass(&mut self, seconds: u64) {
        (1..=seconds).for_each(|number| self.second(number));
    }

    /// How far the fullest node is above the mean.
    fn worst(&self) -> f64 {
        let counts = self.counts();
        let mean = as_f64(counts.iter().sum()) / as_f64(counts.len());
        as_f64(*counts.iter().max().unwrap()) / mean
    }
}

#[test]
fn after_a_scale_up_the_new_nodes_are_filled_within_two_minutes_and_then_it_is_quiet() {
    for balancer in [Balancer::Random, Balancer::Least] {
        let mut fleet = Fleet::new(balancer, &[2000, 2000, 0, 0]);
        fleet.pass(110);
        assert!(fleet.worst() <= 1.2, "{balancer:?}: {:?}", fleet.counts());
        let (moves, counts) = (fleet.moves, fleet.counts());
        fleet.pass(1800);
        assert_eq!(fleet.moves, moves, "{balancer:?}: {counts:?}");
        assert!(moves <= 4000, "nobody is moved twice");
        assert_eq!(fleet.stops, [Stop::Balanced, Stop::Balanced]);
    }
}

#[test]
fn a_balancer_that_knows_counts_is_asked_for_no_more_moves_than_needed() {
    let mut fleet = Fleet::new(Balancer::Least, &[2000, 2000, 0, 0]);
    fleet.pass(300);
    assert!(fleet.moves < 2000, "{}", fleet.moves);
}

#[test]
fn one_more_node_is_filled_too() {
    for sessions in [&[1000, 1000, 1000, 0][..], &[1500, 0], &[40, 0, 0]] {
        let mut fleet = Fleet::new(Balancer::Random, sessions);
        fleet.pass(400);
        let mean = as_f64(fleet.counts().iter().sum()) / as_f64(sessions.len());
        let worst = 1.2_f64.max(1.0 + CHANCE / mean.sqrt());
        assert!(fleet.worst() <= worst, "{sessions:?}: {:?}", fleet.counts());
    }
}

#[test]
fn behind_a_sticky_balancer_it_stops_by_itself_and_says_so() {
    let mut fleet = Fleet::new(Balancer::Sticky, &[2000, 2000, 0, 0]);
    fleet.pass(120);
    assert_eq!(fleet.stops, [Stop::Sticky, Stop::Sticky]);
    assert!(
        fleet.moves <= 2 * 200,
        "a tenth is moved to see: {}",
        fleet.moves
    );
    let moves = fleet.moves;
    fleet.pass(480);
    assert_eq!(fleet.moves, moves, "it waits");
    fleet.pass(3600 - 600);
    // Ten minutes, then twenty: two more trials in an hour, the third would come after forty more.
    assert_eq!(fleet.stops.len(), 6, "{:?}", fleet.stops);
}

#[test]
fn a_sticky_balancer_is_found_out_at_any_pace_and_whatever_pages_say() {
    for percent in [1, 10, 100] {
        for sessions in [&[2000, 0][..], &[300, 200, 50], &[20, 0]] {
            let mut fleet = Fleet::new(Balancer::Sticky, &[]);
            (fleet.percent, fleet.are_told) = (percent, false);
            sessions.iter().for_each(|count| fleet.add(*count, "g1"));
            fleet.pass(100);
            let (stops, moves) = (fleet.stops.clone(), fleet.moves);
            assert!(
                stops.contains(&Stop::Sticky),
                "{percent}, {sessions:?}: {stops:?}"
            );
            fleet.pass(400);
            assert_eq!(fleet.moves, moves, "{percent}, {sessions:?}");
        }
    }
}

#[test]
fn chance_and_small_numbers_are_no_imbalance() {
    for sessions in [
        &[0, 0][..],
        &[3, 0],
        &[9, 1, 4],
        &[100, 80, 75],
        &[1140, 1000, 900],
    ] {
        let mut fleet = Fleet::new(Balancer::Random, sessions);
        fleet.pass(300);
        assert_eq!(fleet.moves, 0, "{sessions:?}");
    }
}

#[test]
fn during_a_rollout_and_while_nodes_come_and_go_nobody_is_moved() {
    let mut fleet = Fleet::new(Balancer::Random, &[2000, 2000]);
    fleet.add(0, "g2");
    fleet.pass(300);
    assert_eq!(fleet.moves, 0, "two generations");
    let mut fleet = Fleet::new(Balancer::Random, &[2000, 0]);
    for _ in 0..20 {
        fleet.add(0, "g1");
        fleet.pass(9);
    }
    assert_eq!(fleet.moves, 0, "the set changes");
    fleet.pass(20);
    assert!(fleet.moves > 0);
    fleet.nodes[5].lease.leaving = true;
    let moves = fleet.moves;
    fleet.pass(1);
    assert!(fleet.stops.contains(&Stop::Changed));
    assert_eq!(fleet.moves, moves);
}

#[test]
fn a_node_alone_or_unknown_moves_nobody() {
    let mut fleet = Fleet::new(Balancer::Random, &[5000]);
    fleet.pass(60);
    assert_eq!(fleet.moves, 0);
    let now = Instant::now();
    let mut balance = Balance::new(NodeId::parse("me").unwrap(), 2, now);
    let leases = ["a", "b"].map(|name| FleetNode::new(NodeId::parse(name).unwrap()));
    for second in 0..60 {
        let now = now + Duration::from_secs(second);
        assert_eq!(balance.step(5000, &leases, now), Step::NOTHING);
    }
}
