"""The manifests for people without Helm are what the chart renders, and kubectl takes them."""

import os
import subprocess
from pathlib import Path

import yaml

import chart
from chart import ROOT

MANIFESTS = ROOT / "deploy/manifests"
KUBECTL = Path(chart.HELM).with_name("kubectl")


def rendered_files(directory: Path) -> dict[str, str]:
    return {str(it.relative_to(directory)): it.read_text() for part in ("chat", "redis") for it in (directory / part).glob("*")}


def kustomized() -> chart.Rendered:
    return chart.read(subprocess.run([KUBECTL, "kustomize", MANIFESTS], capture_output=True, text=True, check=True).stdout)


def test_they_are_what_the_chart_renders_now(tmp_path: Path) -> None:
    environment = os.environ | {"HELM": str(Path(chart.HELM).resolve())}
    subprocess.run([MANIFESTS / "render.sh", tmp_path], env=environment, check=True)
    assert rendered_files(tmp_path) == rendered_files(MANIFESTS), "make manifests renders them anew"


def test_all_files_are_applied() -> None:
    listed = set(yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"])
    assert listed == {*rendered_files(MANIFESTS), "namespace.yaml"}


def test_kubectl_takes_them_into_the_namespace_that_they_bring() -> None:
    (namespace,) = kustomized().of_kind("Namespace")
    others = [it for it in kustomized().objects if it["kind"] != "Namespace"]
    assert len(others) == len(rendered_files(MANIFESTS))
    assert {it["metadata"]["namespace"] for it in others} == {namespace["metadata"]["name"]}


def test_nothing_in_them_is_for_helm() -> None:
    text = "".join(line for line in kustomized().text.splitlines(keepends=True) if "run helm upgrade" not in line)
    assert "helm" not in text.lower()


def test_the_only_secret_that_they_need_is_described() -> None:
    needed = {volume["secret"]["secretName"] for pod in kustomized().pods for volume in pod.spec.get("volumes", []) if "secret" in volume}
    assert not kustomized().of_kind("Secret")
    (name,) = needed
    command = f"kubectl --namespace chat create secret generic {name} --from-literal=redis-password="
    assert command in (MANIFESTS / "kustomization.yaml").read_text()
    assert command in (ROOT / "deploy/README.md").read_text()
