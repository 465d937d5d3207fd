"""The chapters of the story, in the order in which an operator lives them."""

import hashlib
import json
import shutil
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import machine_of
import prometheus
from bot import Bot
from kube import Failed, Forward, Namespace, apply, eventually, is_ready, refused, run, shell
from layout import NODES, ROOT, VERSIONS
from talk import Talk
from telling import Readme, Telling

IMAGE = ("--set", "image.registry=registry.example.com")
SECRET = "jsonpath={.data.redis-password}"


@dataclass
class Story:
    """What the chapters share."""

    space: Namespace
    talk: Talk
    telling: Telling
    readme: Readme
    bot: Bot = field(default_factory=Bot)
    replicas: int = 2

    def settle(self, seconds: float = 240) -> None:
        eventually(f"{self.replicas} pods of the newest version, and no others", lambda: self.space.settled(self.replicas), seconds)

    def redis(self) -> dict:
        """The pod of Redis."""
        return self.space.get("pod", "madang-redis-0")

    def untouched(self) -> tuple[str, str]:
        """What an upgrade of the chat must leave alone: the pod of Redis, and its password."""
        return self.redis()["metadata"]["uid"], self.space.kubectl("get", "secret", "madang-redis", "-o", SECRET)


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


def kill_a_pod(story: Story) -> None:
    with story.telling.step("delete a pod of the chat without grace"):
        victim = story.space.ready()[0]["metadata"]["name"]
        story.space.kubectl("delete", "pod", victim, "--grace-period=0", "--force")

        def is_replaced() -> bool:
            names = {pod["metadata"]["name"] for pod in story.space.ready()}
            return victim not in names and len(names) == story.replicas

        eventually("another pod has taken its place", is_replaced)
        story.settle()


def replace_redis(story: Story) -> None:
    with story.telling.step("delete the pod of Redis; what was said is there"):
        before = story.redis()["metadata"]["uid"]
        story.space.kubectl("delete", "pod", "madang-redis-0", "--wait=false")
        eventually("a new pod of Redis is ready", lambda: story.redis()["metadata"]["uid"] != before and is_ready(story.redis()))
        with Forward(story.space.name) as url:
            eventually("what was said before is there", lambda: "said before" in story.bot.read(url, "ops"), 30)
        if story.space.restarts():
            raise Failed("pods of the chat were restarted")


def start_without_redis(story: Story) -> None:
    with story.telling.step("all pods deleted while Redis is pending for 60 s"):
        space = story.space
        run("kubectl", "cordon", NODES[0].name)
        try:
            space.kubectl("delete", "pod", "madang-redis-0")
            eventually("Redis is pending", lambda: story.redis()["status"]["phase"] == "Pending")
            space.kubectl("delete", "pod", "--selector", "app.kubernetes.io/component=chat", "--grace-period=1")
            pending_until = time.monotonic() + 60
            eventually("the pods run", lambda: len(space.pods()) == 5 and all(pod["status"]["phase"] == "Running" for pod in space.pods()))
            eventually("a minute has passed", lambda: time.monotonic() > pending_until, every=1)
            if space.restarts() or space.ready():
                raise Failed(f"{space.restarts()} restarts and {len(space.ready())} ready pods without Redis")
        finally:
            run("kubectl", "uncordon", NODES[0].name)
        eventually("Redis is ready", lambda: is_ready(story.redis()))
        took = eventually("all pods are ready", lambda: len(space.ready()) == 5, 30)
        if took > 5:
            raise Failed(f"the pods were ready {took:.1f} s after Redis, not within 5 s")
        if space.restarts():
            raise Failed("pods of the chat were restarted")
        story.settle()


def rotate_password(story: Story) -> None:
    with story.telling.step("change the password of Redis; nobody unready"):
        space = story.space
        before = {pod["metadata"]["uid"] for pod in space.ready()}
        runbook = (ROOT / "docs" / "runbooks" / "redis-password.md").read_text()
        commands = [block.split("```")[0] for block in runbook.split("```sh\n")[1:]]
        log = "kubectl -n chat logs madang-redis-0 -c redis"
        changes = [command for command in commands if " logs " not in command]
        if len(changes) != 3 or not any("logs" in command for command in commands):
            raise Failed("the runbook is not three changes and a look into the log")
        script = ""
        for number, change in enumerate(changes, 1):
            # The variables of the first block are used by the second.
            script += change
            wait = f'until [ "$({log} | grep -c "took over")" -ge {number} ]; do sleep 1; done\n'
            script += wait
        taken = space.kubectl("logs", "madang-redis-0", "-c", "redis").count("took over")
        if taken:
            raise Failed("Redis took something over before")
        shell(script, 400)
        still = {pod["metadata"]["uid"] for pod in space.ready()}
        if still != before:
            raise Failed("a pod became unready or was replaced")
        password = space.kubectl("get", "secret", "madang-redis", "-o", "jsonpath={.data}")
        if "previous" in password:
            raise Failed("the old password is still in the Secret")
        # New connections need the new password.
        space.kubectl("delete", "pod", sorted(pod["metadata"]["name"] for pod in space.ready())[0])
        story.settle()


