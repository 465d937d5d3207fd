"""What is done more rarely, and what goes wrong by mistake."""

import hashlib
import json

import prometheus
from kube import Failed, Forward, Namespace, apply, eventually, run, shell
from layout import ROOT
from stage import IMAGE, Story


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


def scrape(story: Story) -> None:
    with story.telling.step("a Prometheus scrapes every pod, found by DNS"):
        prometheus.scrape(story.space)


def accept_values(story: Story) -> None:
    with story.telling.step("values of every kind are taken by the API server"):
        for values in sorted((ROOT / "helm" / "madang" / "ci").glob("*-values.yaml")):
            rendered = run("helm", "template", "madang", "helm/madang", "--namespace", "chat-values", "--values", str(values), "--is-upgrade")
            documents = [document for document in rendered.split("\n---\n") if "\nkind: " in f"\n{document}"]
            known = [document for document in documents if not any(f"apiVersion: {group}" in document for group in ("monitoring.coreos.com", "gateway.networking.k8s.io", "keda.sh"))]
            run("kubectl", "apply", "--dry-run=server", "--namespace", "default", "-f", "-", text="\n---\n".join(known).replace('namespace: "chat-values"', 'namespace: "default"'))


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
