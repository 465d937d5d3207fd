"""Who may reach whom, where a network enforces policies."""

import pytest

from chart import Object, Rendered, render, selects


def policies_of(rendered: Rendered, labels: dict[str, str]) -> list[Object]:
    found = rendered.of_kind("NetworkPolicy")
    return [it["spec"] for it in found if selects(it["spec"]["podSelector"].get("matchLabels", {}), labels)]


def sources(policy: Object, port: object) -> list[Object]:
    """The peers that a policy lets in to a port; an empty one stands for everybody."""
    found: list[Object] = []
    for rule in policy.get("ingress", []):
        if not rule.get("ports") or any(it["port"] == port for it in rule["ports"]):
            found += rule.get("from") or [{}]
    return found


def redis_labels(rendered: Rendered) -> dict[str, str]:
    return rendered.redis["spec"]["template"]["metadata"]["labels"]


def test_redis_lets_in_the_chat_and_not_everybody() -> None:
    rendered = render()
    (policy,) = policies_of(rendered, redis_labels(rendered))
    port = rendered.redis["spec"]["template"]["spec"]["containers"][0]["ports"][0]
    peers = sources(policy, port["name"]) or sources(policy, port["containerPort"])
    assert peers and {} not in peers
    assert any(selects(it.get("podSelector", {}).get("matchLabels", {}), rendered.chat.labels) for it in peers)


def test_redis_speaks_to_nobody() -> None:
    rendered = render()
    (policy,) = policies_of(rendered, redis_labels(rendered))
    assert "Egress" in policy["policyTypes"]
    assert not policy.get("egress")


def test_the_test_pods_reach_what_they_test() -> None:
    rendered = render()
    (redis,) = policies_of(rendered, redis_labels(rendered))
    chat = policies_of(rendered, rendered.chat.labels)
    for pod in [it for it in rendered.pods if it.is_test]:
        allowed = [peer for policy in [redis, *chat] for rule in policy.get("ingress", []) for peer in rule.get("from") or [{}]]
        selectors = [it.get("podSelector", {}).get("matchLabels", {}) for it in allowed]
        assert any(selects(it, pod.labels) for it in selectors), str(pod)


def test_the_chat_speaks_to_everybody_unless_told() -> None:
    rendered = render()
    for policy in policies_of(rendered, rendered.chat.labels):
        assert "Egress" not in policy["policyTypes"]


def test_an_egress_policy_names_dns_by_its_port(rendered: Rendered) -> None:
    for policy in policies_of(rendered, rendered.chat.labels):
        if "Egress" in policy["policyTypes"]:
            ports = [(it["protocol"], it["port"]) for rule in policy["egress"] for it in rule.get("ports", [])]
            assert {("UDP", 53), ("TCP", 53)} <= set(ports)


def test_policies_name_ports_that_their_pods_have(rendered: Rendered) -> None:
    for policy in rendered.of_kind("NetworkPolicy"):
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        for pod in [it for it in rendered.pods if selects(selector, it.labels)]:
            ports = [port for it in pod.containers for port in it.spec.get("ports", [])]
            known = {it["name"] for it in ports} | {it["containerPort"] for it in ports}
            named = {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule.get("ports", [])}
            assert named <= known, policy["metadata"]["name"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("external-redis", {6380}),
        ("external-redis-url", {6379}),
        ("external-sentinel", {6379, 26379, 26380}),
        ("external-cluster", {6379, 7000, 7001}),
    ],
)
def test_an_egress_policy_names_the_ports_of_the_external_redis(name: str, expected: set[int]) -> None:
    rendered = render(name, "networkPolicy.egress.enabled=true")
    (policy,) = policies_of(rendered, rendered.chat.labels)
    rules = [rule["ports"] for rule in policy["egress"] if "to" not in rule]
    ports = {port["port"] for rule in rules for port in rule}
    assert ports - {53} == expected