def empty_a_node(story: Story) -> None:
    with story.telling.step("kubectl drain a node, uncordon it"):
        node = NODES[1].name
        if not any(pod["spec"].get("nodeName") == node for pod in story.space.pods()):
            raise Failed(f"no pod of the chat is on {node}")
        run("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s", seconds=260)
        story.settle()
        run("kubectl", "uncordon", node)


def scrape(story: Story) -> None:
    with story.telling.step("a Prometheus scrapes every pod, found by DNS"):
        prometheus.scrape(story.space)


def accept_values(story: Story) -> None:
    with story.telling.step("values of every kind are taken by the API server"):
        for values in sorted((ROOT / "helm" / "madang" / "ci").glob("*-values.yaml")):
            rendered = run("helm", "template", "madang", "helm/madang", "--namespace", "chat-values", "--values", str(values), "--is-upgrade")
            documents = [document for document in rendered.split("\n---\n") if "\nkind: " in f"\n{document}"]
            known = [document for document in documents if not any(f"apiVersion: {group}" in document for group in ("monitoring.coreos.com", "gateway.networking.k8s.io", "keda.sh"))]
            run("kubectl", "apply", "--dry-run=server", "--namespace", "default", "-f", "-", text="\n---\n".join(known).replace("namespace: \"chat-values\"", "namespace: \"default\""))


def scale_memory_broker(story: Story) -> None:
    with story.telling.step("memory broker scaled by hand: extra pods unready"):
        other = Namespace("chat-memory")
        other.helm("install", "madang", "helm/madang", "--create-namespace", "--values", "helm/madang/ci/memory-values.yaml", *IMAGE)
        eventually("one pod is ready", lambda: len(other.ready()) == 1)
        first = other.ready()[0]["metadata"]["name"]
        other.kubectl("scale", "deployment", "madang", "--replicas=3")
        eventually("three pods run", lambda: sum(pod["status"]["phase"] == "Running" for pod in other.pods()) == 3)
        extra = [pod["metadata"]["name"] for pod in other.pods() if pod["metadata"]["name"] != first]
        eventually("the extra pods say why", lambda: all("redis.url" in other.kubectl("logs", name) for name in extra), 60)
        eventually("their events say so too", lambda: "Readiness probe failed" in other.kubectl("get", "events"), 60)
        if [pod["metadata"]["name"] for pod in other.ready()] != [first]:
            raise Failed("another pod is ready than the first one")
        other.kubectl("scale", "deployment", "madang", "--replicas=1")
        run("kubectl", "delete", "namespace", other.name)


def explain_what_is_wrong(story: Story) -> None:
    with story.telling.step("a wrong password and a missing image are told"):
        other = Namespace("chat-wrong")
        url = "redis://madang-redis.chat:6379"
        external = ("--set", "redis.enabled=false", "--set", f"externalRedis.url={url}", "--set", "externalRedis.username=madang", "--set", "externalRedis.password=wrong")
        other.helm("install", "madang", "helm/madang", "--create-namespace", *external, *IMAGE)
        eventually("the log names the setting", lambda: any("redis.password_file" in other.kubectl("logs", pod["metadata"]["name"]) for pod in other.pods()), 60)
        if other.ready() or other.restarts():
            raise Failed("a pod is ready or was restarted with a wrong password")
        other.helm("upgrade", "madang", "helm/madang", "--reset-then-reuse-values", "--set", "image.tag=none")
        eventually("the events name the image", lambda: "registry.example.com/madang:none" in other.kubectl("get", "events"), 90)
        other.helm("uninstall", "madang")
        run("kubectl", "delete", "namespace", other.name)


def share_a_redis(story: Story) -> None:
    with story.telling.step("two releases on one Redis; nothing crosses"):
        rules = json.loads(story.space.kubectl("get", "configmap", "madang-redis", "-o", "json"))["data"]["chat.acl"]
        user = f"user second on #{hashlib.sha256(b'of the second').hexdigest()} {rules.replace('chat:madang', 'chat-second:madang')}"
        story.space.helm("upgrade", "madang", "helm/madang", "--reset-then-reuse-values", "--set-json", f"redis.extraUsers={json.dumps([user])}")
        eventually("Redis knows the second user", lambda: "took over" in story.space.kubectl("logs", "madang-redis-0", "-c", "redis"), 90)
        second = Namespace("chat-second")
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": second.name}})
        story.bot.offer(second.name, "madang-keys")
        external = ("redis.enabled=false", "externalRedis.url=redis://madang-redis.chat:6379", "externalRedis.username=second", "externalRedis.password=of the second", "api.existingSecret=madang-keys")
        second.helm("install", "madang", "helm/madang", *IMAGE, *(word for value in external for word in ("--set", value)))
        eventually("the second release is ready", lambda: second.settled(2))
        room = "shared name"
        with Forward(story.space.name) as first_url, Forward(second.name) as second_url:
            story.bot.say(first_url, room, "of the first")
            story.bot.say(second_url, room, "of the second")
            if story.bot.read(first_url, room) != ["of the first"] or story.bot.read(second_url, room) != ["of the second"]:
                raise Failed("what is said in one release is read in the other")
        second.helm("uninstall", "madang")
        run("kubectl", "delete", "namespace", second.name)


