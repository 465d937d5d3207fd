"""What happens to pods, Redis and nodes."""

import time

import machine_of
from kube import Failed, Forward, eventually, is_ready, run
from layout import NODES
from stage import Story


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


def empty_a_node(story: Story) -> None:
    with story.telling.step("kubectl drain a node, uncordon it"):
        node = NODES[1].name
        if not any(pod["spec"].get("nodeName") == node for pod in story.space.pods()):
            raise Failed(f"no pod of the chat is on {node}")
        run("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s", seconds=260)
        story.settle()
        run("kubectl", "uncordon", node)


def _spread(story: Story) -> None:
    """Has pods of the chat, and so sessions, on both nodes, whatever was done to them before."""
    with story.telling.step("spread over both nodes again"):
        story.space.kubectl("rollout", "restart", "deployment", "madang")
        story.settle()
        if len({pod["spec"]["nodeName"] for pod in story.space.pods()}) < len(NODES):
            raise Failed("all pods of a new version are on one node")


def part_the_nodes(story: Story) -> None:
    _spread(story)
    with story.telling.step("nodes parted for 30 s"):
        before = story.talk.line()["reconnects"]
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
        if story.talk.line()["reconnects"] == before:
            raise Failed("no session was cut, so the nodes were not parted")
        if story.space.restarts():
            raise Failed("pods of the chat were restarted")
        story.settle()


def lose_a_node(story: Story) -> None:
    _spread(story)
    with story.telling.step("a node lost for good"):
        node = NODES[1].name
        machine_of.lose(node)
        eventually("five pods are ready elsewhere", lambda: sum(pod["spec"]["nodeName"] != node for pod in story.space.ready()) == 5, 240)
        run("kubectl", "delete", "node", node)
        story.settle()


# What needs nodes that can be emptied, parted and lost.
ON_OUR_MACHINE = (start_without_redis, empty_a_node, part_the_nodes, lose_a_node)
