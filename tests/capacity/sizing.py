"""From figures and people to sizes: closed formulas, for the busiest minute and with one node lost."""

import math
from dataclasses import dataclass
from functools import cached_property

from figures import Figures
from rooms import People, nodes_hit

# Share of a core that is planned for: above it, what waits for the core shows in the latency.
NODE_LOAD = 0.6
REDIS_LOAD = 0.6
# Data that one master holds at most, in GiB: more makes copying it to a replica and rewriting its file a matter of minutes.
MASTER_GIB = 12
# A room is compared with Redis so often, and a node compares at most so many in a second, and a fifth of that without
# an interruption: see the settings of madang.
PROBE_SECONDS = 5
PROBES_PER_SECOND = 5_000
TURNS_PER_SECOND = PROBES_PER_SECOND / 5
# Messages of a room that a node keeps for those who come back.
TAIL_LINES = 128
# Two windows of `limits.dedupe_window`, in seconds.
DEDUPE_SECONDS = 600
# A node without sessions, in MiB.
BASE_MIB = 30
# Ports of one address towards one address and port, by the default of Linux.
PORTS = 28_232
KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True)
class Pods:
    """What somebody decides before the rest is computed."""

    cores: int
    most_sessions: int
    history_entries: int


@dataclass(frozen=True)
class Size:
    """A fleet for these people."""

    figures: Figures
    people: People
    pods: Pods
    nodes: int

    @cached_property
    def hits(self) -> dict[int, float]:
        """Nodes that a message reaches, by number of members of its room."""
        return {size: nodes_hit(self.nodes, size) for size in self.people.sizes}

    @cached_property
    def messages(self) -> float:
        return self.people.messages * self.people.burst

    @cached_property
    def deliveries(self) -> float:
        return self.people.deliveries * self.people.burst

    @cached_property
    def pushes(self) -> float:
        """Payloads per second from Redis to nodes."""
        return self.people.burst * self.people.over_rooms(lambda size: self.people.rate(size) * self.hits[size])

    @cached_property
    def node_cores(self) -> float:
        """Cores that all nodes need together; every node that a message reaches handles it once, besides deliveries."""
        f = self.figures
        micros = self.pushes * f.message_on_node + self.deliveries * f.delivery + self.people.sessions * f.session_idle_cpu
        return micros / 1e6

    @property
    def is_enough(self) -> bool:
        """True if the fleet carries the busiest minute without one of its nodes."""
        left = self.nodes - 1
        fits = self.people.sessions / max(left, 1) <= self.pods.most_sessions
        return left >= 1 and fits and self.node_cores <= left * self.pods.cores * NODE_LOAD

    @cached_property
    def rooms_on_node(self) -> float:
        """Rooms with a member on one node."""
        return self.people.over_rooms(lambda size: self.hits[size]) / self.nodes

    @cached_property
    def node_memory(self) -> dict[str, float]:
        """Memory of one node in bytes by what it is for, while another one is lost."""
        sessions = self.people.sessions / (self.nodes - 1)
        return {
            "base": BASE_MIB * MIB,
            "sessions": sessions * self.figures.session_memory * KIB,
            "kernel": sessions * self.figures.session_kernel * KIB,
            "tails": self.rooms_on_node * TAIL_LINES * self.figures.tail_line,
        }

    @cached_property
    def probes(self) -> float:
        """Rooms per second that all nodes compare with Redis."""
        return self.nodes * min(self.rooms_on_node / PROBE_SECONDS, TURNS_PER_SECOND)

    @cached_property
    def redis_cores(self) -> dict[str, float]:
        """Cores of Redis by what they are for."""
        f = self.figures
        return {
            "messages": self.messages * f.redis_message / 1e6,
            "pushes": self.pushes * f.redis_push / 1e6,
            "probes": self.probes * f.redis_probe / 1e6,
        }

    @cached_property
    def redis_memory(self) -> dict[str, float]:
        """Memory of Redis in bytes by what it is for, once every room is full."""
        f = self.figures
        rooms = self.people.rooms
        return {
            "logs": rooms * (f.redis_room + self.pods.history_entries * f.redis_entry),
            "keys": self.messages * DEDUPE_SECONDS * f.redis_dedupe,
        }

    @cached_property
    def masters(self) -> int:
        by_cpu = sum(self.redis_cores.values()) / REDIS_LOAD
        by_memory = sum(self.redis_memory.values()) / (MASTER_GIB * GIB)
        needed = math.ceil(max(by_cpu, by_memory))
        # A Cluster has three masters at least.
        return needed if needed <= 1 else max(3, needed)

    @cached_property
    def node_egress(self) -> float:
        """Bytes per second that one node sends to pages, each frame in a write of its own."""
        return self.deliveries / self.nodes * (self.figures.frame + self.figures.segment)

    @cached_property
    def redis_egress(self) -> float:
        """Bytes per second that all masters send to nodes."""
        return self.pushes * self.figures.push

    @property
    def proxies(self) -> int:
        """Addresses that a way in needs towards each pod, for its ports."""
        return math.ceil(self.people.sessions / (self.nodes - 1) / PORTS)


def smallest(figures: Figures, people: People, pods: Pods) -> Size:
    """Returns the smallest fleet that is enough."""
    nodes = 2
    while not (size := Size(figures, people, pods, nodes)).is_enough:
        nodes += 1 + nodes // 50
    return size


def messages_of_one_redis(figures: Figures, hit: float) -> float:
    """Messages per second that one Redis carries where each reaches so many nodes, without probes."""
    return REDIS_LOAD * 1e6 / (figures.redis_message + hit * figures.redis_push)


def most_sessions(figures: Figures, people, pods: Pods, is_enough) -> float:
    """Returns up to how many sessions a fleet `is_enough`; `people` makes people of a number."""
    low, high = 1_000.0, 1e8
    while high / low > 1.02:
        middle = (low * high) ** 0.5
        if is_enough(smallest(figures, people(round(middle)), pods)):
            low = middle
        else:
            high = middle
    return low
