"""What an upgrade finds of the release before, and what it makes of that."""

from base64 import b64encode

import pytest

from chart import Object, Refused, render
from cluster import Cluster


def deployment(replicas: int, noted: int = 2) -> Object:
    metadata = {"name": "madang", "annotations": {"madang.dev/replica-count": str(noted)}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


def secret(**data: str) -> Object:
    encoded = {key.replace("_", "-"): b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "madang-redis"}, "data": encoded}


def claim(size: str, name: str = "madang-redis") -> Object:
    spec = {"resources": {"requests": {"storage": size}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def test_in_an_empty_cluster_it_is_an_installation() -> None:
    with Cluster() as cluster:
        assert cluster.render().deployment["spec"]["replicas"] == 2


@pytest.mark.parametrize("live", [0, 1, 5])
def test_what_kubectl_scaled_stays(live: int) -> None:
    with Cluster(deployment(live)) as cluster:
        rendered = cluster.render("podLabels.team=chat")
    assert rendered.deployment["spec"]["replicas"] == live
    assert rendered.deployment["metadata"]["annotations"]["madang.dev/replica-count"] == "2"


def test_a_changed_value_comes_before_what_kubectl_scaled() -> None:
    with Cluster(deployment(5)) as cluster:
        assert cluster.render("replicaCount=3").deployment["spec"]["replicas"] == 3


def test_one_replica_that_was_scaled_has_a_budget() -> None:
    with Cluster(deployment(5, noted=1)) as cluster:
        assert cluster.render("replicaCount=1").of_kind("PodDisruptionBudget")
    with Cluster(deployment(1, noted=1)) as cluster:
        assert not cluster.render("replicaCount=1").of_kind("PodDisruptionBudget")


def test_a_password_that_was_made_is_kept() -> None:
    live = secret(redis_password="made before", redis_password_previous="before that")
    with Cluster(live) as cluster:
        found = cluster.render().named("Secret", "madang-redis")
    assert found and found["data"] == live["data"]


def test_a_password_of_the_values_comes_before_one_that_was_made() -> None:
    with Cluster(secret(redis_password="made before")) as cluster:
        found = cluster.render("redis.auth.password=chosen").named("Secret", "madang-redis")
    assert found and found["data"]["redis-password"] == b64encode(b"chosen").decode()


def test_a_claim_may_grow_and_not_shrink() -> None:
    with Cluster(claim("4Gi")) as cluster:
        with pytest.raises(Refused, match="the claim has 4Gi, and a claim cannot shrink; set redis.persistence.size to at least"):
            cluster.render()
        for size in ("4Gi", "4096Mi", "8Gi"):
            assert cluster.render(f"redis.persistence.size={size}").of_kind("PersistentVolumeClaim")


def test_a_claim_of_ones_own_must_have_room_too() -> None:
    with Cluster(claim("1Gi", "mine"), claim("512Mi", "small")) as cluster:
        assert cluster.render("redis.persistence.existingClaim=mine").redis
        with pytest.raises(Refused, match="the claim small has 512Mi.*four times maxmemory.*; set"):
            cluster.render("redis.persistence.existingClaim=small")


def test_with_gitops_nothing_is_looked_up() -> None:
    sets = ("gitops.enabled=true", "redis.auth.existingSecret=mine")
    with Cluster(deployment(5), secret(redis_password="made before"), claim("4Gi")) as cluster:
        assert cluster.render(*sets).objects == render("default", *sets).objects
