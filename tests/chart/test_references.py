"""What an object names exists: objects by name, keys in them, ports by name, volumes."""

from typing import Any

import pytest
import yaml

from chart import CHART, Container, Object, Rendered, selects


def texts(it: Any) -> set[str]:
    """All texts in YAML that has been read."""
    if isinstance(it, dict):
        return set().union(*map(texts, it.values()))
    if isinstance(it, list):
        return set().union(*map(texts, it))
    return {it} if isinstance(it, str) else set()


@pytest.fixture
def outside(values: str) -> set[str]:
    """Names that the values file itself gives: who gives the name of a Secret makes that Secret."""
    if values == "default":
        return set()
    return texts(yaml.safe_load((CHART / f"ci/{values}-values.yaml").read_text()))


def is_there(rendered: Rendered, outside: set[str], kind: str, name: str) -> bool:
    return name in outside or rendered.named(kind, name) is not None


def has_key(rendered: Rendered, outside: set[str], kind: str, name: str, key: str) -> bool:
    it = rendered.named(kind, name)
    return key in ((it.get("data") or {}) | (it.get("stringData") or {})) if it else name in outside


def key_references(container: Container) -> list[tuple[str, Object]]:
    sources = [it["valueFrom"] for it in container.env if "valueFrom" in it]
    kinds = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
    return [(kinds[key], it[key]) for it in sources for key in kinds if key in it]


def test_variables_come_from_keys_that_exist(rendered: Rendered, outside: set[str]) -> None:
    for container in rendered.containers:
        for kind, reference in key_references(container):
            if not reference.get("optional"):
                assert has_key(rendered, outside, kind, reference["name"], reference["key"]), f"{container}: {reference}"


def test_whole_environments_come_from_objects_that_exist(rendered: Rendered, outside: set[str]) -> None:
    kinds = {"secretRef": "Secret", "configMapRef": "ConfigMap"}
    for container in rendered.containers:
        for source in container.spec.get("envFrom", []):
            for key in kinds.keys() & source.keys():
                assert is_there(rendered, outside, kinds[key], source[key]["name"]), f"{container}: {source}"


def test_volumes_come_from_objects_that_exist(rendered: Rendered, outside: set[str]) -> None:
    for pod in rendered.pods:
        for volume in pod.spec.get("volumes", []):
            for part in [volume, *volume.get("projected", {}).get("sources", [])]:
                check_volume(rendered, outside, f"{pod}: {part}", part)


def check_volume(rendered: Rendered, outside: set[str], where: str, part: Object) -> None:
    if "configMap" in part:
        assert is_there(rendered, outside, "ConfigMap", part["configMap"]["name"]), where
    if "secret" in part:
        secret = part["secret"]
        name = secret.get("secretName") or secret["name"]
        assert is_there(rendered, outside, "Secret", name), where
        for it in secret.get("items", []):
            assert secret.get("optional") or has_key(rendered, outside, "Secret", name, it["key"]), where
    if "persistentVolumeClaim" in part:
        claim = part["persistentVolumeClaim"]["claimName"]
        assert is_there(rendered, outside, "PersistentVolumeClaim", claim), where


def test_a_container_mounts_the_volumes_of_its_pod_once_each(rendered: Rendered) -> None:
    for pod in rendered.pods:
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = [it["name"] for it in pod.spec.get("volumes", [])] + [it["metadata"]["name"] for it in claims]
        assert len(volumes) == len(set(volumes)), str(pod)
        for container in pod.containers:
            mounts = container.spec.get("volumeMounts", [])
            assert {it["name"] for it in mounts} <= set(volumes), str(container)
            paths = [it["mountPath"] for it in mounts]
            assert len(paths) == len(set(paths)), str(container)
        mounted = {it["name"] for container in pod.containers for it in container.spec.get("volumeMounts", [])}
        assert set(volumes) == mounted, f"{pod}: nobody mounts {set(volumes) - mounted}"


def test_service_accounts_exist(rendered: Rendered, outside: set[str]) -> None:
    for pod in rendered.pods:
        name = pod.spec.get("serviceAccountName", "default")
        assert name == "default" or is_there(rendered, outside, "ServiceAccount", name), str(pod)


def port_names(containers: list[Container]) -> list[str]:
    return [port["name"] for it in containers for port in it.spec.get("ports", [])]


def test_ports_have_different_names_and_numbers(rendered: Rendered) -> None:
    for pod in rendered.pods:
        names = port_names(pod.containers)
        assert len(names) == len(set(names)), str(pod)
        numbers = [port["containerPort"] for it in pod.containers for port in it.spec.get("ports", [])]
        assert len(numbers) == len(set(numbers)), str(pod)


def test_probes_ask_ports_of_their_own_container(rendered: Rendered) -> None:
    for container in rendered.containers:
        names = port_names([container])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = container.spec.get(probe, {}).get("httpGet", {}).get("port")
            assert port is None or port in names, f"{container}: {probe}"


def test_services_reach_ports_of_their_pods(rendered: Rendered) -> None:
    for service in rendered.of_kind("Service"):
        spec = service["spec"]
        assert len({it["port"] for it in spec["ports"]}) == len(spec["ports"])
        (pod,) = [it for it in rendered.pods if selects(spec["selector"], it.labels)]
        names = port_names(pod.containers)
        for port in spec["ports"]:
            assert port["targetPort"] in names, f"{service['metadata']['name']}: {port}"


def test_routes_and_ingresses_lead_to_ports_of_services(rendered: Rendered) -> None:
    for ingress in rendered.of_kind("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = rendered.named("Service", backend["name"])
                assert service, backend
                names = {it["name"] for it in service["spec"]["ports"]}
                numbers = {it["port"] for it in service["spec"]["ports"]}
                assert backend["port"].get("name") in names or backend["port"].get("number") in numbers
    for route in rendered.of_kind("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                service = rendered.named("Service", backend["name"])
                assert service and backend["port"] in {it["port"] for it in service["spec"]["ports"]}


def test_nothing_that_people_reach_shows_the_internal_port(rendered: Rendered) -> None:
    (public,) = [it for it in rendered.of_kind("Service") if it["metadata"]["name"] == rendered.deployment["metadata"]["name"]]
    assert [it["targetPort"] for it in public["spec"]["ports"]] == ["http"]


def test_scalers_scale_the_chat(rendered: Rendered) -> None:
    name = rendered.deployment["metadata"]["name"]
    for it in rendered.of_kind("HorizontalPodAutoscaler") + rendered.of_kind("ScaledObject"):
        target = it["spec"]["scaleTargetRef"]
        assert target["name"] == name
        assert target.get("kind", "Deployment") == "Deployment"
        assert target.get("apiVersion", "apps/v1") == "apps/v1"


def test_a_stateful_set_names_its_service(rendered: Rendered) -> None:
    for it in rendered.of_kind("StatefulSet"):
        service = rendered.named("Service", it["spec"]["serviceName"])
        assert service and selects(service["spec"]["selector"], it["spec"]["template"]["metadata"]["labels"])
