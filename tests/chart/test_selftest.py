"""What `helm test` runs is what the program offers."""

import os
import subprocess

from chart import ROOT, Rendered

BINARY = os.environ.get("MADANG_BINARY", str(ROOT / "target/debug/madang"))


def test_the_program_knows_the_command_of_each_pod(rendered: Rendered) -> None:
    image = rendered.chat_container.spec["image"]
    for container in rendered.containers:
        if container.spec["image"] == image:
            words = [*container.spec.get("args", []), "--help"]
            done = subprocess.run([BINARY, *words], capture_output=True, text=True)
            assert done.returncode == 0, f"{container}: {words}: {done.stderr}"


def test_it_reaches_the_service_by_its_name(rendered: Rendered) -> None:
    for pod in rendered.pods:
        for container in pod.containers:
            args = container.spec.get("args", [])
            if pod.is_test and "--url" in args:
                host, _, port = args[args.index("--url") + 1].removeprefix("http://").partition(":")
                service = rendered.named("Service", host)
                assert service and int(port or 80) in {it["port"] for it in service["spec"]["ports"]}


def test_it_reads_the_metrics_of_every_pod(rendered: Rendered) -> None:
    (args,) = [it.spec["args"] for it in rendered.containers if "selftest" in it.spec.get("args", [])]
    host, _, port = args[args.index("--internal") + 1].partition(":")
    service = rendered.named("Service", host)
    assert service and service["spec"]["clusterIP"] == "None", "only a headless Service leads to each pod"
    assert int(port) in {it["port"] for it in service["spec"]["ports"]}


def test_it_expects_no_more_nodes_than_there_are(rendered: Rendered) -> None:
    for pod in rendered.pods:
        for container in pod.containers:
            args = container.spec.get("args", [])
            if pod.is_test and "--nodes" in args:
                assert int(args[args.index("--nodes") + 1]) <= rendered.deployment["spec"].get("replicas", 2)