def _fill(story: Story, mode: str) -> None:
    other = Namespace(f"chat-{mode}")
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.name}})
    story.bot.offer(other.name, "madang-keys")
    values = ("redis.persistence.storageClass=small", f"redis.config.appendfsync={mode}", "api.existingSecret=madang-keys")
    other.helm("install", "madang", "helm/madang", *IMAGE, *(word for value in values for word in ("--set", value)))
    eventually("the release is ready", lambda: other.settled(2) and is_ready(other.get("pod", "madang-redis-0")))
    volume = other.get("pvc", "madang-redis")["spec"]["volumeName"]
    accepted: list[str] = []

    def say() -> None:
        text = f"message {len(accepted)} {'x' * 500}"
        story.bot.say(url, "ops", text)
        accepted.append(text)

    def restarts() -> int:
        return other.restarts("redis")

    def log() -> str:
        arguments = ("logs", "madang-redis-0", "-c", "redis")
        return other.kubectl(*arguments) + (other.kubectl(*arguments, "--previous") if restarts() else "")

    with Forward(other.name) as url:
        for _ in range(10):
            say()
        machine_of.fill_volume(NODES[0].name, volume)
        said = ""
        for _ in range(200):
            try:
                say()
            except Failed as failed:
                said = str(failed)
                break
        if "retry_after_ms" not in said:
            raise Failed(f"with a full volume a send was not refused retryably: {said or 'all were accepted'}")
        eventually("Redis says what to do", lambda: "set redis.persistence.size" in log(), 90)
        if mode == "everysec" and restarts():
            raise Failed("Redis was restarted")
        if mode == "always":
            eventually("Redis has stopped", restarts, 60)
        if other.restarts():
            raise Failed("pods of the chat were restarted")
        machine_of.free_volume(NODES[0].name, volume)
        eventually("sends are accepted again", lambda: say() or True, 180)
        found = story.bot.read(url, "ops")
        if [text for text in found if text in set(accepted)] != accepted:
            raise Failed(f"{len(accepted)} messages were accepted, and these were read: {[text[:12] for text in found]}")
    other.helm("uninstall", "madang")
    run("kubectl", "delete", "namespace", other.name)


def fill_a_volume_everysec(story: Story) -> None:
    with story.telling.step("full volume, everysec: refused, whole when freed"):
        _fill(story, "everysec")


def fill_a_volume_always(story: Story) -> None:
    with story.telling.step("full volume, always: stops, whole when freed"):
        _fill(story, "always")


def part_the_nodes(story: Story) -> None:
    with story.telling.step("nodes parted for 30 s"):
        one, other = NODES
        rules = [["FORWARD", "-s", a.pods, "-d", b.pods, "-j", "DROP"] for a, b in ((one, other), (other, one))]
        for rule in rules:
            machine_of.control("iptables", "-I", *rule)
        try:
            until = time.monotonic() + 30
            eventually("30 s have passed", lambda: time.monotonic() > until, every=1)
        finally:
            for rule in rules:
                machine_of.control("iptables", "-D", *rule)
        if story.space.restarts():
            raise Failed("pods of the chat were restarted")
        story.settle()


def lose_a_node(story: Story) -> None:
    with story.telling.step("a node lost for good"):
        node = NODES[1].name
        machine_of.lose(node)
        eventually("five pods are ready elsewhere", lambda: sum(pod["spec"]["nodeName"] != node for pod in story.space.ready()) == 5, 240)
        run("kubectl", "delete", "node", node)
        story.settle()


def uninstall(story: Story) -> None:
    story.talk.whole()
    story.telling.is_talking = False
    with story.telling.step("uninstall leaves nothing but the claim"):
        story.talk.end()
        story.space.kubectl("delete", "secret", "madang-keys")
        story.readme.run("helm uninstall")
        kinds = "all,configmap,secret,serviceaccount,pvc,pdb,ingress,networkpolicy,endpoints,hpa,role,rolebinding"

        def left() -> set[str]:
            names = story.space.kubectl("get", kinds, "-o", "name").split()
            return set(names) - {"configmap/kube-root-ca.crt", "serviceaccount/default"}

        eventually("only the claim is left", lambda: left() == {"persistentvolumeclaim/madang-redis"}, 120)
        story.readme.run("kubectl --namespace chat delete pvc")
        run("kubectl", "delete", "namespace", story.space.name)


# What does things to machines that only `make cluster-up` lets anybody do.
ON_OUR_MACHINE = (start_without_redis, fill_a_volume_everysec, fill_a_volume_always, part_the_nodes, lose_a_node, empty_a_node)
