"""Where everything of the cluster is, and which addresses it has."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
TOOLS = TARGET / "tools"
IMAGES = TARGET / "images"
BIN = TARGET / "cluster" / "bin"
# All that a running cluster writes; removed when it goes down.
RUN = TARGET / "cluster" / "run"
KUBECONFIG = RUN / "kubeconfig"
VOLUMES = RUN / "volumes"

# The version of this program, and the one that a bumped chart asks for: the same image under another name.
VERSIONS = (tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"], "0.99.0")

CONTROL_ADDRESS = "10.244.0.1"
# The end of the link on the machine's own side, so that kubectl works outside of the cluster's network.
HOST_ADDRESS = "10.244.0.2"
HOST_LINK = "madang0"
API = f"https://{CONTROL_ADDRESS}:6443"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"


@dataclass(frozen=True)
class Node:
    """One of the nodes: a network, a process tree and mounts of its own."""

    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def directory(self) -> Path:
        return RUN / self.name

    @property
    def address(self) -> str:
        return f"10.244.{100 + self.number}.2"

    @property
    def gateway(self) -> str:
        return f"10.244.{100 + self.number}.1"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def containerd(self) -> Path:
        return self.directory / "containerd.sock"


NODES = (Node(1), Node(2))
