"""What the story does to the machine of `make cluster-up` itself."""

import subprocess

from kube import ROOT
from layout import RUN, VOLUMES


def _inside(box: str, *command: str) -> str:
    inner = (RUN / f"{box}.holder").read_text().split()[1]
    enter = ["nsenter", "--target", inner, "--net", "--mount", "--pid", "--", *command]
    return subprocess.run(enter, check=True, text=True, stdout=subprocess.PIPE).stdout


def control(*command: str) -> str:
    """Runs something where the traffic between the nodes passes."""
    return _inside("control", *command)


def fill_volume(node: str, volume: str) -> None:
    """Writes into a volume until nothing fits."""
    _inside(node, "bash", "-c", f"cat /dev/zero >{VOLUMES / volume}/ballast 2>/dev/null || true")


def free_volume(node: str, volume: str) -> None:
    """Removes what `fill_volume` wrote."""
    _inside(node, "rm", "-f", f"{VOLUMES / volume}/ballast")


def lose(node: str) -> None:
    """Ends a node with all that runs on it."""
    subprocess.run(["python3", ROOT / "tests" / "cluster" / "machine", "lose", node], check=True)
