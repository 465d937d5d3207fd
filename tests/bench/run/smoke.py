"""Proves in seconds that what measures works: every server, every kind of cell, the reports. Asserts no speed."""

import os
import shutil
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path

import building
import floor
import machine
import probe
import publish
import report
from campaign import say
from cells import SMOKE_OWN_CELLS, SMOKE_PEER_CELL, Cell
from figures import CPU_PER_DELIVERY, IDLE_KIB, Run, at
from layout import DOCUMENT
from processes import Failed
from servers import PEER_SERVERS, Madang, Server
from stage import Generator, clean, cut_short, madang_for, measure


class Count:
    """What passed, and what did not."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, name: str, what: Callable[[], None]) -> None:
        try:
            what()
        except (Failed, AssertionError) as fault:
            self.failed += 1
            say(f"{name}: FAILED: {fault}")
        else:
            self.passed += 1
            say(f"{name}: passed")


def main(binary: str, with_peers: bool) -> int:
    """Returns the exit code; without peers nothing but madang is built or run."""
    if not os.access(binary, os.X_OK):
        raise Failed(f"{binary} is not built: `make build-tests` builds it")
    binary = os.path.abspath(binary)
    count = Count()
    _unit_tests(count)
    machine.check()
    building.tools()
    peers = PEER_SERVERS if with_peers else []
    building.peers([server.name for server in peers])
    generator = Generator(binary)
    runs: dict[str, list[Run]] = {"peers": [], "own": []}
    floors: list[dict] = []
    count.check("floor", lambda: floors.append(_floor()))
    servers = [Madang(binary).server(), *peers]
    for server in servers:
        count.check(
            f"server {server.name}",
            lambda server=server: runs["peers"].append(_sound(SMOKE_PEER_CELL, server, generator)),
        )
    for cell in SMOKE_OWN_CELLS:
        count.check(
            f"cell {cell.name}", lambda cell=cell: runs["own"].append(_sound(cell, madang_for(cell, binary), generator))
        )
    extras: dict[str, object] = {}
    count.check("publish", lambda: extras.update(publish=[_publish(servers[0], generator)]))
    count.check("probe", lambda: extras.update(probe=_probe(binary)))
    for kind, found in runs.items():
        if kind == "peers" and not with_peers:
            # Its figures are ratios to a peer.
            continue
        run = {
            "kind": kind,
            "command": "make bench-smoke",
            "rounds": 1,
            "seconds": SMOKE_PEER_CELL.measured,
            "runs": found,
            "machine": machine.describe(),
            "versions": machine.versions(binary, [server.name for server in servers]),
            "servers": [{"name": server.name, "title": server.title} for server in servers],
            "floors": floors,
            **extras,
        }
        count.check(f"report {kind}", lambda run=run: _report(run))
    clean()
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed else 0


def _unit_tests(count: Count) -> None:
    tests = unittest.defaultTestLoader.discover(str(Path(__file__).parent), "test_*.py")
    result = unittest.TextTestRunner(verbosity=1).run(tests)
    bad = len(result.failures) + len(result.errors)
    count.passed += result.testsRun - bad
    # Of nothing found nothing can fail: that is a fault as well.
    count.failed += bad + (result.testsRun == 0)


def _floor() -> dict:
    found = floor.measure(sends=5000)
    assert found["send_us"] > 0 and found["send_16_us"] > 0, found
    return found


def _sound(cell: Cell, server: Server, generator: Generator) -> Run:
    """Runs a cell; what counts is that all arrived and that the books were kept, not how fast."""
    run = measure(cell, server, generator, cell.measured, 0, 0)
    assert run["result"], "; ".join(run["void"])
    if cut_short(run["result"]):
        # The machine had no time for the generator itself; that is no fault of it, if it passes.
        run = measure(cell, server, generator, cell.measured, 0, 1)
    assert not run["wrong"], "; ".join(run["wrong"])
    for name, figure in (
        ("ratio", at("deliveries", "ratio")),
        ("received", at("deliveries", "received")),
        ("CPU", CPU_PER_DELIVERY),
    ):
        told = {part: run["result"].get(part) for part in ("deliveries", "processes")}
        assert figure(run), f"no {name} in what madang bench wrote: {told}"
    assert at("deliveries", "ratio")(run) == 1, f"{at('deliveries', 'ratio')(run)} of the deliveries arrived"
    if cell.name == "idle":
        assert IDLE_KIB(run) is not None, "no memory at rest in what madang bench wrote"
    if cell.name == "storm":
        resume = run["result"]["resume"]
        assert resume["whole"] == resume["sessions"] == cell.sessions, (
            f"{resume['whole']} of {cell.sessions} came back whole"
        )
    # Noise of a machine that does other things is no fault of the machinery.
    return {**run, "void": []}


def _publish(server: Server, generator: Generator) -> dict:
    found = publish.measure(server, generator, 1, 0, 0, calls=5000)
    assert "half" in found, "; ".join(found["void"])
    assert not found["wrong"], "; ".join(found["wrong"])
    return {**found, "void": []}


def _probe(binary: str) -> dict:
    found = probe.measure(binary, sessions=4, rooms_each=50, seconds=6)
    assert found["probes_per_second"] > 0, found
    return found


def _report(run: dict) -> None:
    """Writes the report into a copy, so that the document keeps the figures of a real run."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copy(DOCUMENT, scratch))
        report.write(run, copy, Path(scratch))
        text = copy.read_text()
        assert "make bench-smoke" in text, "the run is not in the document"
        for picture in report.KINDS[run["kind"]].pictures(run):
            assert picture in text and (Path(scratch) / picture).exists(), f"{picture} is not in the document"
