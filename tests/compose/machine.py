"""What an engine can leave behind on the machine."""

import subprocess
from pathlib import Path

from engine import Engine, Failed

Traces = dict[str, list[str]]


def _lines(*command: str) -> list[str]:
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def _processes() -> list[str]:
    """The command lines of all processes but this one and what it just runs."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    names = [line.replace(b"\0", b" ").decode().strip() for line in lines]
    return sorted(name for name in names if name)


def traces(engine: Engine) -> Traces:
    """Containers, pods, networks, volumes, processes, links, mounts and control groups.

    The tests run in namespaces of their own, so nobody else changes any of these; control groups are named by container.
    """
    return {
        "containers": engine.podman("ps", "--all", "--format", "{{.Names}}").splitlines(),
        "pods": engine.podman("pod", "ls", "--format", "{{.Name}}").splitlines(),
        "networks": sorted(engine.podman("network", "ls", "--format", "{{.Name}}").splitlines()),
        "volumes": engine.podman("volume", "ls", "--format", "{{.Name}}").splitlines(),
        "processes": _processes(),
        "links": _lines("ip", "-o", "-brief", "link"),
        "mounts": sorted(line.split(" ", 4)[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "network namespaces": sorted(str(path) for path in Path("/run/netns").glob("*")),
        # Podman's own group for its monitors stays, empty, until compose-tests.sh removes it.
        "control groups": sorted(str(path) for path in Path("/sys/fs/cgroup").glob("*/libpod_parent/libpod-*/")),
    }


def same(engine: Engine, before: Traces) -> bool:
    """Raises `Failed` with the differences, if there are any."""
    now = traces(engine)
    new = {kind: [it for it in now[kind] if it not in before[kind]] for kind in now}
    gone = {kind: [it for it in before[kind] if it not in now[kind]] for kind in now}
    if any(new.values()) or any(gone.values()):
        raise Failed(f"new: {[it for it in new.items() if it[1]]}, gone: {[it for it in gone.items() if it[1]]}")
    return True
