"""The tables of the page that the dice gave."""

from examples import Example
from rooms import nodes_hit
from simulate import Outcome, master_cores, node_cores, nodes_of_rooms, percentile
from sizing import PROBES_PER_SECOND, Size
from tables import number, table

Found = tuple[Example, Size, Outcome]
ROOMS = [10, 100, 1_000]
DRAWN = 2_000


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def nodes(found: list[Found], seed: int) -> str:
    """Nodes of rooms of three sizes: formula beside dice."""
    rows = []
    for example, size, _ in found:
        for members in ROOMS:
            drawn = nodes_of_rooms(size.nodes, members, DRAWN, seed)
            cells = [f"{nodes_hit(size.nodes, members):.2f}", f"{mean(drawn):.2f}", f"{percentile(drawn, 0.99)}", f"{drawn[-1]}"]
            rows.append([f"{example.name}, {size.nodes} nodes", f"{members:,}", *cells])
    return table(["sessions", "members of the room", "formula", "mean of the dice", "p99", "most"], rows)


def loads(found: list[Found]) -> str:
    """The busiest node and master beside the mean."""

    def row(name: str, value) -> list[str]:
        return [name, *(value(size, outcome) for _, size, outcome in found)]

    def against(name: str, formula, dice) -> list[str]:
        return row(name, lambda s, o: f"{number(formula(s))}, {number(dice(s, o))}")

    rows = [
        row("rooms drawn, of all", lambda s, o: f"{o.drawn:,} of {s.people.rooms:,.0f}"),
        against("nodes that a message reaches: formula, dice", lambda s: s.pushes / s.messages, lambda s, o: o.pushes / o.messages),
        against("CPU of all nodes: formula, dice", lambda s: s.node_cores, lambda s, o: sum(node_cores(s, o.whole))),
        row("CPU of a node: mean", lambda s, o: number(mean(node_cores(s, o.whole)))),
        row("CPU of a node: p99", lambda s, o: number(percentile(sorted(node_cores(s, o.whole)), 0.99))),
        row("CPU of a node: busiest", lambda s, o: number(max(node_cores(s, o.whole)))),
        row("rooms on the node with most", lambda s, o: number(max(o.whole.rooms) * o.sampled)),
        row("CPU of a master: mean", lambda s, o: number(mean(master_cores(s, o)))),
        row("CPU of a master: busiest", lambda s, o: number(max(master_cores(s, o)))),
    ]
    return table(["", *(f"{example.name} sessions" for example, _, _ in found)], rows)


def lost(found: list[Found]) -> str:
    """What the loss of a node or of a master does."""

    def row(name: str, value) -> list[str]:
        return [name, *(value(size, outcome) for _, size, outcome in found)]

    def comers(size: Size) -> float:
        return size.people.sessions / size.nodes

    def cold(size: Size, outcome: Outcome) -> float:
        return outcome.cold / (outcome.warm + outcome.cold)

    def touched(size: Size) -> float:
        return 1 - (1 - 1 / size.masters) ** size.people.rooms_per_session

    rows = [
        row("a node: sessions that come to others", lambda s, o: number(comers(s))),
        row("– memberships that their new node has to subscribe and read for", lambda s, o: f"{cold(s, o):.0%}"),
        row(
            "– reads of Redis for that, if all come within 10 s",
            lambda s, o: f"{number(comers(s) * s.people.rooms_per_session * cold(s, o) / 10)} per second",
        ),
        row("– CPU of the busiest node after it", lambda s, o: number(max(node_cores(s, o.without)))),
        row("a master: sessions with a room on it", lambda s, o: f"{touched(s):.0%}"),
        row("– messages per second that are refused until it has a successor", lambda s, o: number(s.messages / s.masters)),
        row(
            "– time in which a node then compares all rooms of it",
            lambda s, o: f"{s.rooms_on_node / s.masters / PROBES_PER_SECOND:.1f} s",
        ),
    ]
    return table(["when it is lost", *(f"{example.name} sessions" for example, _, _ in found)], rows)
