"""Reads what one thing costs out of figures.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("figures.toml")
UNITS = {
    "delivery_small": "µs",
    "delivery_big": "µs",
    "delivery_dense": "µs",
    "session_idle_cpu": "µs/s",
    "session_memory": "KiB",
    "session_kernel": "KiB",
    "tail_line": "bytes",
    "redis_message": "µs",
    "redis_push": "µs",
    "redis_probe": "µs",
    "frame": "bytes",
    "push": "bytes",
    "segment": "bytes",
    "redis_entry": "bytes",
    "redis_dedupe": "bytes",
    "redis_room": "bytes",
}


class WrongFigures(Exception):
    """The file says something that cannot be; the text says what would be right."""


@dataclass(frozen=True)
class Figure:
    """What one thing costs, and how that is known."""

    value: float
    unit: str
    what: str
    measured: bool
    source: str


class Figures:
    """All figures; `figures.redis_push` is the value of one, in the unit that the file says."""

    def __init__(self, figures: dict[str, Figure]) -> None:
        self.all = figures

    def __getattr__(self, name: str) -> float:
        if name not in UNITS:
            raise AttributeError(name)
        return self.all[name].value

    @property
    def message_on_node(self) -> float:
        """CPU in µs that a message costs a node whatever the number of its members, from the two cells."""
        # small = message / 10 + delivery, big = message / 1000 + delivery
        return max(0.0, (self.delivery_small - self.delivery_big) / (1 / 10 - 1 / 1000))

    @property
    def delivery(self) -> float:
        """CPU in µs that each delivery costs on top."""
        return self.delivery_big - self.message_on_node / 1000


def parse(text: str) -> Figures:
    """Reads the file's text.

    Raises `WrongFigures`.
    """
    tables = tomllib.loads(text)
    if missing := UNITS.keys() - tables.keys():
        raise WrongFigures(f"figures.toml lacks {', '.join(sorted(missing))}")
    if unknown := tables.keys() - UNITS.keys():
        raise WrongFigures(f"figures.toml has {', '.join(sorted(unknown))}, which nothing is computed from")
    found = {}
    for name, table in tables.items():
        if table.keys() != Figure.__dataclass_fields__.keys():
            raise WrongFigures(f"{name} has {', '.join(sorted(table))}; it must have value, unit, what, measured, source")
        if table["unit"] != UNITS[name]:
            raise WrongFigures(f"{name} is in {table['unit']}; it must be in {UNITS[name]}")
        if not isinstance(table["value"], (int, float)) or not table["value"] > 0:
            raise WrongFigures(f"{name} is {table['value']}; it must be a number above 0")
        found[name] = Figure(**table)
    return Figures(found)


def read() -> Figures:
    return parse(FILE.read_text())
