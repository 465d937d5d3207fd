"""What the story does to the machine of `make cluster-up` itself."""

import subprocess

from boxes import Box
from kube import ROOT
from layout import VOLUMES


def control(*command: str) -> str:
    """Runs something where the traffic between the nodes passes."""
    return Box("control").run(*command)


def fill_volume(node: str, volume: str) -> None:
    """Writes into a volume until nothing fits."""
    Box(node).run("bash", "-c", f"cat /dev/zero >{VOLUMES / volume}/ballast 2>/dev/null || true")


def free_volume(node: str, volume: str) -> None:
    """Removes what `fill_volume` wrote."""
    Box(node).run("rm", "-f", f"{VOLUMES / volume}/ballast")


def lose(node: str) -> None:
    """Ends a node with all that runs on it."""
    subprocess.run(["python3", ROOT / "tests" / "cluster" / "machine", "lose", node], check=True)
