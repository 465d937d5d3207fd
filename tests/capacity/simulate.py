"""Fan-out over nodes and masters by dice: rooms with a heavy tail of sizes, sessions wherever a load balancer puts them.

It says what closed formulas cannot: how far the busiest node or master is from the mean, and what the loss of one of
them does. One seed gives one result. Of a large fleet a part of the rooms is drawn, and counts for the others.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

from sizing import Size

SLOTS = 16_384
# Memberships drawn at most: some seconds of work.
MOST_MEMBERSHIPS = 3_000_000


@dataclass
class Loads:
    """What each node has, per second in the busiest minute."""

    deliveries: list[float]
    pushes: list[float]
    rooms: list[int]

    @classmethod
    def none(cls, nodes: int) -> "Loads":
        return cls([0.0] * nodes, [0.0] * nodes, [0] * nodes)

    def add(self, placed: Counter, rate: float) -> None:
        """Adds a room with so many members on each of some nodes."""
        for node, members in placed.items():
            self.deliveries[node] += rate * members
            self.pushes[node] += rate
            self.rooms[node] += 1


@dataclass
class Outcome:
    """What the dice gave, for all rooms."""

    # One room in so many was drawn.
    sampled: float
    drawn: int = 0
    messages: float = 0.0
    pushes: float = 0.0
    whole: Loads = field(default_factory=lambda: Loads.none(0))
    # The same after the first node is gone and its sessions have come to the others.
    without: Loads = field(default_factory=lambda: Loads.none(0))
    # Of the memberships of that node: how many came to a node that had the room, and how many did not.
    warm: int = 0
    cold: int = 0
    master_messages: list[float] = field(default_factory=list)
    master_pushes: list[float] = field(default_factory=list)
    master_rooms: list[int] = field(default_factory=list)


def run(size: Size, seed: int) -> Outcome:
    """Draws rooms of a fleet and places them."""
    dice = random.Random(seed)
    people, nodes, masters = size.people, size.nodes, size.masters
    memberships = people.sessions * people.rooms_per_session
    sampled = max(1.0, memberships / MOST_MEMBERSHIPS)
    outcome = Outcome(
        sampled,
        drawn=round(people.rooms / sampled),
        whole=Loads.none(nodes),
        without=Loads.none(nodes),
        master_messages=[0.0] * masters,
        master_pushes=[0.0] * masters,
        master_rooms=[0] * masters,
    )
    rates = {members: people.rate(members) * people.burst * sampled for members in people.sizes}
    all_nodes = range(nodes)
    for members in dice.choices(list(people.sizes), list(people.sizes.values()), k=outcome.drawn):
        rate = rates[members]
        placed = Counter(dice.choices(all_nodes, k=members))
        outcome.messages += rate
        outcome.pushes += rate * len(placed)
        outcome.whole.add(placed, rate)
        master = dice.randrange(SLOTS) * masters // SLOTS
        outcome.master_messages[master] += rate
        outcome.master_pushes[master] += rate * len(placed)
        outcome.master_rooms[master] += 1
        outcome.without.add(lose(placed, nodes, dice, outcome), rate)
    return outcome


def lose(placed: Counter, nodes: int, dice: random.Random, outcome: Outcome) -> Counter:
    """Returns where the members are once those of the first node have come to others."""
    if 0 not in placed:
        return placed
    left = Counter({node: members for node, members in placed.items() if node})
    had = set(left)
    for node in dice.choices(range(1, nodes), k=placed[0]):
        # Whoever comes to a node as the second finds there what the first one has read.
        outcome.warm += node in had
        outcome.cold += node not in had
        had.add(node)
        left[node] += 1
    return left


def node_cores(size: Size, loads: Loads) -> list[float]:
    """Returns the cores that each node needs; one that is gone needs none."""
    f = size.figures
    alive = [node for node in range(size.nodes) if loads.rooms[node]]
    rest = size.people.sessions / len(alive) * f.session_idle_cpu
    return [
        (loads.pushes[node] * f.message_on_node + loads.deliveries[node] * f.delivery + rest) / 1e6 for node in alive
    ]


def master_cores(size: Size, outcome: Outcome) -> list[float]:
    """Returns the cores that each master needs, its share of the probes included."""
    f = size.figures
    probes = size.probes * f.redis_probe / size.masters
    each = zip(outcome.master_messages, outcome.master_pushes)
    return [(messages * f.redis_message + pushes * f.redis_push + probes) / 1e6 for messages, pushes in each]


def nodes_of_rooms(nodes: int, members: int, rooms: int, seed: int) -> list[int]:
    """Returns the number of nodes that rooms of one size are on, ascending."""
    dice = random.Random(seed)
    return sorted(len(set(dice.choices(range(nodes), k=members))) for _ in range(rooms))


def percentile(ascending: list, share: float):
    """Returns the lowest value that so large a share does not exceed."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
