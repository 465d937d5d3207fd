"""A line for each step, and the commands of README that the steps ran."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kube import Failed, shell
from layout import ROOT
from talk import FAULTS, TALKERS, Talk

WIDTHS = (44, 8, 8, 10, 7, 8, 10, 6, 11)
HEADINGS = ("step", "seconds", "sends", "delivered", "lost", "doubled", "reordered", "gaps", "reconnects")


def _row(*cells: object) -> None:
    print("  ".join(f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}" for index, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))), flush=True)


@dataclass
class Telling:
    """What is told of the story: one line per step, with what the talkers saw meanwhile."""

    talk: Talk
    is_talking: bool = False
    steps: int = 0
    failed: list[str] = field(default_factory=list)

    def begin(self) -> None:
        _row(*HEADINGS)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Runs a step. At its end, everything that was accepted must be on every screen, once and in order."""
        began = time.monotonic()
        before = self.talk.line() if self.is_talking else None
        try:
            yield
            if not before:
                _row(name, f"{time.monotonic() - began:.1f}", *["-"] * 7)
            else:
                self._compare(name, before, time.monotonic() - began)
        except (Failed, OSError, KeyError, IndexError, ValueError) as error:
            self.failed.append(name)
            print(f"FAILED after {time.monotonic() - began:.0f} s: {name}: {error}", flush=True)
            raise Failed(name) from error
        self.steps += 1

    def skip(self, name: str, why: str) -> None:
        print(f"skipped: {name}: {why}", flush=True)

    def _compare(self, name: str, before: dict, seconds: float) -> None:
        after = self.talk.whole()
        grown = {count: after[count] - before[count] for count in ("sends", "delivered", "reconnects", *FAULTS)}
        faults = {count: grown[count] for count in FAULTS if grown[count]}
        _row(
            name,
            f"{seconds:.1f}",
            grown["sends"],
            grown["delivered"],
            grown["lost"],
            grown["doubled"],
            grown["reordered"] + grown["phantom"],
            grown["gaps"] + grown["withdrawn"],
            f"{grown['reconnects'] / TALKERS:.2f}",
        )
        if faults:
            raise Failed(f"the talkers saw {faults}")


class Readme:
    """The commands of README's section on Kubernetes, each to be run by a step as it stands there."""

    def __init__(self) -> None:
        text = (ROOT / "README.md").read_text()
        section = re.search(r"^## On Kubernetes$(.*?)^## ", text, re.M | re.S)
        if not section:
            raise Failed("README.md has no section On Kubernetes")
        blocks = re.findall(r"^```sh\n(.*?)^```", section[1], re.M | re.S)
        self.commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
        self.left = list(self.commands)

    def take(self, beginning: str) -> str:
        """Returns the one command that begins so, and notes that it is run."""
        found = [command for command in self.commands if command.startswith(beginning)]
        if len(found) != 1:
            raise Failed(f"README has {len(found)} commands that begin with {beginning}, not one")
        if found[0] in self.left:
            self.left.remove(found[0])
        return found[0]

    def run(self, beginning: str, seconds: float = 300) -> str:
        """Runs a command as a reader would."""
        return shell(self.take(beginning), seconds)
