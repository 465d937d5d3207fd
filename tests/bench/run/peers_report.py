"""The comparison with the peers, as Markdown and pictures."""

import figures
from cells import PEER_CELLS, Cell
from figures import (
    CPU_PER_DELIVERY,
    IDLE_KIB,
    KERNEL_PER_DELIVERY,
    P50,
    P99,
    REDIS_PER_MESSAGE,
    Run,
    Spread,
    over_rounds,
    ratios,
    ratios_to_best,
)
from plots import COLORS, Bar, bars, brief, curves
from servers import REFERENCE
from tables import NONE, about, middle, table, void_section, with_range

IDLE = "idle"
# A server that fills its core falls behind, and what it owes at the end is not in the figure.
FULL_PERCENT = 97
# At twenty thousand deliveries per second, in small rooms and in a big one.
LATENCY_CELLS = ["rooms", "room"]
BUSIEST = "dense"
CURVES = next(cell for cell in PEER_CELLS if cell.name == LATENCY_CELLS[0])


def _loaded(runs: list[Run]) -> list[Cell]:
    """Returns the cells with traffic that were measured."""
    measured = {run["cell"] for run in runs}
    return [cell for cell in PEER_CELLS if cell.rate and cell.name in measured]


def markdown(run: dict) -> list[str]:
    """Returns the whole block."""
    runs, published = run["runs"], run.get("publish", [])
    titles = {server["name"]: server["title"] for server in run["servers"]}
    lines = [*about(run), ""]
    if _loaded(runs):
        lines += [
            "### CPU of the server for one delivery",
            "",
            "![CPU per delivery](images/performance-cpu.svg)",
            "",
            "The ratio to the Centrifuge library with history in the same round, least and most, and the microseconds.",
            "",
            *_cpu(runs, titles),
            "",
            "The part of it that was spent in the kernel: its microseconds, and what they alone are of the whole of the "
            "Centrifuge library with history. No code of a server's own can take it below that with as many system calls.",
            "",
            *_kernel(runs, titles),
            "",
            "### Latency",
            "",
            "![Latency by percentile](images/performance-latency.svg)",
            "",
            "From the moment at which a message was due to its receipt: median and 99th percentile, in milliseconds.",
            "",
            *_latency(runs, titles),
            "",
            *_to_best(runs, list(titles)),
        ]
    if any(each["cell"] == IDLE for each in runs):
        lines += ["### Memory of a session at rest", "", "![Memory per session](images/performance-memory.svg)", ""]
        lines += [*_memory(runs, titles), ""]
    if _loaded(runs):
        lines += ["### CPU of Redis for one message", "", *_redis(runs, titles), ""]
    if published:
        lines += ["### Publishing", "", *_publish(published), ""]
    if _loaded(runs):
        lines += ["### How loaded the measuring side was", "", *_load(runs, titles), ""]
    titles.setdefault("madang", "madang")
    return [*lines, "### Void rounds", "", *void_section([*runs, *published], titles)]


def _cpu(runs: list[Run], titles: dict[str, str]) -> list[str]:
    rows = []
    for name, title in titles.items():
        row = [title]
        for cell in _loaded(runs):
            spread = over_rounds(runs, cell.name, name, CPU_PER_DELIVERY)
            ratio = ratios(runs, cell.name, name, REFERENCE, CPU_PER_DELIVERY)
            full = over_rounds(runs, cell.name, name, figures.SERVER_PERCENT)
            least = "≥ " if full and full.middle >= FULL_PERCENT else ""
            row.append(f"{with_range(ratio)}; {least}{middle(spread, ' µs')}" if spread else NONE)
        rows.append(row)
    aims = ["*madang's aim*", *(f"{cell.aim:.2f} at most" if cell.aim else NONE for cell in _loaded(runs))]
    return table(["", *(cell.title for cell in _loaded(runs))], [*rows, aims])


def _kernel(runs: list[Run], titles: dict[str, str]) -> list[str]:
    def one(cell: str, name: str) -> str:
        spread = over_rounds(runs, cell, name, KERNEL_PER_DELIVERY)
        ratio = ratios(runs, cell, name, REFERENCE, KERNEL_PER_DELIVERY, of=CPU_PER_DELIVERY)
        return f"{with_range(ratio)}; {middle(spread, ' µs')}" if spread else NONE

    rows = [[title, *(one(cell.name, name) for cell in _loaded(runs))] for name, title in titles.items()]
    return table(["", *(cell.title for cell in _loaded(runs))], rows)


def _latency(runs: list[Run], titles: dict[str, str]) -> list[str]:
    def both(cell: str, name: str) -> str:
        p50, p99 = (over_rounds(runs, cell, name, figure) for figure in (P50, P99))
        return f"{middle(p50)} / {middle(p99)}"

    rows = [[title, *(both(cell.name, name) for cell in _loaded(runs))] for name, title in titles.items()]
    return table(["p50 / p99", *(cell.title for cell in _loaded(runs))], rows)


