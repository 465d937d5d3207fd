"""Every set of values renders, under every name that a release may have, and asks for no right beyond its namespace."""

import re

import pytest

import chart
from chart import CHART, NAMESPACE, Rendered, helm, render, values_arguments

# What a user may make who is admin of one namespace, by the default roles of Kubernetes and its add-ons.
NAMESPACED = {
    "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "HTTPRoute", "Ingress", "Job", "NetworkPolicy",
    "PersistentVolumeClaim", "Pod", "PodDisruptionBudget", "PodMonitor", "ScaledObject", "Secret", "Service", "ServiceAccount", "StatefulSet",
}  # fmt: skip


def test_there_are_values_for_every_way_of_running_it() -> None:
    for name in ("external-redis", "gitops", "hpa", "keda", "mesh", "openshift"):
        assert any(name in it for it in chart.VALUES), f"ci/ has no values for {name}: {chart.VALUES}"


def test_lint_finds_nothing(values: str) -> None:
    out = helm("lint", "--strict", str(CHART), *values_arguments(values))
    assert "0 chart(s) failed" in out
    assert "[WARNING]" not in out


def test_no_object_occurs_twice(rendered: Rendered) -> None:
    names = [(it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"]) for it in rendered.objects]
    assert len(names) == len(set(names)), sorted(names)


def test_everything_is_in_the_namespace_of_the_release(rendered: Rendered) -> None:
    for it in rendered.objects:
        assert it["metadata"].get("namespace", NAMESPACE) == NAMESPACE, it["metadata"]["name"]


def test_the_rights_of_one_namespace_are_enough(rendered: Rendered) -> None:
    assert {it["kind"] for it in rendered.objects} <= NAMESPACED


def test_there_is_no_word_that_a_template_left_over(rendered: Rendered) -> None:
    for leftover in ("<no value>", "%!", "map["):
        assert leftover not in rendered.text


def render_whatever_the_name(release: str) -> Rendered:
    """A name that begins with a digit gives no good names of Services, and shows best what is not quoted."""
    return render("default", *(["fullnameOverride=chat"] if release[0].isdigit() else []), release=release)


@pytest.mark.parametrize("release", ["1", "on", "no", "1e3", "a" * 53, "madang", "chat-1-2"])
def test_a_release_may_have_any_name(release: str) -> None:
    for it in render_whatever_the_name(release).objects:
        metadata = it["metadata"]
        assert isinstance(metadata["name"], str) and len(metadata["name"]) <= 63, metadata["name"]
        assert not metadata["name"].endswith("-")
        for key, value in (metadata.get("labels", {}) | metadata.get("annotations", {})).items():
            assert isinstance(value, str), f"{metadata['name']}: {key} is {value!r}"


def test_services_have_names_that_kubernetes_takes(rendered: Rendered) -> None:
    for service in rendered.of_kind("Service"):
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service["metadata"]["name"])


@pytest.mark.parametrize("namespace", ["1", "no", "1e3"])
def test_a_namespace_may_have_any_name(namespace: str) -> None:
    for it in render(namespace=namespace).objects:
        assert it["metadata"]["namespace"] == namespace, it["metadata"]["name"]


@pytest.mark.parametrize("release", ["1", "no", "a" * 53])
def test_labels_and_selectors_fit_under_any_name(release: str) -> None:
    rendered = render_whatever_the_name(release)
    for pod in rendered.pods:
        for key, value in pod.labels.items():
            assert isinstance(value, str) and len(value) <= 63, f"{pod}: {key} is {value!r}"


def test_it_refuses_a_kubernetes_that_is_too_old() -> None:
    with pytest.raises(chart.Refused, match="incompatible with Kubernetes"):
        chart.template(cluster="1.29.0")


@pytest.mark.parametrize("cluster", ["1.30.0", "1.35.0", "1.37.0"])
def test_it_renders_for_every_supported_kubernetes(cluster: str) -> None:
    assert render(cluster=cluster).objects


@pytest.mark.parametrize("release", ["1", "1e3", "chat.v1"])
def test_services_have_names_that_kubernetes_takes_whatever_the_release(release: str) -> None:
    try:
        rendered = render(release=release)
    except chart.Refused as refused:
        assert "fullnameOverride" in str(refused)
        return
    for service in rendered.of_kind("Service"):
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service["metadata"]["name"])
