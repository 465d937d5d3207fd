"""One run: a fresh Redis, fresh nodes, the generator, and what it found."""

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cells import Cell
from figures import Run
from layout import BUILT, OTHER_CORE
from processes import Failed
from redis import Redis
from servers import Madang, Server, Started


# Of the measured phase, by which its length may be off.
PHASE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Generator:
    """`madang bench` of one binary."""

    binary: str
    core: str = OTHER_CORE

    def run(self, arguments: list[str], patience: float) -> dict:
        """Returns the JSON that it wrote.

        Raises Failed with its words if there is none, or if it takes longer than `patience` seconds.
        """
        out = BUILT / "result.json"
        out.unlink(missing_ok=True)
        command = ["taskset", "--cpu-list", self.core, self.binary, "bench", *arguments, "--json", str(out), "--quiet"]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"madang bench took longer than {patience:.0f} s") from None
        if not out.exists():
            words = (done.stderr or done.stdout).strip().splitlines()
            raise Failed(f"madang bench: {' / '.join(words[-3:]) or f'exit code {done.returncode}, without a word'}")
        return json.loads(out.read_text())


def measure(cell: Cell, server: Server, generator: Generator, seconds: float, number: int, attempt: int) -> Run:
    """Runs a cell against a server, and everything ends with it."""
    run: Run = {"cell": cell.name, "server": server.name, "round": number, "attempt": attempt}
    with ExitStack() as stack:
        try:
            redis = stack.enter_context(Redis())
            nodes = [stack.enter_context(Started(server, redis.url, name)) for name in names(cell.nodes)]
            arguments = ["--protocol", server.protocol, "--label", f"{server.title}: {cell.title}"]
            for node in nodes:
                arguments += ["--url", node.url, "--pid", f"{node.name}={node.pid}"]
            arguments += ["--pid", f"redis={redis.pid}", *cell.arguments(seconds)]
            result = generator.run(arguments, cell.seconds(seconds) + 60)
        except Failed as failed:
            return {**run, "void": [str(failed)], "wrong": [], "result": {}}
    void = [*result.get("void", []), *cut_short(result)]
    return {**run, "void": void, "wrong": result.get("wrong", []), "result": result}


def cut_short(result: dict) -> list[str]:
    """Returns a reason if the generator did not account for the whole phase that it measured.

    On a machine that has no time for it, it may read the CPU of the server late; nothing is known of the rest then.
    """
    deliveries, planned = result.get("deliveries") or {}, result["plan"]["seconds"]
    if not deliveries.get("per_second"):
        return []
    lasted = deliveries["received"] / deliveries["per_second"]
    if abs(lasted - planned) <= PHASE_TOLERANCE * planned:
        return []
    return [f"the generator accounted for {lasted:.1f} of {planned:.1f} s"]


def names(nodes: int) -> list[str]:
    """Returns what the nodes of a run are called in its result."""
    return ["server"] if nodes == 1 else [f"server-{number}" for number in range(1, nodes + 1)]


def madang_for(cell: Cell, binary: str) -> Server:
    """Returns madang with the settings that a cell needs."""
    return Madang(binary, cell.settings).server()


def clean() -> None:
    """Removes what runs leave beside their figures."""
    for path in [*BUILT.glob("*.log"), BUILT / "result.json"]:
        Path(path).unlink(missing_ok=True)
