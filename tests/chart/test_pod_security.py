"""Every pod, those of the tests and the exporter included, passes the restricted Pod Security standard, and more."""

from chart import VALUES, Container, Rendered, render

# The kinds of volume that the restricted standard allows.
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def security(container: Container, key: str) -> object:
    """A field of the container's security context, or the pod's, which it inherits."""
    own = container.spec.get("securityContext", {})
    return own.get(key, container.pod.spec.get("securityContext", {}).get(key))


def test_there_are_no_containers_but_those_that_are_looked_at() -> None:
    assert [it.spec["name"] for it in render().containers] == [it.spec["name"] for it in render().own_containers]


def test_no_container_runs_as_root(rendered: Rendered) -> None:
    for container in rendered.own_containers:
        assert security(container, "runAsNonRoot") is True, str(container)
        assert security(container, "runAsUser") != 0, str(container)


def test_no_container_gains_rights(rendered: Rendered) -> None:
    for container in rendered.own_containers:
        own = container.spec["securityContext"]
        assert own["allowPrivilegeEscalation"] is False, str(container)
        assert own["capabilities"]["drop"] == ["ALL"], str(container)
        assert not own["capabilities"].get("add"), str(container)
        assert not own.get("privileged"), str(container)


def test_every_container_has_a_seccomp_profile(rendered: Rendered) -> None:
    for container in rendered.own_containers:
        profile = security(container, "seccompProfile")
        assert profile and profile["type"] == "RuntimeDefault", str(container)


def test_no_container_writes_to_its_root(rendered: Rendered) -> None:
    for container in rendered.own_containers:
        assert container.spec["securityContext"]["readOnlyRootFilesystem"] is True, str(container)


def test_no_pod_touches_its_host(rendered: Rendered) -> None:
    for pod in rendered.pods:
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            assert not pod.spec.get(key), f"{pod}: {key}"
        for volume in pod.spec.get("volumes", []):
            assert volume.keys() - {"name"} <= VOLUMES, f"{pod}: {volume}"
        for container in pod.containers:
            assert not [it for it in container.spec.get("ports", []) if "hostPort" in it], str(container)


def test_no_pod_has_a_token(rendered: Rendered) -> None:
    for pod in rendered.pods:
        assert pod.spec["automountServiceAccountToken"] is False, str(pod)
    for account in rendered.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_no_pod_gets_the_variables_of_services(rendered: Rendered) -> None:
    for pod in rendered.pods:
        assert pod.spec["enableServiceLinks"] is False, str(pod)


def test_openshift_chooses_the_ids_itself() -> None:
    for values in [it for it in VALUES if "openshift" in it]:
        for container in render(values).own_containers:
            for key in ("runAsUser", "runAsGroup", "fsGroup"):
                assert security(container, key) is None, f"{container}: {key}"


def test_no_container_reads_what_another_one_keeps_to_itself(rendered: Rendered) -> None:
    # The exporter is the one program of the release that talks to others and has no need of the chat's password.
    for container in rendered.own_containers:
        if container.spec["name"] == "exporter":
            volumes = {it["name"]: it for it in container.pod.spec["volumes"]}
            for mount in container.spec["volumeMounts"]:
                assert "secret" not in volumes[mount["name"]], str(container)


def test_every_container_asks_for_memory_and_cpu(rendered: Rendered) -> None:
    for container in rendered.own_containers:
        resources = container.spec.get("resources", {})
        assert resources.get("requests", {}).keys() >= {"cpu", "memory"}, str(container)
        assert "memory" in resources.get("limits", {}), str(container)
