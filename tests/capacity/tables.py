"""The tables of the page that follow from figures and formulas."""

from dataclasses import replace

from examples import LARGE, Example
from examples import people as people_of
from figures import Figures
from rooms import People, nodes_hit
from sizing import GIB, MASTER_GIB, MIB, NODE_LOAD, REDIS_LOAD, Size, messages_of_one_redis, most_sessions

FLEETS = [3, 5, 10, 20, 50, 100, 200]
ROOMS = [2, 10, 100, 1_000]
# Half of the memory limit of the Redis that the chart brings.
CHART_DATA = 256 * MIB


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def number(value: float) -> str:
    """A figure with three digits, which is more than is known."""
    if value >= 1_000_000:
        return f"{value / 1e6:.3g} M"
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def about(value: float) -> str:
    return number(float(f"{value:.2g}"))


def memory(value: float) -> str:
    return f"{value / GIB:.1f} GiB" if value >= GIB else f"{value / MIB:.0f} MiB"


def bits(value: float) -> str:
    """A rate in bytes per second as people speak of networks."""
    per_second = value * 8
    return f"{per_second / 1e9:.1f} Gbit/s" if per_second >= 1e9 else f"{number(per_second / 1e6)} Mbit/s"


def figures(f: Figures) -> str:
    rows = [
        [f"{it.what}", f"{it.value:g} {it.unit}", "measured" if it.measured else "not measured", it.source]
        for it in f.all.values()
    ]
    return table(["what", "figure", "", "where it is from"], rows)


def core(f: Figures) -> str:
    """What one core of a node carries."""
    cells = [("rooms of 10", f.delivery_small), ("a room of 1,000", f.delivery_big), ("rooms that are hot", f.delivery_dense)]
    rows = [[f"deliveries per second, {name}", number(NODE_LOAD * 1e6 / micros)] for name, micros in cells]
    rows.append(["sessions at rest, by CPU alone", number(NODE_LOAD * 1e6 / f.session_idle_cpu)])
    rows.append(["sessions in a GiB of memory, the kernel's share included", number(GIB / 1024 / (f.session_memory + f.session_kernel))])
    return table([f"one core, {NODE_LOAD:.0%} busy", "carries"], rows)


def people(it: People) -> str:
    bands = [(2, 10), (11, 100), (101, 1_000), (1_001, it.largest)]
    rows = [
        [f"{low:,} to {high:,}", f"{it.share_of_memberships(low, high):.0%}", number(it.rate(high) * 60)] for low, high in bands
    ]
    return table(["members of a room", "share of all memberships", "messages per minute in the largest of them"], rows)


def fan_out() -> str:
    rows = [[f"{members:,}", *(f"{nodes_hit(nodes, members):.1f}" for nodes in FLEETS)] for members in ROOMS]
    return table(["members", *(f"{nodes} nodes" for nodes in FLEETS)], rows)


def one_redis(f: Figures) -> str:
    rows = [
        [f"{hit}", number(messages_of_one_redis(f, hit)), number(messages_of_one_redis(f, hit) * hit)]
        for hit in (1, 2, 4, 8, 16, 32, 100)
    ]
    return table(["nodes that a message reaches", "messages per second", "pushes per second"], rows)


def end_of_one_redis(f: Figures) -> str:
    """Sessions that one Redis carries, by how much it remembers."""

    def most(entries: int, is_enough) -> float:
        return most_sessions(f, lambda it: people_of(it, 10_000), replace(LARGE, history_entries=entries), is_enough)

    by_cpu = most(LARGE.history_entries, lambda size: sum(size.redis_cores.values()) <= REDIS_LOAD)
    rows = []
    for entries in (1_000, 200, 100, 50):
        by_memory = most(entries, lambda size: sum(size.redis_memory.values()) <= MASTER_GIB * GIB)
        small = CHART_DATA / (f.redis_room + entries * f.redis_entry)
        rows.append([f"{entries:,}", about(by_memory), about(by_cpu), about(small)])
    head = ["`history.entries`", "sessions until its memory is full", "sessions until its CPU is", "full rooms in the chart's Redis"]
    return table(head, rows)


def sizes(found: list[tuple[Example, Size]]) -> str:
    def row(name: str, value) -> list[str]:
        return [name, *(value(example, size) for example, size in found)]

    rows = [
        row("nodes, each with one core and one to spare", lambda e, s: f"{s.nodes}"),
        row("sessions of a node while one is lost", lambda e, s: number(e.people.sessions / (s.nodes - 1))),
        row("messages per second, busiest minute", lambda e, s: number(s.messages)),
        row("deliveries per second", lambda e, s: number(s.deliveries)),
        row("nodes that a message reaches", lambda e, s: number(s.pushes / s.messages)),
        row("pushes per second", lambda e, s: number(s.pushes)),
        row("CPU of all nodes, cores", lambda e, s: number(s.node_cores)),
        row("rooms on a node, of all rooms", lambda e, s: f"{number(s.rooms_on_node)} of {number(e.people.rooms)}"),
        row("memory of a node", lambda e, s: memory(sum(s.node_memory.values()))),
        row("– of its sessions", lambda e, s: memory(s.node_memory["sessions"])),
        row("– of the kernel for them", lambda e, s: memory(s.node_memory["kernel"])),
        row("– of messages kept for those who come back", lambda e, s: memory(s.node_memory["tails"])),
        row("a node sends to pages", lambda e, s: bits(s.node_egress)),
        row("addresses of the way in for each pod", lambda e, s: f"{s.proxies}"),
        row("CPU of Redis, cores", lambda e, s: number(sum(s.redis_cores.values()))),
        row("– messages, pushes, probes", lambda e, s: ", ".join(number(it) for it in s.redis_cores.values())),
        row("`history.entries`", lambda e, s: f"{e.pods.history_entries}"),
        row("memory of Redis, every room full", lambda e, s: memory(sum(s.redis_memory.values()))),
        row("Redis sends to nodes", lambda e, s: bits(s.redis_egress)),
        row("Redis", lambda e, s: "one" if s.masters == 1 else f"a Cluster of {s.masters} masters"),
    ]
    return table(["", *(f"{example.name} sessions" for example, _ in found)], rows)
