"""Boxes: a network, mounts and a process tree of their own, which end with one process, the holder.

Nothing that runs in a box can outlive it: the kernel ends all of its processes, and its links, firewall rules and
mounts go with the last of them.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

from layout import RUN

# As the first process of the box, bash takes in what lost its parent.
HOLD = """
mount --make-rshared /
# What the parts write into the machine's own directories stays in the box.
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir -p /run/netns /run/lock
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1
echo ready
while :; do sleep 3600 & wait $!; done
"""


class Box:
    """A box by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.holder = RUN / f"{name}.holder"

    def make(self) -> None:
        """Makes the box and waits until its holder is there."""
        log = (RUN / f"{self.name}.log").open("ab")
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", HOLD],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdout
        if process.stdout.readline() != b"ready\n":
            raise SystemExit(f"the box {self.name} cannot be made; see {RUN / self.name}.log")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        self.holder.write_text(f"{process.pid} {children[0]}")

    @property
    def inner(self) -> int:
        """The first process of the box."""
        return int(self.holder.read_text().split()[1])

    def enter(self, *command: str) -> list[str]:
        """The command line that runs something in the box."""
        return ["nsenter", "--target", str(self.inner), "--net", "--mount", "--pid", "--", *command]

    def run(self, *command: str) -> str:
        """Runs something in the box and returns what it printed."""
        return subprocess.run(self.enter(*command), check=True, text=True, stdout=subprocess.PIPE).stdout

    def start(self, name: str, *command: str) -> None:
        """Starts a process that stays, with a log of its own."""
        log = (RUN / f"{self.name}-{name}.log").open("ab")
        subprocess.Popen(self.enter(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def end(self) -> None:
        """Ends the box with all that runs in it. Does nothing if it has ended."""
        if not self.holder.exists():
            return
        outer = int(self.holder.read_text().split()[0])
        # A number may have been given to another process since.
        if b"unshare" in _command_line(outer):
            os.kill(outer, signal.SIGKILL)
            while b"unshare" in _command_line(outer):
                time.sleep(0.05)
        self.holder.unlink()


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
