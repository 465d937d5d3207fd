"""Podman with all that it keeps in one directory, and the compose file run by it."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "deploy/compose/compose.yaml"
DOCUMENT = ROOT / "deploy/README.md"
FILE = yaml.safe_load(COMPOSE_FILE.read_text())
NODES = ["node-1", "node-2", "node-3"]
# The ports that the compose file has unless it is told others.
NODE_PORTS = {"node-1": 8081, "node-2": 8082, "node-3": 8083}
# This one is told another.
PROMETHEUS_PORT = 9191

T = TypeVar("T")

# Seconds. Debian's netavark lets the bridge of a network change its address with each container that joins or leaves;
# one that knew the old address, where names are resolved, needs up to a minute to ask for the new one.
PATIENCE = 120

CONTAINERS_CONF = """
[containers]
# Raising limits may be forbidden where this runs.
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
log_driver = "k8s-file"

[engine]
# crun refuses control groups of both versions side by side.
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{directory}/tmp"
static_dir = "{directory}/static"
volume_path = "{directory}/volumes"

[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
"""

STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "{directory}/storage"
runroot = "{directory}/run"
"""


class Failed(Exception):
    """A command failed; the text is what it said."""


def eventually(ask: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Returns the first answer that is true. Fails with the last one, or with what was raised, when the time is over."""
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            if answer := ask():
                return answer
            last = answer
        except (Failed, OSError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last: {last}")
        time.sleep(0.1)


class Engine:
    """Podman, and the project of the compose file."""

    def __init__(self, directory: Path) -> None:
        (directory / "networks").mkdir(parents=True)
        for name, text in {"containers.conf": CONTAINERS_CONF, "storage.conf": STORAGE_CONF}.items():
            (directory / name).write_text(text.format(directory=directory))
        self.directory = directory
        # Podman takes no other file into account with these two.
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "PROMETHEUS_PORT": str(PROMETHEUS_PORT),
        }

    def run(self, *command: str, seconds: float = 120) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise Failed(f"{shlex.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def podman(self, *arguments: str) -> str:
        return self.run("podman", *arguments)

    def compose(self, *arguments: str) -> str:
        program = Path(sys.executable).with_name("podman-compose")
        return self.run(str(program), "--file", str(COMPOSE_FILE), *arguments)

    def documented(self, beginning: str) -> list[str]:
        """What a command of deploy/README.md prints which begins with these words, for each such command."""
        begins = f"docker compose -f deploy/compose/compose.yaml {beginning}"
        lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(begins)]
        assert lines, f"{DOCUMENT} has no command {begins!r}"
        # The words after the compose file; podman-compose asks for a terminal unless it is told not to.
        words = [shlex.split(line)[4:] for line in lines]
        return [self.compose(it[0], *(["-T"] if it[0] == "exec" else []), *it[1:]) for it in words]

    def container(self, service: str) -> dict[str, Any]:
        (container,) = json.loads(self.podman("container", "inspect", f"{FILE['name']}_{service}_1"))
        return container

    def logs(self, service: str) -> str:
        done = subprocess.run(
            ["podman", "logs", f"{FILE['name']}_{service}_1"], env=self.environment, capture_output=True, text=True
        )
        return done.stdout + done.stderr

    def health(self, service: str) -> None:
        """Runs the health check of a service, as the engine would every few seconds. Raises `Failed` if it fails."""
        try:
            self.podman("healthcheck", "run", f"{FILE['name']}_{service}_1")
        except Failed as failed:
            log = self.container(service)["State"]["Health"]["Log"] or []
            raise Failed(f"{failed}{log[-1]['Output'] if log else ''}") from failed

    def healthy(self, service: str) -> bool:
        """The same for `eventually`."""
        self.health(service)
        return True

    def alive(self, node: str) -> bool:
        self.podman("exec", f"{FILE['name']}_{node}_1", "madang", "healthcheck", "--live")
        return True

    def leave(self) -> None:
        """Removes what is left after a test that failed."""
        for command in (["rm", "--all", "--force", "--time", "1"], ["system", "reset", "--force"]):
            subprocess.run(["podman", *command], env=self.environment, capture_output=True, timeout=120)