def _to_best(runs: list[Run], names: list[str]) -> list[str]:
    others = [name for name in names if name != "madang"]
    if len(others) == len(names) or not others:
        return []
    rows = []
    for cell in (cell for cell in _loaded(runs) if cell.name in LATENCY_CELLS):
        spreads = (ratios_to_best(runs, cell.name, "madang", others, figure) for figure in (P50, P99))
        rows.append([cell.title, *(with_range(spread) for spread in spreads)])
    aim = ["*aim*", "1.2 at most", "1.2 at most"]
    return [
        "What madang takes, divided by the best of the peers in the same round:",
        "",
        *table(["", "p50", "p99"], [*rows, aim]),
        "",
    ]


def _memory(runs: list[Run], titles: dict[str, str]) -> list[str]:
    rows = [[title, with_range(over_rounds(runs, IDLE, name, IDLE_KIB), " KiB")] for name, title in titles.items()]
    return table(["8,000 sessions, each in a room of ten", "resident memory of the server per session"], rows)


def _redis(runs: list[Run], titles: dict[str, str]) -> list[str]:
    def one(cell: str, name: str) -> str:
        spread = over_rounds(runs, cell, name, REDIS_PER_MESSAGE)
        ratio = ratios(runs, cell, name, REFERENCE, REDIS_PER_MESSAGE)
        return f"{middle(spread, ' µs')}; {with_range(ratio)}" if spread else NONE

    cells = [cell for cell in _loaded(runs) if cell.name in ("rooms", BUSIEST)]
    rows = [[title, *(one(cell.name, name) for cell in cells)] for name, title in titles.items()]
    return table(["", *(cell.title for cell in cells)], rows)


def _publish(rounds: list[Run]) -> list[str]:
    kept = [each for each in rounds if figures.is_valid(each)]
    if not kept:
        return ["No round of it is valid."]

    def over(*path: str) -> Spread | None:
        return figures.spread(_dig(each, path) for each in kept)

    def share(part: str) -> Spread | None:
        return figures.spread(each[part]["messages"]["per_second"] / each["redis"]["best"] for each in kept)

    rate, accepted = ("messages", "per_second"), ("messages", "accept_ms", "p99")
    rows = [
        ["`redis-benchmark`, the publish script, 64 calls in a pipeline, calls/s", over("redis", "best"), ""],
        ["a node, 1,000 sessions with one message under way each, messages/s", over("full", *rate), ""],
        ["of what `redis-benchmark` reaches", share("full"), "0.6 at least"],
        ["with eight under way each, messages/s", over("batched", *rate), ""],
        ["of what `redis-benchmark` reaches", share("batched"), ""],
        ["p99 until accepted at half of the first rate, ms", over("half", *accepted), "10 at most"],
    ]
    return table(["", "middle, least and most", "aim"], [[name, with_range(spread), aim] for name, spread, aim in rows])


def _dig(found: dict, path: tuple[str, ...]) -> float | None:
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _load(runs: list[Run], titles: dict[str, str]) -> list[str]:
    def one(cell: str, name: str) -> str:
        parts = [
            over_rounds(runs, cell, name, figure)
            for figure in (figures.SERVER_PERCENT, figures.GENERATOR_PERCENT, figures.REDIS_PERCENT)
        ]
        return " / ".join(f"{part.middle:.0f}" if part else NONE for part in parts)

    rows = [[title, *(one(cell.name, name) for cell in _loaded(runs))] for name, title in titles.items()]
    return table(["server / generator / Redis, percent of a core", *(cell.title for cell in _loaded(runs))], rows)


def pictures(run: dict) -> dict[str, str]:
    """Returns the SVG files by name, of what was measured."""
    runs, titles = run["runs"], {server["name"]: server["title"] for server in run["servers"]}
    color = dict(zip(titles, COLORS))

    def group(cell: str, figure: figures.Figure) -> list[Bar]:
        spreads = {name: over_rounds(runs, cell, name, figure) for name in titles}
        return [Bar(titles[name], spread, color[name]) for name, spread in spreads.items() if spread]

    found = {}
    if loaded := _loaded(runs):
        cpu = [(cell.title, group(cell.name, CPU_PER_DELIVERY)) for cell in loaded]
        lines = [(title, color[name], _curve(runs, CURVES.name, name)) for name, title in titles.items()]
        found["performance-cpu.svg"] = bars("CPU of the server for one delivery", "µs", cpu)
        found["performance-latency.svg"] = curves(f"Latency of deliveries: {CURVES.title}", lines)
    if any(each["cell"] == IDLE for each in runs):
        memory = [("8,000 sessions, each in a room of ten", group(IDLE, IDLE_KIB))]
        found["performance-memory.svg"] = bars("Resident memory of a session at rest", "KiB", memory)
    return found


def _curve(runs: list[Run], cell: str, name: str) -> list[tuple[float, float]]:
    points = [(0.5, P50), (0.9, figures.P90), (0.99, P99), (0.999, figures.P999)]
    spreads = [(quantile, over_rounds(runs, cell, name, figure)) for quantile, figure in points]
    return [(quantile, spread.middle) for quantile, spread in spreads if spread]


def summary(run: dict) -> str:
    """Returns one line: what madang's ratios are."""
    parts = []
    for cell in _loaded(run["runs"]):
        if ratio := ratios(run["runs"], cell.name, "madang", REFERENCE, CPU_PER_DELIVERY):
            parts.append(f"{cell.name} {brief(ratio.middle)} (aim {cell.aim:.2f})")
    return "CPU per delivery to the Centrifuge library with history: " + (", ".join(parts) or "not measured")
