"""Volumes for claims: directories of the first node, and two small ones that run full."""

import json
from collections.abc import Callable

from boxes import Box
from layout import NODES, RUN, VOLUMES

# Claims of the chart ask for 2Gi by default; nothing is reserved for them.
PLAIN = tuple(f"plain-{number}" for number in range(1, 7))
SMALL = ("small-1", "small-2")
SMALL_SIZE = "40m"
# The node that has them.
HOME = NODES[0]


def make(box: Box) -> None:
    """Makes the directories. The small ones are file systems of their own, in the box of the node that has them."""
    for name in PLAIN + SMALL:
        (VOLUMES / name).mkdir(parents=True)
    for name in SMALL:
        box.run("mount", "-t", "tmpfs", "-o", f"size={SMALL_SIZE}", "tmpfs", str(VOLUMES / name))


def offer(kubectl: Callable[..., str]) -> None:
    """Makes a default storage class and the volumes of it; the small ones belong to a class of their own."""
    objects: list[dict] = []
    for name, annotations in (("directories", {"storageclass.kubernetes.io/is-default-class": "true"}), ("small", {})):
        objects.append(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": name, "annotations": annotations},
                "provisioner": "kubernetes.io/no-provisioner",
                "volumeBindingMode": "WaitForFirstConsumer",
            }
        )
    for name in PLAIN + SMALL:
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": name},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "capacity": {"storage": "10Gi"},
                    "local": {"path": str(VOLUMES / name)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [HOME.name]}]}]}},
                    "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": "small" if name in SMALL else "directories",
                },
            }
        )
    path = RUN / "volumes.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    kubectl("create", "-f", str(path))
