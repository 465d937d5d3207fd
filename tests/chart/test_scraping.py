"""The scrape configurations find what the chart renders."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import chart
from chart import ROOT, render

PROMTOOL = shutil.which("promtool") or str(Path(chart.HELM).with_name("promtool"))
FILES = [*sorted((ROOT / "deploy/prometheus").glob("*.yml")), ROOT / "deploy/compose/prometheus.yml"]
DNS = yaml.safe_load((ROOT / "deploy/prometheus/dns.yml").read_text())
KUBERNETES = yaml.safe_load((ROOT / "deploy/prometheus/kubernetes.yml").read_text())
# The release and the namespace that the files are about.
OURS = {"release": "madang", "namespace": "chat"}


def promtool(*arguments: str) -> str:
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def without_kubernetes(config: dict[str, Any], targets: Path) -> dict[str, Any]:
    """The same with the pods in a file, since Debian's Prometheus cannot ask Kubernetes."""
    jobs = [{k: v for k, v in job.items() if k != "kubernetes_sd_configs"} for job in config["scrape_configs"]]
    return config | {"scrape_configs": [job | {"file_sd_configs": [{"files": [str(targets)]}]} for job in jobs]}


def discovered(phase: str = "Running") -> list[dict[str, Any]]:
    """What discovery by Kubernetes with the role "pod" says of the pods of the chart: a target for each port."""
    targets = []
    for number, pod in enumerate(render("default", **OURS).pods):
        for container in pod.containers:
            for port in container.spec.get("ports", [{}]):
                labels = {
                    "__meta_kubernetes_namespace": OURS["namespace"],
                    "__meta_kubernetes_pod_name": f"pod-{number}",
                    "__meta_kubernetes_pod_node_name": "machine",
                    "__meta_kubernetes_pod_phase": phase,
                    "__meta_kubernetes_pod_container_name": container.spec["name"],
                    "__meta_kubernetes_pod_container_port_name": port.get("name", ""),
                }
                for name, value in pod.labels.items():
                    labels[f"__meta_kubernetes_pod_label_{''.join(c if c.isalnum() else '_' for c in name)}"] = value
                targets.append({"targets": [f"10.0.0.{number}:{port.get('containerPort', 80)}"], "labels": labels})
    return targets


def kept(job: str, targets: list[dict[str, Any]], directory: Path) -> list[dict[str, str]]:
    """The labels of the targets that a job keeps, as Prometheus itself says."""
    (directory / "targets.json").write_text(json.dumps(targets))
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(without_kubernetes(KUBERNETES, directory / "targets.json")))
    results = json.loads(promtool("check", "service-discovery", "--timeout", "10s", str(config), job))
    return [it["labels"] for it in results if it["labels"]]


@pytest.mark.parametrize("file", FILES, ids=lambda it: f"{it.parent.name}/{it.name}")
def test_prometheus_takes_them(file: Path, tmp_path: Path) -> None:
    config = yaml.safe_load(file.read_text())
    if any("kubernetes_sd_configs" in job for job in config["scrape_configs"]):
        config = without_kubernetes(config, tmp_path / "targets.json")
        (tmp_path / "targets.json").write_text("[]")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_dns_names_the_headless_service_and_the_exporter() -> None:
    chat, redis = DNS["scrape_configs"]
    (by_name,) = chat["dns_sd_configs"]
    (name,) = by_name["names"]
    service = render("default", **OURS).named("Service", name.split(".")[0])
    assert service and name == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    assert by_name["port"] in [port["port"] for port in service["spec"]["ports"]]

    host, port = redis["static_configs"][0]["targets"][0].split(":")
    service = render("default", **OURS).named("Service", host.split(".")[0])
    assert service and host == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert {"metrics": int(port)}.items() <= {it["name"]: it["port"] for it in service["spec"]["ports"]}.items()


def test_discovery_asks_for_the_pods_of_the_chart_only() -> None:
    for job in KUBERNETES["scrape_configs"]:
        (asked,) = job["kubernetes_sd_configs"]
        assert asked["role"] == "pod" and asked["namespaces"] == {"names": [OURS["namespace"]]}
        key, value = asked["selectors"][0]["label"].split("=")
        assert all(pod.labels[key] == value for pod in render("default", **OURS).pods)


def test_discovery_keeps_the_metrics_of_the_chat(tmp_path: Path) -> None:
    (target,) = kept("madang", discovered(), tmp_path)
    assert target["__address__"].endswith(":9090")
    wanted = {"job": "madang", "namespace": "chat", "release": "madang", "node": "machine"}
    assert wanted.items() <= target.items() and target["pod"].startswith("pod-")


def test_discovery_keeps_the_exporter_of_redis(tmp_path: Path) -> None:
    (target,) = kept("madang-redis", discovered(), tmp_path)
    assert target["__address__"].endswith(":9121")


def test_discovery_drops_what_has_ended(tmp_path: Path) -> None:
    assert not kept("madang", discovered("Succeeded"), tmp_path)
    assert not kept("madang-redis", discovered("Failed"), tmp_path)
