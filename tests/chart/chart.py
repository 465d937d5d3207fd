"""Renders the chart, and reads what came out."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/madang"
HELM = os.environ.get("HELM", str(ROOT / "target/tools/helm"))
NAMESPACE = "yard"
RELEASE = "madang"

# The names that `render` takes: the chart's own values, and the files of `ci/`.
VALUES = ["default", *sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))]

Object = dict[str, Any]

# The containers that the chart makes; values may bring others, which are their own business.
CONTAINERS = {"bench", "exporter", "madang", "prepare", "redis", "selftest", "test"}


class NoDoubles(yaml.SafeLoader):
    """Refuses a key that occurs twice, as the API server does; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        doubles = {str(key) for key in keys if keys.count(key) > 1}
        if doubles:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {', '.join(doubles)}", node.start_mark)
        return super().construct_mapping(node, deep)


class Refused(Exception):
    """Helm did not render; the text is what it said."""


@dataclass(frozen=True)
class Container:
    """A container, and the pod that it is in."""

    pod: "Pod"
    spec: Object

    def __str__(self) -> str:
        return f"{self.pod}, container {self.spec['name']}"

    @property
    def env(self) -> list[Object]:
        return self.spec.get("env", [])


@dataclass(frozen=True)
class Pod:
    """A pod, or the template of pods."""

    owner: Object
    metadata: Object
    spec: Object

    def __str__(self) -> str:
        return f"{self.owner['kind']} {self.owner['metadata']['name']}"

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.get("labels", {})

    @property
    def containers(self) -> list[Container]:
        specs = self.spec.get("initContainers", []) + self.spec["containers"]
        return [Container(self, spec) for spec in specs]

    @property
    def is_test(self) -> bool:
        return "test" in self.owner["metadata"].get("annotations", {}).get("helm.sh/hook", "")


@dataclass(frozen=True)
class Rendered:
    """What the chart made of values."""

    text: str
    objects: list[Object]

    def of_kind(self, kind: str) -> list[Object]:
        return [it for it in self.objects if it["kind"] == kind]

    def named(self, kind: str, name: str) -> Object | None:
        return next((it for it in self.of_kind(kind) if it["metadata"]["name"] == name), None)

    @property
    def pods(self) -> list[Pod]:
        return list(self._pods())

    def _pods(self) -> Iterator[Pod]:
        for it in self.objects:
            if it["kind"] == "Pod":
                yield Pod(it, it["metadata"], it["spec"])
            elif it["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
                template = it["spec"]["template"]
                yield Pod(it, template["metadata"], template["spec"])

    @property
    def containers(self) -> list[Container]:
        return [container for pod in self.pods for container in pod.containers]

    @property
    def own_containers(self) -> list[Container]:
        return [it for it in self.containers if it.spec["name"] in CONTAINERS]

    @property
    def deployment(self) -> Object:
        """The chat."""
        (deployment,) = self.of_kind("Deployment")
        return deployment

    @property
    def chat(self) -> Pod:
        return next(pod for pod in self.pods if pod.owner is self.deployment)

    @property
    def chat_container(self) -> Container:
        return next(it for it in self.chat.containers if it.spec["name"] == "madang")

    @property
    def redis(self) -> Object | None:
        """The StatefulSet of Redis, if the chart brings one."""
        return next(iter(self.of_kind("StatefulSet")), None)

    def variables(self, container: Container) -> dict[str, str]:
        """The environment of a container, as far as it is known before the pod runs; what is not is empty."""
        variables: dict[str, str] = {}
        for source in container.spec.get("envFrom", []):
            if "configMapRef" in source:
                config = self.named("ConfigMap", source["configMapRef"]["name"])
                variables |= (config or {}).get("data") or {}
        return variables | {it["name"]: str(it.get("value", "")) for it in container.env}


def versioned_copy(version: str, app_version: str) -> Path:
    """Returns a copy of the chart with other versions."""
    copy = Path(tempfile.mkdtemp(prefix="madang-chart-")) / "madang"
    shutil.copytree(CHART, copy)
    text = (copy / "Chart.yaml").read_text()
    text = re.sub(r"(?m)^version:.*$", f"version: {version}", text)
    text = re.sub(r"(?m)^appVersion:.*$", f'appVersion: "{app_version}"', text)
    (copy / "Chart.yaml").write_text(text)
    return copy


def values_arguments(values: str) -> list[str]:
    return [] if values == "default" else ["--values", str(CHART / f"ci/{values}-values.yaml")]


def helm(*arguments: str, stdin: str = "") -> str:
    """Runs Helm and returns its standard output. Raises `Refused` if it fails."""
    # A user's own settings, plugins and cluster are not part of the test.
    with tempfile.TemporaryDirectory(prefix="madang-helm-") as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": "/nonexistent"}
        done = subprocess.run([HELM, *arguments], input=stdin, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def template(
    values: str = "default",
    *sets: str,
    version: str | None = None,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    extra: str = "",
    cluster: str | None = None,
) -> str:
    """Returns what `helm template` prints.

    `sets` are arguments of --set, `extra` is YAML that goes over the values file, `version` replaces the chart's and the
    chat's, and `cluster` is the version of Kubernetes.
    """
    directory = versioned_copy(version, version) if version else CHART
    try:
        arguments = ["template", release, str(directory), "--namespace", namespace, *values_arguments(values)]
        if cluster:
            arguments += ["--kube-version", cluster]
        if extra:
            arguments += ["--values", "-"]
        for it in sets:
            arguments += ["--set", it]
        return helm(*arguments, stdin=extra)
    finally:
        if version:
            shutil.rmtree(directory.parent)


@functools.cache
def render(
    values: str = "default",
    *sets: str,
    version: str | None = None,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    extra: str = "",
    cluster: str | None = None,
) -> Rendered:
    """Returns what the chart renders: the arguments are those of `template`. The same arguments render once."""
    text = template(values, *sets, version=version, release=release, namespace=namespace, extra=extra, cluster=cluster)
    return read(text)


def read(text: str) -> Rendered:
    """Reads what `helm template` has printed."""
    return Rendered(text, [it for it in yaml.load_all(text, Loader=NoDoubles) if it])


def refusal(values: str, *sets: str, extra: str = "") -> str:
    """Returns what Helm says to values that it must refuse."""
    try:
        template(values, *sets, extra=extra)
    except Refused as refused:
        return str(refused)
    raise AssertionError("it was rendered")


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Returns true if and only if a selector of these labels selects what has those."""
    return selector.items() <= labels.items()
