"""The Job that measures a release."""

from chart import Object, Pod, Rendered, render, selects

ENABLED = "bench.enabled=true"


def job_of(rendered: Rendered) -> Object:
    (job,) = rendered.of_kind("Job")
    return job


def pod_of(rendered: Rendered) -> Pod:
    (pod,) = [it for it in rendered.pods if it.owner["kind"] == "Job"]
    return pod


def args_of(rendered: Rendered) -> list[str]:
    (container,) = pod_of(rendered).containers
    return container.spec["args"]


def test_nothing_is_loaded_unless_asked() -> None:
    assert not render().of_kind("Job")


def test_it_loads_the_service_of_the_release() -> None:
    rendered = render("default", ENABLED, "service.port=8000")
    (url,) = [it.removeprefix("--url=") for it in args_of(rendered) if it.startswith("--url=")]
    host, _, port = url.removeprefix("http://").partition(":")
    service = rendered.named("Service", host)
    assert service and int(port) in {it["port"] for it in service["spec"]["ports"]}
    assert selects(service["spec"]["selector"], rendered.chat.labels)


def test_it_loads_what_it_is_told_to() -> None:
    urls = [it.removeprefix("--url=") for it in args_of(render("bench")) if it.startswith("--url=")]
    assert urls == ["http://one.example.com", "ws://two.example.com:8080"]


def test_the_values_are_its_options() -> None:
    options = args_of(render("bench"))
    for option in ("--rooms=1000", "--members=20", "--rate=5000", "--storm=30s", "--threads=2", "--label=twice the evening"):
        assert option in options
    assert options[-2:] == ["--settle", "5s"]
    idle = args_of(render("default", ENABLED, "bench.rate=0"))
    assert not [it for it in idle if it.startswith(("--rate", "--storm", "--label"))]


def test_it_runs_once() -> None:
    spec = job_of(render("default", ENABLED))["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_another_run_has_another_name() -> None:
    # What a Job runs cannot be changed: the API server refuses an upgrade that does.
    def name(*sets: str) -> str:
        return job_of(render("default", ENABLED, *sets))["metadata"]["name"]

    assert name() == name("replicaCount=3")
    runs = ["bench.rate=50", "bench.label=again", "bench.resources.limits.memory=2Gi", "image.tag=1.0.0", "commonLabels.team=talk"]
    names = [name(), *(name(it) for it in runs)]
    assert len(set(names)) == len(names)
    longest = job_of(render("default", ENABLED, f"fullnameOverride={'a' * 60}"))["metadata"]["name"]
    assert len(longest) <= 63, "the name of a Job is a label of its pod"


def test_the_policy_of_the_chat_lets_it_in_to_the_public_port_only() -> None:
    rendered = render("bench")
    labels = pod_of(rendered).labels
    (policy,) = [
        it for it in rendered.of_kind("NetworkPolicy") if selects(it["spec"]["podSelector"]["matchLabels"], rendered.chat.labels)
    ]
    open_to_it = []
    for rule in policy["spec"]["ingress"]:
        selectors = [peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer and len(peer) == 1]
        if any(selects(it, labels) for it in selectors):
            open_to_it += [port["port"] for port in rule["ports"]]
    assert open_to_it == ["http"]


def test_its_sysctls_are_safe_ones(rendered: Rendered) -> None:
    # Others are refused by the nodes of a cluster unless its administrator allowed them.
    for pod in rendered.pods:
        names = {it["name"] for it in pod.spec["securityContext"].get("sysctls", [])}
        assert names <= {"net.ipv4.ip_local_port_range"}, str(pod)
