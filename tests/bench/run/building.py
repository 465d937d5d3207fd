"""Builds what is measured: the node, the peers and the floor, each pinned to what is committed."""

import shutil
import subprocess
from pathlib import Path

from layout import BUILT, PEERS, ROOT, TARGET
from processes import Failed

FLOOR = BUILT / "floor"


def need(command: str, why: str) -> None:
    """Raises Failed if a command is missing; `why` says what it is for, and what brings it."""
    if not shutil.which(command):
        raise Failed(f"{command} is missing: {why}")


def _run(command: list[str], where: Path) -> None:
    shown = " ".join(command)
    print(f"bench: {shown} (in {where.relative_to(ROOT) if where != ROOT else 'the root'})", flush=True)
    if subprocess.run(command, cwd=where, check=False).returncode != 0:
        raise Failed(f"{shown} failed")


def tools() -> None:
    """Checks for what every measurement needs, and builds the program for the floor."""
    need("taskset", "it pins processes to cores; Debian's package util-linux has it")
    need("redis-server", "it joins the nodes; make setup installs it")
    need("redis-benchmark", "it measures Redis alone; Debian's package redis-tools has it")
    need("cc", "it builds the program that measures the floor; make setup installs it")
    BUILT.mkdir(parents=True, exist_ok=True)
    source = ROOT / "tests/bench/floor/floor.c"
    if not _is_newer(FLOOR, source):
        _run(["cc", "-O2", "-Wall", "-Wextra", "-o", str(FLOOR), str(source)], ROOT)


def madang() -> str:
    """Builds the node as it is shipped, and returns its path."""
    need("cargo", "it builds madang; install Rust, see the README")
    _run(["cargo", "build", "--locked", "--release"], ROOT)
    return str(TARGET / "release/madang")


def peers(names: list[str]) -> None:
    """Builds or installs the peers among `names`, unless that was done."""
    if any(name.startswith("centrifuge") for name in names):
        need("go", "it builds the server on the Centrifuge library; install Go 1.26 or later")
        _run(["go", "build", "-o", str(BUILT / "centrifuge"), "."], PEERS / "centrifuge")
    for name in names:
        if (PEERS / name / "package.json").exists():
            need("npm", f"it installs what {name} needs; make setup installs it")
            _install(PEERS / name)


def _install(where: Path) -> None:
    installed = where / "node_modules/.package-lock.json"
    if _is_newer(installed, where / "package-lock.json"):
        return
    _run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], where)
    # npm keeps the time of a file that it did not have to change.
    installed.touch()


def _is_newer(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime >= source.stat().st_mtime
