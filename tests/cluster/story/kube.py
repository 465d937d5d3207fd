"""kubectl and helm, and what the story asks of the cluster."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "machine"))
from layout import KUBECONFIG, ROOT, TOOLS  # noqa: E402

# A cluster that somebody else made: kind, minikube, any.
IS_FOREIGN = "KUBECONFIG" in os.environ and Path(os.environ["KUBECONFIG"]) != KUBECONFIG
ENVIRONMENT = os.environ | {"KUBECONFIG": os.environ.get("KUBECONFIG", str(KUBECONFIG)), "PATH": f"{TOOLS}:{os.environ['PATH']}"}


class Failed(Exception):
    """What did not hold, in a sentence."""


def run(*command: str, text: str | None = None, seconds: float = 300) -> str:
    """Runs a command at the root of the repository and returns what it printed."""
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, input=text, text=True, capture_output=True, check=False, timeout=seconds)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def refused(*command: str) -> str:
    """Runs a command that must fail and returns what it said."""
    try:
        printed = run(*command)
    except Failed as failed:
        return str(failed)
    raise Failed(f"{' '.join(command)} was not refused: {printed}")


def shell(command: str, seconds: float = 300) -> str:
    """Runs a line as a user would paste it."""
    return run("bash", "-euo", "pipefail", "-c", command, seconds=seconds)


def eventually(what: str, is_so: Callable[[], object], seconds: float = 120, every: float = 0.3) -> float:
    """Waits until something is so, and returns how long it took."""
    began = time.monotonic()
    last = ""
    while True:
        try:
            if is_so():
                return time.monotonic() - began
        except (Failed, KeyError, IndexError, OSError, ValueError) as error:
            last = f" ({error})"
        if time.monotonic() - began > seconds:
            raise Failed(f"not after {seconds:.0f} s: {what}{last}")
        time.sleep(every)


def apply(*objects: dict) -> None:
    run("kubectl", "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


class Namespace:
    """A namespace and what is in it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kubectl(self, *arguments: str) -> str:
        return run("kubectl", "--namespace", self.name, *arguments)

    def helm(self, *arguments: str) -> str:
        return run("helm", "--namespace", self.name, *arguments)

    def get(self, kind: str, name: str = "", selector: str = "") -> dict:
        """Returns an object, or a list of objects."""
        wanted = [kind] + ([name] if name else []) + (["--selector", selector] if selector else [])
        return json.loads(self.kubectl("get", *wanted, "--output", "json"))

    def pods(self, component: str = "chat", release: str = "madang") -> list[dict]:
        """Returns the pods of a component that are not leaving."""
        found = self.get("pods", selector=f"app.kubernetes.io/component={component},app.kubernetes.io/instance={release}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str = "chat", release: str = "madang") -> list[dict]:
        return [pod for pod in self.pods(component, release) if is_ready(pod)]

    def restarts(self, component: str = "chat", release: str = "madang") -> int:
        return sum(status["restartCount"] for pod in self.pods(component, release) for status in pod["status"].get("containerStatuses", []))

    def settled(self, replicas: int, release: str = "madang", name: str = "madang") -> bool:
        """True if the Deployment is done: so many pods of its newest version are available, and no others are there."""
        deployment = self.get("deployment", name)
        status = deployment["status"]
        is_seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
        counts = [status.get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")]
        everything = self.get("pods", selector=f"app.kubernetes.io/component=chat,app.kubernetes.io/instance={release}")["items"]
        return is_seen and counts == [replicas] * 3 and len(everything) == replicas


def is_ready(pod: dict) -> bool:
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"].get("conditions", []))


class Forward:
    """A port of this machine that leads to a Service, for as long as the block runs."""

    def __init__(self, namespace: str, service: str = "service/madang", port: int = 80) -> None:
        self.command = ["kubectl", "--namespace", namespace, "port-forward", service, f":{port}"]

    def __enter__(self) -> str:
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout and self.process.stderr
        line = self.process.stdout.readline()
        if "Forwarding from" not in line:
            raise Failed(f"{' '.join(self.command)}: {line or self.process.stderr.read()}")
        return f"http://127.0.0.1:{line.split('127.0.0.1:')[1].split(' ')[0]}"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
