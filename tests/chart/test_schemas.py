"""The API server knows every field that is rendered."""

import functools
import json
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from chart import VALUES, Object, Rendered, render

# The oldest Kubernetes that the chart takes, and the newest there is.
SUPPORTED = ["1.30", "1.37"]

CUSTOM = {"HTTPRoute", "PodMonitor", "ScaledObject"}

# The schemas of these let unknown fields pass, so their fields are listed, as far as the chart uses them.
CUSTOM_FIELDS = {
    "HTTPRoute": {"hostnames", "parentRefs", "rules"},
    "PodMonitor": {
        "jobLabel", "namespaceSelector", "podMetricsEndpoints", "podTargetLabels", "sampleLimit", "selector",
    },
    "ScaledObject": {
        "advanced", "cooldownPeriod", "fallback", "idleReplicaCount", "initialCooldownPeriod", "maxReplicaCount",
        "minReplicaCount", "pollingInterval", "scaleTargetRef", "triggers",
    },
}  # fmt: skip

LISTED_FIELDS = {
    "HTTPRoute": ("rules", {"backendRefs", "filters", "matches", "name", "timeouts"}),
    "PodMonitor": (
        "podMetricsEndpoints",
        {"honorLabels", "interval", "metricRelabelings", "path", "port", "relabelings", "scheme", "scrapeTimeout"},
    ),
    "ScaledObject": ("triggers", {"authenticationRef", "metadata", "metricType", "name", "type", "useCachedMetrics"}),
}


@functools.cache
def load(version: str, name: str) -> Any:
    directory = files("kubernetes_validate").joinpath(f"kubernetes-json-schema/v{version}.0-local-strict")
    return json.loads(directory.joinpath(name).read_text())


@functools.cache
def validator(version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    group, _, edition = api_version.rpartition("/")
    name = "-".join(it for it in (kind.lower(), group.split(".")[0], edition) if it)
    resources = [referencing.Resource.from_contents(load(version, it)) for it in (f"{name}.json", "_definitions.json")]
    registry = resources @ referencing.Registry()
    return jsonschema.Draft202012Validator(load(version, f"{name}.json"), registry=registry)


def faults(version: str, it: Object) -> list[str]:
    found = validator(version, it["apiVersion"], it["kind"]).iter_errors(it)
    return [f"{it['kind']} {it['metadata']['name']}: {error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("version", SUPPORTED)
def test_kubernetes_knows_every_field(rendered: Rendered, version: str) -> None:
    found = [fault for it in rendered.objects if it["kind"] not in CUSTOM for fault in faults(version, it)]
    assert not found, "\n".join(found)


def test_the_projects_of_custom_resources_know_them(rendered: Rendered) -> None:
    objects = [it for it in rendered.objects if it["kind"] in CUSTOM]
    program = Path(__file__).with_name("crd.mjs")
    done = subprocess.run(["node", str(program)], input=json.dumps(objects), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stdout, done.stdout


def test_custom_resources_have_no_field_that_is_unknown(rendered: Rendered) -> None:
    for it in rendered.objects:
        if it["kind"] not in CUSTOM:
            continue
        assert it["spec"].keys() <= CUSTOM_FIELDS[it["kind"]]
        list_name, fields = LISTED_FIELDS[it["kind"]]
        for entry in it["spec"][list_name]:
            assert entry.keys() <= fields


def test_each_custom_resource_is_in_some_values() -> None:
    kinds = {it["kind"] for values in VALUES for it in render(values).objects}
    assert CUSTOM <= kinds
