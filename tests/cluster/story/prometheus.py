"""A real Prometheus in a pod, which finds the pods of the chat by DNS."""

import json
import re
import urllib.parse
import urllib.request

from kube import Failed, Forward, Namespace, apply, eventually, run
from layout import ROOT
from talk import RESTRICTED

SPACE = "chat-prometheus"


def scrape(chat: Namespace) -> None:
    """Starts Prometheus with the configuration of deploy/ and asks it for what the talkers do."""
    configuration = (ROOT / "deploy" / "prometheus" / "dns.yml").read_text()
    labels = {"app.kubernetes.io/name": "prometheus"}
    apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prometheus", "namespace": SPACE}, "data": {"prometheus.yml": configuration}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "prometheus", "namespace": SPACE, "labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "prometheus",
                        "image": _image(),
                        "args": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
                        "securityContext": RESTRICTED,
                        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/prometheus"}, {"name": "data", "mountPath": "/prometheus"}],
                    }
                ],
                "volumes": [{"name": "configuration", "configMap": {"name": "prometheus"}}, {"name": "data", "emptyDir": {}}],
            },
        },
    )
    space = Namespace(SPACE)
    eventually("Prometheus runs", lambda: space.get("pod", "prometheus")["status"]["phase"] == "Running")
    pods = len(chat.ready())
    with Forward(SPACE, "pod/prometheus", 9090) as url:
        eventually(f"{pods} pods are up", lambda: ask(url, 'sum(up{job="madang"})') == pods, 90)
        eventually("the talkers are counted", lambda: ask(url, "sum(madang_sessions)") >= 20, 60)
        eventually("messages are delivered", lambda: ask(url, "sum(rate(madang_messages_delivered_total[30s]))") > 1, 90)
        if ask(url, "min(madang_broker_up)") != 1:
            raise Failed("Prometheus says that a pod has no Redis")
    run("kubectl", "delete", "namespace", SPACE)


def ask(url: str, query: str) -> float:
    """Returns the one number that a query gives."""
    with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=10) as answer:
        return float(json.load(answer)["data"]["result"][0]["value"][1])


def _image() -> str:
    found = re.search(r"image: (\S*prom/prometheus:\S+)", (ROOT / "deploy" / "compose" / "compose.yaml").read_text())
    if not found:
        raise Failed("deploy/compose/compose.yaml names no Prometheus")
    return found[1]
