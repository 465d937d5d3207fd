"""Processes that are pinned to a core, have a port, and end with the run that started them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from layout import BUILT

PATIENCE = 20


class Failed(Exception):
    """Something that a run needs did not work; the text says what."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what: str, done: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Waits until `done` holds.

    Raises Failed, which names `what`, if it does not within `patience` seconds.
    """
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            raise Failed(f"{what} took longer than {patience:.0f} s")
        time.sleep(0.02)


def status_of(url: str) -> int | None:
    """Returns the status of the answer to a GET, or None if there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


class Process:
    """A process on one core, with all that it says in a file."""

    def __init__(self, name: str, core: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        BUILT.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = BUILT / f"{name}.log"
        # Runtimes size themselves by the cores that they find at their start, so they are pinned before it.
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                ["taskset", "--cpu-list", core, *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._child.pid

    def is_running(self) -> bool:
        return self._child.poll() is None

    def wait_for_port(self, port: int) -> None:
        """Waits until something listens at `port`.

        Raises Failed with the end of the log if the process ends before that.
        """

        def listens() -> bool:
            if not self.is_running():
                raise Failed(f"{self.name} ended at once: {self.last_words()}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(f"the start of {self.name}", listens)

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def cpu_seconds(self) -> float:
        """Returns the CPU time of all threads that live."""
        nanoseconds = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            # A thread may end while the others are counted.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def kill(self) -> None:
        """Ends it at once: a run is over, nothing of it is to be kept."""
        self._child.kill()
        self._child.wait()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def end_in_order_when_told() -> None:
    """Turns the signal to stop into an exception, so that everything that was started is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))


def output_of(command: list[str], **options: object) -> str:
    """Returns what a command says.

    Raises Failed with its words if it fails or is missing.
    """
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is missing") from None
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{command[0]} took longer than {late.timeout:.0f} s") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(f"{' '.join(command[:3])} … failed: {' / '.join(words[-3:])}")
    return done.stdout
