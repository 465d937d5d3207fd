"""A whole run: every cell, server and round, written down after each, so that nothing measured is lost."""

import json
import time
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


class Campaign:
    """Everything that is measured in one go, and what it found so far."""

    def __init__(
        self, kind: str, binary: str, cells: list[Cell], servers: list[Server], count: int, seconds: float, command: str
    ) -> None:
        self.binary, self.cells, self.servers = (
            binary,
            {cell.name: cell for cell in cells},
            {server.name: server for server in servers},
        )
        self.generator = Generator(binary)
        self.found: dict = {
            "kind": kind,
            "command": command,
            "rounds": count,
            "seconds": seconds,
            "machine": machine.describe(),
            "versions": machine.versions(binary, list(self.servers)),
            "servers": [{"name": server.name, "title": server.title, "notes": server.notes} for server in servers],
            "floors": [],
            "runs": [],
        }

    def do(self, out: Path, extras: bool) -> dict:
        """Measures all of it; `extras` asks for what is no cell as well. Returns what was found, and keeps it in `out`."""
        plan = list(
            rounds.plan(
                [(cell.name, cell.rounds) for cell in self.cells.values()], list(self.servers), self.found["rounds"]
            )
        )
        say(f"{len(plan)} runs, about {self.minutes(plan):.0f} minutes without repeats")
        self.found["floors"].append(floor.measure())
        for place, (number, cell, server) in enumerate(plan, 1):
            done = rounds.attempts(lambda attempt: self._run(number, cell, server, attempt))
            self.found["runs"] += done
            say(f"{place}/{len(plan)} round {number + 1} {cell} {server}: {verdict(done)}")
            keep(self.found, out)
        if extras and self.found["kind"] == "peers":
            self._publish()
        if extras and self.found["kind"] == "own":
            self._probe()
        self.found["floors"].append(floor.measure())
        keep(self.found, out)
        clean()
        return self.found

    def minutes(self, plan: list[tuple[int, str, str]]) -> float:
        """Returns how long the plan takes; starting and ending a run takes a second or so."""
        return sum(self.cells[cell].seconds(self.found["seconds"]) + 1.5 for _, cell, _ in plan) / 60

    def _run(self, number: int, cell: str, server: str, attempt: int) -> Run:
        plan = self.cells[cell]
        started = madang_for(plan, self.binary) if server == "madang" else self.servers[server]
        return measure(plan, started, self.generator, self.found["seconds"], number, attempt)

    def _publish(self) -> None:
        self.found["publish"] = []
        for number in range(min(self.found["rounds"], 3)):
            done = publish.measure(Madang(self.binary).server(), self.generator, 5, number)
            self.found["publish"].append(done)
            say(f"publish {number + 1}: {'; '.join(done['void'] + done['wrong']) or published(done)}")

    def _probe(self) -> None:
        try:
            self.found["probe"] = probe.measure(self.binary)
            say(f"probe: {brief(self.found['probe']['redis_cost_percent'])} % of a core of Redis")
        except Failed as failed:
            say(f"probe: failed: {failed}")


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


def keep(found: dict, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
