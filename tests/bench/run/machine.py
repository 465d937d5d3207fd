"""The machine and the versions that figures come from."""

import json
import os
import platform
import re
import resource
import time
from pathlib import Path

import redis
from layout import PEERS, ROOT
from processes import Failed, output_of


def check() -> None:
    """Raises Failed where nothing can be measured."""
    cores = os.sched_getaffinity(0)
    if not {0, 1} <= cores:
        raise Failed("two cores are needed, 0 and 1: one for the server, one for Redis and the generator")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 12_000:
        raise Failed(f"a process may have {hard} files open here; 10,000 sessions need 12000: raise `ulimit -Hn`")
    # What is started from here inherits it; runtimes of peers do not all raise it by themselves.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def describe() -> dict:
    """Returns what a reader must know about the machine."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "memory_gib": round(int(memory[1]) / 1024**2) if memory else None,
        "kernel": platform.release(),
        "system": _system(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "somaxconn": int(Path("/proc/sys/net/core/somaxconn").read_text()),
        "load": os.getloadavg()[0],
    }


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def versions(binary: str, names: list[str]) -> dict:
    """Returns the versions of all that takes part, by what is installed or locked."""
    found = {"madang": output_of([binary, "--version"]).strip().removeprefix("madang "), "redis": redis.version()}
    if revision := _revision():
        found["madang"] += f" ({revision})"
    if any(name.startswith("centrifuge") for name in names):
        module = (PEERS / "centrifuge/go.mod").read_text()
        found["centrifuge"] = re.search(r"centrifugal/centrifuge v(\S+)", module)[1]
        found["go"] = output_of(["go", "env", "GOVERSION"]).strip().removeprefix("go")
    if "socketio" in names:
        found |= _locked("socketio", "socket.io", "@socket.io/redis-adapter")
    if "plain" in names:
        found |= _locked("plain", "ws", "ioredis")
    if {"socketio", "plain"} & set(names):
        found["node"] = output_of(["node", "--version"]).strip().removeprefix("v")
    return found


def _locked(where: str, *packages: str) -> dict:
    lock = json.loads((PEERS / where / "package-lock.json").read_text())["packages"]
    return {package: lock[f"node_modules/{package}"]["version"] for package in packages}


def _revision() -> str | None:
    try:
        return output_of(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=ROOT).strip()
    except Failed:
        return None
