"""What an operator does with a chat, from its installation to its end."""

import json
import shutil
import tempfile
import urllib.request
from pathlib import Path

from kube import Failed, Forward, apply, eventually, is_ready, refused, run
from layout import ROOT, VERSIONS
from stage import Story


def install(story: Story) -> None:
    space = story.space
    with story.telling.step("install with the defaults, restricted"):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space.name, "labels": labels}})
        story.readme.run("helm install")
        story.settle()
        eventually("Redis is ready", lambda: is_ready(story.redis()))
        rootful = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": {"containers": [{"name": "root", "image": "none"}]}}
        try:
            run("kubectl", "--namespace", space.name, "apply", "-f", "-", text=json.dumps(rootful))
        except Failed as failed:
            if "violates PodSecurity" not in str(failed):
                raise
        else:
            raise Failed("the namespace let a pod in that is not restricted")
        story.talk.begin()
    story.telling.is_talking = True


def helm_test(story: Story) -> None:
    with story.telling.step("helm test"):
        printed = story.readme.run("helm test")
        for wanted in ("sessions on ", "a message sent twice is there once", "ok: get foreign gives NOPERM"):
            if wanted not in printed:
                raise Failed(f"helm test did not say {wanted!r}: {printed}")


def open_page(story: Story) -> None:
    with story.telling.step("open the page through port-forward"):
        command = story.readme.take("kubectl --namespace chat port-forward")
        service, port = command.split()[-2], command.split(":")[-1]
        with Forward(story.space.name, service, int(port)) as url, urllib.request.urlopen(url, timeout=10) as page:
            if b"madang" not in page.read():
                raise Failed("the page is not there")


def scale(story: Story) -> None:
    with story.telling.step("scale from 2 to 5"):
        story.readme.run("kubectl --namespace chat scale")
        story.replicas = 5
        story.settle()


def upgrade(story: Story) -> None:
    with story.telling.step("upgrade: a setting, a new chart and version"):
        before = story.untouched()
        story.bot.offer(story.space.name, "madang-keys")
        story.readme.run("helm upgrade")
        story.settle()
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / "madang"
            shutil.copytree(ROOT / "helm" / "madang", chart)
            text = (chart / "Chart.yaml").read_text()
            bumped = [f"{line.split(':')[0]}: {VERSIONS[1]}" if line.startswith(("version:", "appVersion:")) else line for line in text.splitlines()]
            (chart / "Chart.yaml").write_text("\n".join(bumped) + "\n")
            story.space.helm("upgrade", "madang", str(chart), "--reset-then-reuse-values")
            story.settle()
        images = {pod["spec"]["containers"][0]["image"] for pod in story.space.pods()}
        if images != {f"registry.example.com/madang:{VERSIONS[1]}"}:
            raise Failed(f"the pods run {images}")
        if story.untouched() != before:
            raise Failed("the upgrade touched Redis or its password")
        with Forward(story.space.name) as url:
            story.bot.say(url, "ops", "said before")


def go_back(story: Story) -> None:
    with story.telling.step("go back to the old chart, still 5 pods"):
        before = story.untouched()
        story.readme.run("helm upgrade")
        story.settle()
        if story.untouched() != before:
            raise Failed("going back touched Redis or its password")


def roll_back(story: Story) -> None:
    with story.telling.step("helm rollback to before the scale is refused"):
        said = refused("helm", "--namespace", story.space.name, "rollback", "madang", "1")
        if "conflict" not in said or "replicas" not in said:
            raise Failed(f"the refusal does not name the conflict: {said}")
        story.readme.run("helm upgrade")
        story.settle()


def restart(story: Story) -> None:
    with story.telling.step("rollout restart"):
        story.readme.run("kubectl --namespace chat rollout restart")
        story.readme.run("kubectl --namespace chat rollout status")
        story.settle()


def restart_in_small_steps(story: Story) -> None:
    with story.telling.step("rollout restart with room for one pod only"):
        story.space.helm("upgrade", "madang", "helm/madang", "--reset-then-reuse-values", "--set", "rollout.maxSurge=1")
        story.settle(400)
        story.space.kubectl("rollout", "restart", "deployment", "madang")
        story.settle(400)
        story.space.helm("upgrade", "madang", "helm/madang", "--reset-then-reuse-values", "--set", "rollout.maxSurge=100%")
        story.settle(400)


def uninstall(story: Story) -> None:
    story.talk.whole()
    story.telling.is_talking = False
    with story.telling.step("uninstall leaves nothing but the claim"):
        story.talk.end()
        story.space.kubectl("delete", "secret", "madang-keys", "--ignore-not-found")
        story.readme.run("helm uninstall")
        kinds = "all,configmap,secret,serviceaccount,pvc,pdb,ingress,networkpolicy,endpoints,hpa,role,rolebinding"

        def left() -> set[str]:
            names = story.space.kubectl("get", kinds, "-o", "name").split()
            return set(names) - {"configmap/kube-root-ca.crt", "serviceaccount/default"}

        eventually("only the claim is left", lambda: left() == {"persistentvolumeclaim/madang-redis"}, 120)
        story.readme.run("kubectl --namespace chat delete pvc")
        run("kubectl", "delete", "namespace", story.space.name)
