"""Who decides how many replicas there are, and what must hold with one and with several."""

import json

import pytest

from chart import Rendered, render, selects


def is_scaled_by_others(rendered: Rendered) -> bool:
    return bool(rendered.of_kind("HorizontalPodAutoscaler") or rendered.of_kind("ScaledObject"))


def test_helm_sets_no_count_that_somebody_else_sets(values: str, rendered: Rendered) -> None:
    if is_scaled_by_others(rendered) or "gitops" in values:
        assert "replicas" not in rendered.deployment["spec"]
    else:
        assert rendered.deployment["spec"]["replicas"] >= 1


def test_a_count_of_helm_is_noted_beside_it(rendered: Rendered) -> None:
    count = rendered.deployment["spec"].get("replicas")
    if count is not None:
        assert rendered.deployment["metadata"]["annotations"]["madang.dev/replica-count"] == str(count)


def test_there_is_one_scaler_at_most(rendered: Rendered) -> None:
    assert len(rendered.of_kind("HorizontalPodAutoscaler") + rendered.of_kind("ScaledObject")) <= 1


def test_several_replicas_have_a_budget_that_lets_one_go(rendered: Rendered) -> None:
    name = rendered.deployment["metadata"]["name"]
    budgets = [it for it in rendered.of_kind("PodDisruptionBudget") if it["metadata"]["name"] == name]
    count = rendered.deployment["spec"].get("replicas", 2)
    if count > 1:
        (budget,) = budgets
        assert budget["spec"]["maxUnavailable"] == 1
        assert "minAvailable" not in budget["spec"]
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    else:
        assert not budgets


def test_one_replica_has_no_budget() -> None:
    assert not render("default", "replicaCount=1").of_kind("PodDisruptionBudget")


def test_no_budget_holds_redis_on_its_node(rendered: Rendered) -> None:
    for budget in rendered.of_kind("PodDisruptionBudget"):
        assert budget["spec"].get("maxUnavailable") != 0
        assert "minAvailable" not in budget["spec"]


def test_pods_are_scaled_down_slowly(rendered: Rendered) -> None:
    for it in rendered.of_kind("HorizontalPodAutoscaler"):
        check_slow(it["spec"]["behavior"]["scaleDown"])
    for it in rendered.of_kind("ScaledObject"):
        check_slow(it["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"])


def check_slow(down: dict) -> None:
    assert down["stabilizationWindowSeconds"] >= 300
    assert down["policies"]


def test_sessions_come_before_cpu(rendered: Rendered) -> None:
    for it in rendered.of_kind("HorizontalPodAutoscaler"):
        kinds = [metric["type"] for metric in it["spec"]["metrics"]]
        assert kinds == sorted(kinds, key=["Pods", "Resource"].index)
        assert it["spec"]["minReplicas"] <= it["spec"]["maxReplicas"]


def test_a_rollout_takes_nobody_away_before_others_are_ready() -> None:
    spec = render().deployment["spec"]
    assert spec["strategy"]["type"] == "RollingUpdate"
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "100%", "maxUnavailable": 0}
    assert spec["minReadySeconds"] == 15


@pytest.mark.parametrize("surge", ["25%", "1"])
def test_a_rollout_can_do_with_less_room(surge: str) -> None:
    update = render("default", f"rollout.maxSurge={surge}").deployment["spec"]["strategy"]["rollingUpdate"]
    assert str(update["maxSurge"]) == surge
    assert update["maxUnavailable"] == 0


def test_pods_of_an_old_template_do_not_count_for_the_spread() -> None:
    for constraint in render().chat.spec["topologySpreadConstraints"]:
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"


def test_without_redis_there_is_one_pod_at_a_time() -> None:
    rendered = render("default", "redis.enabled=false", "replicaCount=1")
    assert rendered.deployment["spec"]["replicas"] == 1
    # Null takes away what an earlier version set, which the API server would refuse beside Recreate.
    assert rendered.deployment["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": None}
    assert not rendered.redis
    assert "MADANG_REDIS__URL" not in rendered.variables(rendered.chat_container)


def test_pods_without_redis_find_each_other_ready_or_not() -> None:
    rendered = render("default", "redis.enabled=false", "replicaCount=1")
    variables = rendered.variables(rendered.chat_container)
    service = rendered.named("Service", variables["MADANG_FLEET__PEERS"])
    assert service and service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert selects(service["spec"]["selector"], rendered.chat.labels)
    assert "MADANG_FLEET__PEERS" not in render().variables(render().chat_container)


def test_fleets_have_different_names() -> None:
    names = set()
    for namespace, release in (("yard", "one"), ("yard", "other"), ("garden", "one"), ("n" * 63, "r" * 53)):
        rendered = render(namespace=namespace, release=release)
        names.add(rendered.variables(rendered.chat_container)["MADANG_FLEET__NAME"])
    assert {"yard/one", "yard/other", "garden/one"} < names
    assert max(map(len, names)) == 64, "the program takes no more"
    own = render("default", "settings.fleet.name=blue")
    assert own.variables(own.chat_container)["MADANG_FLEET__NAME"] == "blue"


def test_nodes_without_zones_are_spread_over_too() -> None:
    """The scheduler ignores all constraints on a node that lacks a label of one of them."""
    chat = render().chat.spec
    assert [it["topologyKey"] for it in chat["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]
    (preference,) = chat["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    term = preference["podAffinityTerm"]
    assert term["topologyKey"] == "topology.kubernetes.io/zone"
    assert selects(term["labelSelector"]["matchLabels"], render().chat.labels)


def test_an_affinity_of_ones_own_takes_the_place_of_the_zones() -> None:
    own = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    assert render(extra=f"affinity: {json.dumps(own)}").chat.spec["affinity"] == own


def test_pods_on_one_redis_know_where_they_are_and_of_which_rollout() -> None:
    fields = {it["name"]: it["valueFrom"]["fieldRef"]["fieldPath"] for it in render().chat_container.env if "valueFrom" in it}
    assert fields["MADANG_FLEET__ADDRESS"] == "status.podIP"
    assert fields["MADANG_FLEET__GENERATION"] == "metadata.labels['pod-template-hash']"
