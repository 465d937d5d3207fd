"""An upgrade of the chat or of the chart never restarts Redis."""

import json

import pytest

import chart
from chart import Rendered, render


def pod_template(rendered: Rendered) -> str:
    """The template of Redis' pods as it is compared by Kubernetes, in one text."""
    assert rendered.redis
    return json.dumps(rendered.redis["spec"]["template"], sort_keys=True)


def immutable(rendered: Rendered) -> str:
    """What of a StatefulSet cannot be changed."""
    assert rendered.redis
    changeable = {"minReadySeconds", "persistentVolumeClaimRetentionPolicy", "replicas", "template", "updateStrategy"}
    return json.dumps({key: it for key, it in rendered.redis["spec"].items() if key not in changeable}, sort_keys=True)


# Values of the chat; each must leave Redis alone.
CHAT = [
    "replicaCount=4",
    "image.tag=9.9.9",
    "podLabels.team=chat",
    "podAnnotations.team=chat",
    "nodeSelector.pool=chat",
    "resources.limits.memory=1Gi",
    "rollout.maxSurge=1",
    "settings.log.filter=debug",
    "settings.drain.window=40s",
    "ingress.enabled=true,ingress.hosts[0]=chat.example.com",
]


def test_a_new_version_leaves_redis_alone() -> None:
    old, new = render(version="1.0.0"), render(version="2.3.4-rc.1")
    assert pod_template(old) == pod_template(new)
    assert immutable(old) == immutable(new)


@pytest.mark.parametrize("change", CHAT)
def test_values_of_the_chat_leave_redis_alone(change: str) -> None:
    old, new = render(), render("default", *change.split(","))
    assert old.text != new.text, "the value has no effect"
    assert pod_template(old) == pod_template(new)
    assert immutable(old) == immutable(new)


def test_a_new_password_leaves_redis_alone() -> None:
    assert chart.template() != chart.template(), "a password is made at every install"
    assert pod_template(chart.read(chart.template())) == pod_template(chart.read(chart.template()))


def test_the_data_outlives_the_release() -> None:
    claims = render().of_kind("PersistentVolumeClaim")
    assert [it["metadata"]["annotations"]["helm.sh/resource-policy"] for it in claims] == ["keep"]


def test_nobody_moves_redis_to_save_a_node() -> None:
    assert render().redis
    annotations = render().redis["spec"]["template"]["metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"


def test_there_is_one_redis(rendered: Rendered) -> None:
    for it in rendered.of_kind("StatefulSet"):
        assert it["spec"]["replicas"] == 1
