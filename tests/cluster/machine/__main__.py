"""Two nodes of upstream Kubernetes on this machine: `machine up`, `machine down`, `machine lose NODE`.

`up` says how to use it; `down` leaves nothing but what was built. Needs root, Debian's etcd, containerd, runc and
network plugins (tests/tools/setup-cluster.sh), the components (build-node.sh) and the images (tests/image/build.sh).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cgroups
import files
import network
import parts
import volumes
from boxes import Box
from layout import BIN, HOST_LINK, IMAGES, KUBECONFIG, NODES, RUN, TOOLS, VERSIONS, Node

CONTROL = Box("control")
BOXES = {node: Box(node.name) for node in NODES}
KUBECTL = (str(TOOLS / "kubectl"), "--kubeconfig", str(KUBECONFIG))


def up() -> None:
    if RUN.exists():
        raise SystemExit("a cluster is up already, or was not taken down: make cluster-down")
    if os.geteuid() != 0:
        raise SystemExit("a cluster on this machine needs root; with KUBECONFIG set, another one is used")
    if not (BIN / "kubelet").exists():
        raise SystemExit("Kubernetes is not built: tests/cluster/build-node.sh")
    began = time.monotonic()
    RUN.mkdir(parents=True)
    try:
        _start()
    except BaseException:
        print(f"cluster-up: failed; the logs are kept in {RUN}.failed", file=sys.stderr)
        shutil.rmtree(f"{RUN}.failed", ignore_errors=True)
        shutil.copytree(RUN, f"{RUN}.failed", ignore=lambda _, names: [name for name in names if not name.endswith(".log")])
        down()
        raise
    print(f"cluster-up: two nodes are ready after {time.monotonic() - began:.0f} s; export KUBECONFIG={KUBECONFIG}")


def _start() -> None:
    files.write_control()
    CONTROL.make()
    network.connect_host(CONTROL)
    parts.start_store(CONTROL)
    for node, box in BOXES.items():
        cgroups.make(node)
        files.write_node(node)
        box.make()
        network.connect(CONTROL, box, node)
        parts.start_containerd(box, node)
    volumes.make(BOXES[volumes.HOME])
    wait_for("the API server", lambda: kubectl("get", "--raw", "/readyz") == "ok")
    parts.start_control(CONTROL)
    with ThreadPoolExecutor() as pool:
        list(pool.map(load_images, NODES))
    for node, box in BOXES.items():
        parts.start_node(box, node)
    for node in NODES:
        wait_for(node.name, lambda name=node.name: "True" in kubectl("get", "node", name, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'))
    volumes.offer(kubectl)
    wait_for("the default service account", lambda: "default" in kubectl("get", "serviceaccounts"))


def load_images(node: Node) -> None:
    """Hands the images that were built to a node."""
    ctr = ("ctr", "--address", str(node.containerd), "--namespace", "k8s.io", "images")
    box = BOXES[node]
    wait_for("containerd", lambda: box.run(*ctr, "list") != "")
    for archive in sorted(IMAGES.glob("*.tar")):
        box.run(*ctr, "import", str(archive))
    # As if they came from a registry; the second one is what a later chart names.
    for version in VERSIONS:
        box.run(*ctr, "tag", f"localhost/madang:{VERSIONS[0]}", f"registry.example.com/madang:{version}")


def down() -> None:
    for box in (*BOXES.values(), CONTROL):
        box.end()
    for node in NODES:
        cgroups.remove(node)
    # The link is gone with the box at its other end, but for the moment that the kernel needs.
    subprocess.run(["ip", "link", "delete", HOST_LINK], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(RUN, ignore_errors=True)


def lose(name: str) -> None:
    """Ends a node with all that runs on it, as a machine that lost its power."""
    box = next((box for node, box in BOXES.items() if node.name == name), None)
    if box is None:
        raise SystemExit(f"{name} is no node: {' or '.join(node.name for node in NODES)}")
    box.end()


def kubectl(*arguments: str) -> str:
    """Runs kubectl and returns what it printed, or nothing if it failed."""
    return subprocess.run([*KUBECTL, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


def wait_for(what: str, is_there: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if is_there():
                return
        except subprocess.CalledProcessError:
            pass
        if time.monotonic() > end:
            raise SystemExit(f"{what} is not there after {seconds:.0f} s; see the logs in {RUN}")
        time.sleep(0.2)


def main() -> None:
    match sys.argv[1:]:
        case ["up"]:
            up()
        case ["down"]:
            down()
        case ["lose", name]:
            lose(name)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
