"""The scripts of kind and minikube, run with stand-ins for Docker and all the others, which record what they are told."""

import os
import shlex
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import chart
from chart import ROOT

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
SCRIPTS = {name: ROOT / f"deploy/{name}/up.sh" for name in ("kind", "minikube")}
PROGRAMS = {name: ["docker", name, "kubectl", "helm"] for name in SCRIPTS}
# What the scripts need of every machine.
BASICS = ["bash", "cat", "dirname", "env", "grep", "mktemp", "rm", "sed"]
IMAGE = f"localhost/madang:{VERSION}-0123456789ab"

# Each line of the record is a command; RECORD and FAIL (the beginning of a command) are in the environment.
STAND_IN = r"""#!/usr/bin/env bash
line="${0##*/} $(printf '%q ' "$@")"
printf '%s\n' "$line" >>"$RECORD"
if [[ $FAIL && $line == "$FAIL"* ]]; then
  echo "it does not work" >&2
  exit 1
fi
case $line in
"docker image inspect "*) echo sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef ;;
"docker save "*) echo archive >"$3" ;;
"kind load "*) [[ -s $3 ]] ;;
"minikube image load "*) [[ -s $3 ]] ;;
"kind get clusters "*) echo "$CLUSTERS" ;;
"minikube image ls "*) printf '%s\n' registry.k8s.io/pause:3.10 "$LOADED" ;;
esac
"""


@dataclass(frozen=True)
class Ran:
    """What a script did."""

    code: int
    said: str
    commands: list[list[str]]

    @property
    def steps(self) -> list[str]:
        """The commands by their first two words."""
        return [" ".join(command[:2]) for command in self.commands]

    def arguments(self, *beginning: str) -> list[str]:
        return next(it for it in self.commands if it[: len(beginning)] == list(beginning))


@dataclass(frozen=True)
class Machine:
    """A machine that has only these programs."""

    directory: Path

    def run(self, script: str, *, without: str = "", fail: str = "", clusters: str = "", loaded: str = IMAGE) -> Ran:
        programs, record = self.directory / "bin", self.directory / "record"
        shutil.rmtree(programs, ignore_errors=True)
        programs.mkdir()
        record.write_text("")
        for name in BASICS:
            (programs / name).symlink_to(str(shutil.which(name)))
        for name in PROGRAMS[script]:
            if name != without:
                (programs / name).write_text(STAND_IN)
                (programs / name).chmod(0o755)
        environment = {
            "PATH": str(programs),
            "TMPDIR": str(self.directory),
            "RECORD": str(record),
            "FAIL": fail,
            "CLUSTERS": clusters,
            "LOADED": loaded,
        }
        done = subprocess.run([SCRIPTS[script]], env=environment, cwd=self.directory, capture_output=True, text=True)
        assert not list(self.directory.glob("madang.*")), "nothing is left of the archive"
        return Ran(done.returncode, done.stdout + done.stderr, [shlex.split(it) for it in record.read_text().splitlines()])


@pytest.fixture(params=list(SCRIPTS))
def script(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_kind_goes_step_by_step(machine: Machine) -> None:
    ran = machine.run("kind")
    assert ran.code == 0, ran.said
    assert ran.steps == [
        "docker info",
        "docker build",
        "docker image",
        "docker tag",
        "docker save",
        "kind get",
        "kind create",
        "kind load",
        "helm upgrade",
        "helm test",
    ]
    assert "http://localhost:8080" in ran.said and "kind delete cluster --name madang" in ran.said


def test_kind_takes_a_cluster_that_is_there(machine: Machine) -> None:
    assert "kind create" not in machine.run("kind", clusters="other\nmadang").steps
    assert "kind create" in machine.run("kind", clusters="madang-of-somebody").steps


def test_minikube_goes_step_by_step(machine: Machine) -> None:
    ran = machine.run("minikube")
    assert ran.code == 0, ran.said
    assert ran.steps == [
        "docker info",
        "docker build",
        "docker image",
        "docker tag",
        "docker save",
        "minikube start",
        "minikube image",
        "minikube image",
        "helm upgrade",
        "helm test",
    ]
    assert "minikube service madang" in ran.said and "minikube delete --profile madang" in ran.said


def test_the_chart_is_told_the_image_that_was_loaded(script: str, machine: Machine) -> None:
    ran = machine.run(script)
    saved = ran.arguments("docker", "save")
    assert saved[-1] == IMAGE
    archive = saved[saved.index("--output") + 1]
    assert archive in ran.arguments(*({"kind": ["kind", "load"], "minikube": ["minikube", "image", "load"]}[script]))

    told = ran.arguments("helm", "upgrade")
    sets = [told[i : i + 2] for i, it in enumerate(told) if it in ("--set", "--set-string")]
    # The real Helm and the real chart.
    flat = [word for pair in sets for word in pair]
    rendered = chart.read(chart.helm("template", "madang", str(chart.CHART), *flat))
    assert rendered.chat_container.spec["image"] == IMAGE


def test_only_the_own_cluster_is_touched(script: str, machine: Machine) -> None:
    context = {"kind": "kind-madang", "minikube": "madang"}[script]
    helm = [it for it in machine.run(script).commands if it[0] == "helm"]
    assert helm
    for command in helm:
        assert command[command.index("--kube-context") + 1] == context
        assert command[command.index("--namespace") + 1] == "chat"
    failed = machine.run(script, fail="helm upgrade")
    assert failed.arguments("kubectl")[:3] == ["kubectl", "--context", context]


def test_the_port_of_kind_leads_to_the_service(machine: Machine) -> None:
    told = machine.run("kind").arguments("helm", "upgrade")
    (node,) = [it for it in yaml.safe_load((ROOT / "deploy/kind/cluster.yaml").read_text())["nodes"] if "extraPortMappings" in it]
    (mapping,) = node["extraPortMappings"]
    assert "service.type=NodePort" in told and f"service.nodePort={mapping['containerPort']}" in told
    assert (mapping["listenAddress"], mapping["hostPort"]) == ("127.0.0.1", 8080)


def test_what_is_missing_is_named(script: str, machine: Machine) -> None:
    for program in PROGRAMS[script]:
        ran = machine.run(script, without=program)
        assert ran.code == 1 and f"{program} is missing: see https://" in ran.said
        assert not ran.commands, "nothing was begun"


@pytest.mark.parametrize(
    ("script", "fail", "said"),
    [
        ("kind", "docker info", "docker does not answer: start it"),
        ("kind", "helm upgrade", "the chart does not come up"),
        ("minikube", "helm test", "the chart is installed, but its test fails"),
    ],
)
def test_what_fails_is_said_with_the_next_step(script: str, fail: str, said: str, machine: Machine) -> None:
    ran = machine.run(script, fail=fail)
    assert ran.code == 1 and said in ran.said


@pytest.mark.parametrize("fail", ["docker build", "docker save", "kind create", "kind load"])
def test_nothing_is_installed_after_a_failure(fail: str, machine: Machine) -> None:
    ran = machine.run("kind", fail=fail)
    assert ran.code != 0 and "helm upgrade" not in ran.steps


def test_an_image_that_minikube_did_not_take_is_noticed(machine: Machine) -> None:
    ran = machine.run("minikube", loaded="localhost/madang:0.0.1")
    assert ran.code == 1 and f"minikube did not take the image {IMAGE}" in ran.said
    assert "helm upgrade" not in ran.steps
