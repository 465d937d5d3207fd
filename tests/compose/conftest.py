"""What pytest is told: the stack that the tests share, and the line with the numbers."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
from engine import NODES, Engine, eventually

IMAGES = Path(os.environ["COMPOSE_TEST_IMAGES"])


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Podman in a directory of its own, with the images that the compose file names."""
    directory = IMAGES.parent / "compose"
    shutil.rmtree(directory, ignore_errors=True)
    engine = Engine(directory)
    try:
        for name in ("madang", "redis", "prometheus"):
            engine.podman("load", "--quiet", "--input", str(IMAGES / f"{name}.tar"))
        yield engine
    finally:
        engine.leave()
        subprocess.run(["umount", "--recursive", directory / "storage/overlay"], stderr=subprocess.DEVNULL)
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def before(engine: Engine) -> machine.Traces:
    """What the machine had before anything was brought up."""
    return machine.traces(engine)


@pytest.fixture(scope="session")
def stack(engine: Engine, before: machine.Traces) -> Engine:
    """The project, brought up as the document says and ready."""
    engine.documented("up")
    for node in NODES:
        try:
            eventually(lambda: engine.healthy(node), f"{node} is healthy")
        except AssertionError:
            print(*(engine.logs(it)[-3000:] for it in (node, "redis")), sep="\n")
            raise
    return engine


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says the numbers in the words of the other runners, for whoever adds them up."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error")}
    terminalreporter.write_line(f"{count['passed']} passed, {count['failed'] + count['error']} failed")
