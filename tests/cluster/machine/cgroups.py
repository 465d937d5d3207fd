"""The part of the machine's control groups that a node uses."""

import os
import time
from pathlib import Path

from layout import Node

TREE = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    """The trees of version 1, or the one of version 2."""
    if (TREE / "cgroup.controllers").exists():
        return [TREE]
    return [path for path in TREE.iterdir() if path.is_dir() and not path.is_symlink() and os.path.ismount(path)]


def make(node: Node) -> None:
    """Makes the group of a node in every tree."""
    for tree in _hierarchies():
        group = tree / node.name
        group.mkdir(exist_ok=True)
        # In version 1, a new group has no processors and no memory until it is told.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (group / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((tree / name).read_text())


def remove(node: Node) -> None:
    """Removes the groups of a node, whose processes have ended or are about to."""
    for tree in _hierarchies():
        group = tree / node.name
        if not group.exists():
            continue
        for folder, _, _ in os.walk(group, topdown=False):
            _remove(Path(folder))


def _remove(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            # A process that was killed leaves a moment later.
            time.sleep(0.1)
    print(f"cluster-down: the control group {folder} stays, it is in use")
