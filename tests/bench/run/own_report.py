"""madang alone over its matrix, as Markdown and a picture."""

import figures
from cells import OWN_CELLS
from figures import (
    AFTER_KIB,
    CPU_PER_DELIVERY,
    IDLE_KIB,
    P50,
    P99,
    P999,
    SERVER_PERCENT,
    Run,
    at,
    of_servers,
    over_rounds,
    spread,
    valid,
)
from plots import COLORS, brief, curves
from tables import NONE, about, middle, table, void_section, with_range

MADANG = "madang"
TITLES = {cell.name: cell.title for cell in OWN_CELLS}
CURVES = ["rooms", "room", "dense", "two-nodes", "slow"]
PEAK_KIB = of_servers("peak_kib", "memory")


def markdown(run: dict) -> list[str]:
    """Returns the whole block: every cell, then what some of them are for."""
    runs = run["runs"]
    sections = [
        ("Memory", "idle", _memory),
        ("Two nodes over Redis", "two-nodes", _nodes),
        ("A storm of those who resume", "storm", _storm),
        ("Slow readers", "slow", _slow),
    ]
    measured = {each["cell"] for each in runs}
    lines = [*about(run), "", "### Every cell", "", "![Latency by percentile](images/performance-own.svg)", ""]
    lines += [*_cells(runs), ""]
    for title, cell, section in sections:
        if cell in measured:
            lines += [f"### {title}", "", *section(runs), ""]
    if run.get("probe"):
        lines += ["### The tail probe of very many rooms", "", *_probe(run["probe"]), ""]
    return [*lines, "### Void rounds", "", *void_section(runs, {MADANG: MADANG})]


def _of(runs: list[Run], cell: str, figure: figures.Figure) -> figures.Spread | None:
    return over_rounds(runs, cell, MADANG, figure)


def _cells(runs: list[Run]) -> list[str]:
    shown = [
        (CPU_PER_DELIVERY, with_range),
        (P50, middle),
        (P99, middle),
        (P999, middle),
        (SERVER_PERCENT, middle),
        (at("deliveries", "frames_per_read"), middle),
    ]
    # The traffic of the cell for memory is only there to be over.
    measured = {run["cell"] for run in runs} - {"idle"}
    titles = {name: title for name, title in TITLES.items() if name in measured}
    rows = [[title, *(show(_of(runs, name, figure)) for figure, show in shown)] for name, title in titles.items()]
    head = ["", "CPU per delivery, µs", "p50, ms", "p99", "p99.9", "node, % of a core", "frames for one read"]
    return table(head, rows)


def _memory(runs: list[Run]) -> list[str]:
    figures_of = [
        ("at rest", IDLE_KIB, "4 at most"),
        ("ten seconds after a burst of 10,000 deliveries/s", AFTER_KIB, "6 at most"),
    ]
    rows = [[name, with_range(_of(runs, "idle", figure)), aim] for name, figure, aim in figures_of]
    return table(["8,000 sessions, each in a room of ten", "KiB for each session", "aim"], rows)


def _nodes(runs: list[Run]) -> list[str]:
    one, two = valid(runs, "one-node", MADANG), valid(runs, "two-nodes", MADANG)
    ratio = spread(P50(two[number]) / P50(one[number]) for number in two if number in one)
    rows = [
        ["p50 of one node, ms", with_range(_of(runs, "one-node", P50)), ""],
        ["p50 of two nodes, ms", with_range(_of(runs, "two-nodes", P50)), ""],
        ["their ratio in the same round", with_range(ratio), "1.5 at most"],
        ["two nodes: p50 / p99 to members of the sender's node, ms", _pair(runs, "same_node_ms"), ""],
        ["two nodes: p50 / p99 to members of the other node, ms", _pair(runs, "other_node_ms"), ""],
    ]
    return ["Both nodes share one core, so that a core of server stays the unit.", "", *table(["", "", "aim"], rows)]


def _pair(runs: list[Run], name: str) -> str:
    return " / ".join(middle(_of(runs, "two-nodes", at(name, quantile))) for quantile in ("p50", "p99"))


def _storm(runs: list[Run]) -> list[str]:
    def counted(name: str) -> str:
        found = _of(runs, "storm", at("resume", name))
        return with_range(found) if found else NONE

    rows = [
        ["sessions", counted("sessions"), ""],
        ["of these whole", counted("whole"), "all"],
        ["refused, to come back later", counted("refused"), ""],
        ["refused without a hint", counted("refused_without_hint"), "none"],
        ["p50 of joined, ms", with_range(_of(runs, "storm", at("resume", "joined_ms", "p50"))), ""],
        ["p99 of joined, ms", with_range(_of(runs, "storm", at("resume", "joined_ms", "p99"))), "2,000 at most"],
    ]
    return table(["", "", "aim"], rows)


def _slow(runs: list[Run]) -> list[str]:
    rows = [
        [
            TITLES[cell],
            *(with_range(_of(runs, cell, figure)) for figure in (P50, P99)),
            middle(_of(runs, cell, lambda run: (PEAK_KIB(run) or 0) / 1024 or None)),
        ]
        for cell in ("small-rooms", "slow")
    ]
    text = "What the others feel of it: latency of those who read, and the most memory that the node had."
    return [text, "", *table(["", "p50, ms", "p99, ms", "peak, MiB"], rows)]


def _probe(probe: dict) -> list[str]:
    rows = [
        ["Redis beside a node without rooms", f"{brief(probe['redis_empty_percent'])} %", ""],
        [f"Redis beside a node with {probe['rooms']:,} rooms", f"{brief(probe['redis_percent'])} %", ""],
        ["what the probes cost Redis", f"{brief(probe['redis_cost_percent'])} %", "below 1 %"],
        ["the node itself", f"{brief(probe['node_percent'])} %", ""],
        ["probes for each second", brief(probe["probes_per_second"]), ""],
        ["seconds between two probes of a room", brief(probe["interval_s"]), ""],
    ]
    return table(["percent of a core", "", "aim"], rows)


def pictures(run: dict) -> dict[str, str]:
    """Returns the SVG file by name."""
    points = [(0.5, P50), (0.9, figures.P90), (0.99, P99), (0.999, P999)]
    lines = []
    for name, color in zip(CURVES, COLORS):
        spreads = [(quantile, _of(run["runs"], name, figure)) for quantile, figure in points]
        lines.append((name, color, [(quantile, found.middle) for quantile, found in spreads if found]))
    return {"performance-own.svg": curves("Latency of deliveries of madang alone", lines)}


def summary(run: dict) -> str:
    """Returns one line."""
    parts = [f"{name} {middle(_of(run['runs'], name, CPU_PER_DELIVERY))} µs" for name in ("rooms", "room", "dense")]
    at_rest = middle(_of(run["runs"], "idle", IDLE_KIB))
    return f"CPU per delivery: {', '.join(parts)}; at rest {at_rest} KiB for each session"
