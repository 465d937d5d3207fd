"""A whole run: every cell, server and round, written down after each, so that nothing measured is lost."""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import floor
import machine
import probe
import publish
import rounds
from cells import OWN_CELLS, PEER_CELLS, Cell
from figures import CPU_PER_DELIVERY, IDLE_KIB, Run, is_valid
from plots import brief
from processes import Failed
from servers import PEER_SERVERS, Madang, Server
from stage import Generator, clean, madang_for, measure


# What is measured beside the cells of each kind of run, and is chosen like one.
EXTRAS = {"own": "probe", "peers": "publish"}


@dataclass(frozen=True)
class Wish:
    """What is to be measured."""

    kind: str
    binary: str
    cells: list[Cell]
    servers: list[Server]
    rounds: int
    seconds: float
    # As readers would say it again.
    command: str
    with_extra: bool = True
    # Counts void runs too, for a look at a machine that does other things.
    even_void: bool = False


class Campaign:
    """Everything that is measured in one go, and what it found so far."""

    def __init__(self, wish: Wish, out: Path) -> None:
        self._wish, self._out = wish, out
        self._cells = {cell.name: cell for cell in wish.cells}
        self._servers = {server.name: server for server in wish.servers}
        self._generator = Generator(wish.binary)
        self.found: dict = {
            "kind": wish.kind,
            "command": wish.command,
            "even_void": wish.even_void,
            "rounds": wish.rounds,
            "seconds": wish.seconds,
            "machine": machine.describe(),
            "versions": machine.versions(wish.binary, list(self._servers)),
            "servers": [{"name": server.name, "title": server.title} for server in wish.servers],
            "floors": [],
            "runs": [],
        }

    def do(self) -> dict:
        """Measures all of it, and returns what was found."""
        cells = [(cell.name, cell.rounds) for cell in self._wish.cells]
        plan = list(rounds.plan(cells, list(self._servers), self._wish.rounds))
        say(f"{len(plan)} runs, about {self._minutes(plan):.0f} minutes without repeats")
        self.found["floors"].append(floor.measure())
        for place, (number, cell, server) in enumerate(plan, 1):
            done = rounds.attempts(partial(self._run, number, cell, server))
            self.found["runs"] += done
            say(f"{place}/{len(plan)} round {number + 1} {cell} {server}: {verdict(done)}")
            self._keep()
        if self._wish.with_extra:
            (self._publish if self._wish.kind == "peers" else self._probe)()
        self.found["floors"].append(floor.measure())
        self._keep()
        clean()
        return self.found

    def _minutes(self, plan: list[tuple[int, str, str]]) -> float:
        # Starting and ending a run takes a second or so, the extra some minutes.
        extra = 2 if self._wish.with_extra else 0
        return sum(self._cells[cell].seconds(self._wish.seconds) + 1.5 for _, cell, _ in plan) / 60 + extra

    def _run(self, number: int, cell: str, server: str, attempt: int) -> Run:
        plan = self._cells[cell]
        started = madang_for(plan, self._wish.binary) if server == "madang" else self._servers[server]
        return self._judged(measure(plan, started, self._generator, self._wish.seconds, number, attempt))

    def _judged(self, run: Run) -> Run:
        # What failed has no figures, and stays void.
        failed = not (run.get("result") or run.get("half"))
        return run if failed or not self._wish.even_void else {**run, "void": []}

    def _publish(self) -> None:
        server, seconds = Madang(self._wish.binary).server(), min(self._wish.seconds, 5)
        self.found["publish"] = []

        def once(number: int, attempt: int) -> Run:
            return self._judged(publish.measure(server, self._generator, seconds, number, attempt))

        for number in range(min(self._wish.rounds, 3)):
            done = rounds.attempts(partial(once, number))
            self.found["publish"] += done
            last = done[-1]
            outcome = published(last) if is_valid(last) else "; ".join(last["wrong"] or last["void"])
            say(f"publish {number + 1}: {outcome}")
            self._keep()

    def _probe(self) -> None:
        try:
            self.found["probe"] = probe.measure(self._wish.binary)
            say(f"probe: {brief(self.found['probe']['redis_cost_percent'])} % of a core of Redis")
        except Failed as failed:
            say(f"probe: failed: {failed}")

    def _keep(self) -> None:
        self._out.parent.mkdir(parents=True, exist_ok=True)
        self._out.write_text(json.dumps(self.found, indent=1, ensure_ascii=False) + "\n")


def whole(kind: str) -> tuple[list[Cell], list[str]]:
    """Returns all cells of a kind of run, and the names of all its servers."""
    if kind == "own":
        return OWN_CELLS, ["madang"]
    return PEER_CELLS, ["madang", *(server.name for server in PEER_SERVERS)]


def verdict(done: list[Run]) -> str:
    """Returns what a run came to, in a few words."""
    last = done[-1]
    if not is_valid(last):
        return f"{'wrong' if last['wrong'] else 'void'}, {len(done)} times: {'; '.join(last['wrong'] or last['void'])}"
    cpu = CPU_PER_DELIVERY(last)
    p99 = (last["result"].get("latency_ms") or {}).get("p99")
    memory = IDLE_KIB(last)
    told = [f"{brief(cpu)} µs per delivery"] if cpu else []
    told += [f"{brief(memory)} KiB per session at rest"] if last["cell"] == "idle" and memory else []
    told += [f"p99 {brief(p99)} ms"] if p99 else []
    told += [f"repeated: {'; '.join(done[0]['wrong'] or done[0]['void'])}"] if len(done) > 1 else []
    return ", ".join(told) or "done"


def published(done: dict) -> str:
    rate, most = done["full"]["messages"]["per_second"], done["redis"]["best"]
    return f"{brief(rate)} messages/s of {brief(most)} calls/s, {rate / most:.2f}"


def say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)
