"""Selectors select what they are meant for and nothing else, and can stay as they are for ever."""

from chart import Rendered, render, selects

# These change from one version to the next, and what holds them could not be upgraded.
CHANGING = {"helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"}


def workloads(rendered: Rendered) -> list[dict]:
    return rendered.of_kind("Deployment") + rendered.of_kind("StatefulSet")


def test_a_workload_selects_its_own_pods_only(rendered: Rendered) -> None:
    for workload in workloads(rendered):
        selector = workload["spec"]["selector"]["matchLabels"]
        chosen = [pod.owner["metadata"]["name"] for pod in rendered.pods if selects(selector, pod.labels)]
        assert chosen == [workload["metadata"]["name"]]


def test_no_selector_names_a_version(rendered: Rendered) -> None:
    for workload in workloads(rendered):
        assert not CHANGING & workload["spec"]["selector"]["matchLabels"].keys()
    for service in rendered.of_kind("Service"):
        assert not CHANGING & service["spec"]["selector"].keys()


def test_no_template_of_redis_names_a_version(rendered: Rendered) -> None:
    for workload in rendered.of_kind("StatefulSet"):
        spec = workload["spec"]
        for template in [spec["template"], *spec.get("volumeClaimTemplates", [])]:
            assert not CHANGING & template["metadata"].get("labels", {}).keys()


def test_a_service_selects_one_kind_of_pod_and_no_test(rendered: Rendered) -> None:
    for service in rendered.of_kind("Service"):
        selector = service["spec"]["selector"]
        chosen = [pod for pod in rendered.pods if selects(selector, pod.labels)]
        assert len(chosen) == 1, service["metadata"]["name"]
        assert not chosen[0].is_test


def test_a_budget_and_a_spread_select_their_pods(rendered: Rendered) -> None:
    for budget in rendered.of_kind("PodDisruptionBudget"):
        selector = budget["spec"]["selector"]["matchLabels"]
        assert len([pod for pod in rendered.pods if selects(selector, pod.labels)]) == 1
    for pod in rendered.pods:
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            assert selects(constraint["labelSelector"]["matchLabels"], pod.labels), str(pod)


def test_a_pod_monitor_selects_pods_with_its_port(rendered: Rendered) -> None:
    for monitor in rendered.of_kind("PodMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        chosen = [pod for pod in rendered.pods if selects(selector, pod.labels)]
        assert chosen, monitor["metadata"]["name"]
        for pod in chosen:
            ports = {port.get("name") for it in pod.containers for port in it.spec.get("ports", [])}
            assert {it["port"] for it in monitor["spec"]["podMetricsEndpoints"]} <= ports


def test_two_releases_do_not_select_each_other() -> None:
    one, other = render(), render(release="other")
    for workload in workloads(one):
        selector = workload["spec"]["selector"]["matchLabels"]
        assert not [pod for pod in other.pods if selects(selector, pod.labels)]


def test_a_policy_selects_pods_of_the_release(rendered: Rendered) -> None:
    for policy in rendered.of_kind("NetworkPolicy"):
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        assert selector, "an empty selector would take every pod of the namespace"
        assert [pod for pod in rendered.pods if selects(selector, pod.labels)], policy["metadata"]["name"]
