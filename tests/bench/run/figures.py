"""Arithmetic over runs: what is valid, what is the middle, how far it spreads.

A run is what `stage.py` wrote down: cell, server, round, attempt, `void` and `wrong` (reasons), and the generator's own
`result`. Absolute figures drift with the machine, so servers are compared within a round, and the ratios are what is
collected over rounds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

Run = dict
Figure = Callable[[Run], float | None]


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)

    @property
    def count(self) -> int:
        return len(self.values)


def spread(values: Iterable[float | None]) -> Spread | None:
    """Returns the values that are there, or None if none is."""
    kept = tuple(value for value in values if value is not None)
    return Spread(kept) if kept else None


def is_valid(run: Run) -> bool:
    return not run["void"] and not run["wrong"]


def valid(runs: Iterable[Run], cell: str, server: str) -> dict[int, Run]:
    """Returns the valid run of each round; a round without one is left out."""
    return {run["round"]: run for run in runs if (run["cell"], run["server"]) == (cell, server) and is_valid(run)}


def void_rounds(runs: Iterable[Run], cell: str, server: str) -> list[Run]:
    """Returns the last run of each round that has no valid one."""
    ours = [run for run in runs if (run["cell"], run["server"]) == (cell, server)]
    good = {run["round"] for run in ours if is_valid(run)}
    return list({run["round"]: run for run in ours if run["round"] not in good}.values())


def over_rounds(runs: Iterable[Run], cell: str, server: str, figure: Figure) -> Spread | None:
    """Returns a figure of each valid round of a server."""
    return spread(figure(run) for run in valid(runs, cell, server).values())


def ratios(
    runs: list[Run], cell: str, server: str, reference: str, figure: Figure, of: Figure | None = None
) -> Spread | None:
    """Returns what the figure of a server is of the reference's in the same round, or of another figure of it.

    Rounds in which either is void, or without the figure, are left out.
    """
    ours, theirs = valid(runs, cell, server), valid(runs, cell, reference)
    of = of or figure
    return spread(_ratio(figure(ours[number]), of(theirs[number])) for number in ours if number in theirs)


def ratios_to_best(runs: list[Run], cell: str, server: str, others: list[str], figure: Figure) -> Spread | None:
    """Returns what the figure of a server is of the least among the others in the same round.

    A round counts only if all the others have it: the best one may be the one that is missing.
    """
    ours = valid(runs, cell, server)
    theirs = [valid(runs, cell, other) for other in others]
    found = []
    for number, run in ours.items():
        figures = [figure(other[number]) if number in other else None for other in theirs]
        if figures and None not in figures:
            found.append(_ratio(figure(run), min(figures)))
    return spread(found)


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def at(*path: str) -> Figure:
    """Returns what reads one number of the generator's result, and None where there is none."""

    def figure(run: Run) -> float | None:
        found = run["result"]
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    return figure


def of_servers(name: str, part: str = "processes") -> Figure:
    """Returns what adds up a number over the nodes of a run: they are `server`, or `server-1` and so on."""

    def figure(run: Run) -> float | None:
        named = run["result"].get(part, {})
        found = [values.get(name) for process, values in named.items() if process.startswith("server")]
        return sum(found) if found and None not in found else None

    return figure


CPU_PER_DELIVERY = of_servers("us_per_delivery")
KERNEL_PER_DELIVERY = of_servers("kernel_us_per_delivery")
CPU_PER_MESSAGE = of_servers("us_per_message")
SERVER_PERCENT = of_servers("percent_of_core")
IDLE_KIB = of_servers("idle_per_session_kib", "memory")
AFTER_KIB = of_servers("after_per_session_kib", "memory")
REDIS_PER_MESSAGE = at("processes", "redis", "us_per_message")
REDIS_PERCENT = at("processes", "redis", "percent_of_core")
GENERATOR_PERCENT = at("generator", "percent_of_core")
P50, P90, P99, P999 = (at("latency_ms", name) for name in ("p50", "p90", "p99", "p999"))
ACCEPT_P99 = at("messages", "accept_ms", "p99")
