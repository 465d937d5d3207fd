"""The talking sessions: `madang soak` in a pod of its own, and the lines that it prints."""

import json
from dataclasses import dataclass

from kube import IS_FOREIGN, Namespace, apply, eventually, run
from layout import NODES, VERSIONS

IMAGE = f"registry.example.com/madang:{VERSIONS[0]}"
TALKERS = 20
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
FAULTS = ("lost", "doubled", "reordered", "phantom", "gaps", "withdrawn")


@dataclass
class Talk:
    """Sessions that talk through a Service, from a namespace of their own."""

    url: str
    space: Namespace

    def begin(self) -> None:
        apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space.name}},
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "soak", "namespace": self.space.name},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    # On the node that stays.
                    "nodeSelector": {} if IS_FOREIGN else {"kubernetes.io/hostname": NODES[0].name},
                    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [
                        {
                            "name": "soak",
                            "image": IMAGE,
                            "args": ["soak", "--url", self.url, "--talkers", str(TALKERS), "--rooms", "4", "--every", "500ms"],
                            "securityContext": RESTRICTED,
                        }
                    ],
                },
            },
        )
        eventually("the talkers talk", lambda: self.line()["online"] == TALKERS and self.line()["delivered"] > 100)

    def line(self) -> dict:
        """Returns what was counted last."""
        return json.loads(self.space.kubectl("logs", "soak", "--tail", "1"))

    def whole(self, seconds: float = 90) -> dict:
        """Waits until everybody is there and nothing is overdue, and returns what was counted."""
        before = self.line()["seconds"]

        def is_whole() -> bool:
            line = self.line()
            return line["seconds"] > before + 1 and line["online"] == TALKERS and line["overdue"] == 0

        try:
            eventually("everybody is there and nothing is overdue", is_whole, seconds)
        except Exception:
            print(f"   last line: {self.line()}", flush=True)
            raise
        return self.line()

    def end(self) -> None:
        run("kubectl", "delete", "namespace", self.space.name, "--wait=false")
