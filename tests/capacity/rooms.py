"""How large rooms are and how much is said in them: the assumptions about people.

Sizes have a heavy tail: rooms of a size become rarer with a power of it, from 2 members to `largest`. What one member
says in a room falls with the root of its size, so that a room of 1,000 says ten times as much as one of 10.
"""

from dataclasses import dataclass
from functools import cached_property

SMALLEST = 2
# Exponent of the tail of the sizes: half as many rooms for each 1.8 times of the size.
TAIL = 1.2
# The size at which a member says the average of small rooms.
TYPICAL = 10


@dataclass(frozen=True)
class People:
    """Who is there and what they do."""

    sessions: int
    rooms_per_session: float
    # Of one user over all their rooms.
    messages_per_minute: float
    # The busiest minute against the average.
    burst: float
    largest: int

    @cached_property
    def sizes(self) -> dict[int, float]:
        """Share of the rooms by number of members."""
        weights = {size: size ** -(TAIL + 1) for size in range(SMALLEST, self.largest + 1)}
        total = sum(weights.values())
        return {size: weight / total for size, weight in weights.items()}

    @cached_property
    def mean_size(self) -> float:
        return sum(size * share for size, share in self.sizes.items())

    @cached_property
    def rooms(self) -> float:
        return self.sessions * self.rooms_per_session / self.mean_size

    @cached_property
    def _scale(self) -> float:
        per_room = sum(share * (size * TYPICAL) ** 0.5 for size, share in self.sizes.items())
        return self.sessions * self.messages_per_minute / 60 / (self.rooms * per_room)

    def rate(self, size: int) -> float:
        """Messages per second in a room of a size, on average over the day's busy hours."""
        return self._scale * (size * TYPICAL) ** 0.5

    def over_rooms(self, value) -> float:
        """Sums `value(size)` over all rooms."""
        return self.rooms * sum(share * value(size) for size, share in self.sizes.items())

    @cached_property
    def messages(self) -> float:
        """Messages per second over all rooms, on average."""
        return self.over_rooms(self.rate)

    @cached_property
    def deliveries(self) -> float:
        """Deliveries per second over all rooms, on average."""
        return self.over_rooms(lambda size: self.rate(size) * size)

    def share_of_memberships(self, lowest: int, highest: int) -> float:
        """Share of all memberships that are in rooms from `lowest` to `highest` members."""
        inside = sum(size * share for size, share in self.sizes.items() if lowest <= size <= highest)
        return inside / self.mean_size


def nodes_hit(nodes: int, members: int) -> float:
    """Nodes with at least one of so many members, if a load balancer spreads sessions at random: the expectation."""
    return nodes * (1 - (1 - 1 / nodes) ** members)
