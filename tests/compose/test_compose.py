"""The compose file as an operator uses it: up, talked on, looked into, broken, healed, watched, down.

The tests share one stack and run in the order of this file; each leaves it whole.
"""

import json
import time
from collections.abc import Callable
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

import machine
from engine import FILE, NODE_PORTS, NODES, PATIENCE, PROMETHEUS_PORT, Engine, Failed, eventually
from session import Session


def value_of(query: str) -> float | None:
    """The number that Prometheus answers to a query, if it has one."""
    with urlopen(f"http://localhost:{PROMETHEUS_PORT}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def sees(query: str, wanted: Callable[[float], bool]) -> Callable[[], bool]:
    def ask() -> bool:
        value = value_of(query)
        return value is not None and wanted(value)

    return ask


def send_until_accepted(session: Session, text: str, key: str) -> None:
    """Sends as a page does: again with the same key as long as it is refused retryably."""
    deadline = time.monotonic() + PATIENCE
    while (answer := session.send(text, key))["type"] != "sent":
        assert "retry_after_ms" in answer, answer
        assert time.monotonic() < deadline, answer
        time.sleep(answer["retry_after_ms"] / 1000)


def test_everything_is_healthy(stack: Engine) -> None:
    for service in [*NODES, "redis"]:
        stack.health(service)


def test_grafana_stays_away_without_its_profile(stack: Engine) -> None:
    names = stack.podman("ps", "--all", "--format", "{{.Names}}").splitlines()
    assert sorted(names) == sorted(f"{FILE['name']}_{service}_1" for service in [*NODES, "redis", "prometheus"])


def test_nodes_may_do_little(stack: Engine) -> None:
    for node in NODES:
        container = stack.container(node)
        assert container["HostConfig"]["ReadonlyRootfs"]
        assert not container["EffectiveCaps"]
        assert container["Config"]["User"] not in ("", "0", "root")


def test_redis_is_on_its_own_network_only(stack: Engine) -> None:
    assert list(stack.container("redis")["NetworkSettings"]["Networks"]) == ["redis-net"]
    assert "redis-net" in stack.podman("network", "ls", "--format", "{{.Name}}").splitlines()
    assert not any(stack.container("redis")["NetworkSettings"]["Ports"].values())


def test_sessions_on_two_nodes_talk(stack: Engine) -> None:
    with Session(NODE_PORTS["node-1"], "Ann", "lobby") as ann, Session(NODE_PORTS["node-2"], "Ben", "lobby") as ben:
        assert ann.send("hello from node-1")["type"] == "sent"
        ben.hear("hello from node-1")
        assert ben.send("hello from node-2")["type"] == "sent"
        ann.hear("hello from node-2")


def test_the_documented_commands_look_into_redis(stack: Engine) -> None:
    with Session(NODE_PORTS["node-3"], "Ann", "lobby") as ann:
        ann.send("for the operator")
        printed = "\n".join(stack.documented("exec redis redis-cli"))
    assert "for the operator" in printed, "xrange shows the log"
    assert "madang:{lobby}:meta" in printed, "--scan shows the keys"
    assert "aof_last_write_status:ok" in printed, "info shows the append-only file"
    # Of a room that somebody is in, as a line of its own.
    assert "\nmadang:{lobby}\n" in f"\n{printed}\n", "pubsub channels shows the room"


def test_prometheus_sees_all_nodes_and_the_traffic(stack: Engine) -> None:
    eventually(sees('sum(up{job="madang"})', lambda it: it == 3), "three nodes are up in Prometheus")
    with Session(NODE_PORTS["node-1"], "Ann", "numbers") as ann, Session(NODE_PORTS["node-2"], "Ben", "numbers") as ben:
        before = value_of("sum(madang_messages_accepted_total)") or 0
        for number in range(10):
            ann.send(f"message {number}")
        ben.hear("message 9")
        eventually(sees("sum(madang_messages_accepted_total)", lambda it: it >= before + 10), "ten messages more")
        eventually(sees('madang_messages_received_total{instance="node-1:9090"}', lambda it: it >= 10), "they came to node-1")
        eventually(sees('madang_messages_delivered_total{instance="node-2:9090"}', lambda it: it >= 10), "node-2 delivered them")
        eventually(sees("sum(madang_sessions)", lambda it: it == 2), "two sessions")
        eventually(sees("sum(rate(madang_messages_accepted_total[1m]))", lambda it: it > 0), "a rate")


def test_a_redis_killed_and_made_anew_has_its_data(stack: Engine) -> None:
    texts = [f"kept {number}" for number in range(20)]
    with Session(NODE_PORTS["node-1"], "Ann", "keepsake") as ann:
        last = [ann.send(text) for text in texts][-1]["seq"]
        old = stack.container("redis")["Id"]
        # Without a chance to save anything.
        stack.podman("rm", "--force", "--time", "0", f"{FILE['name']}_redis_1")
        stack.compose("up", "--detach", "--no-recreate", "redis")
        assert stack.container("redis")["Id"] != old
        send_until_accepted(ann, "after it", "key-after-it")
        # A crash begins an epoch, behind everything that was accepted.
        assert not any(it["type"] == "gap" for it in ann.frames)
        assert all(it["from"] == last + 1 for it in ann.frames if it["type"] == "epoch")
    with Session(NODE_PORTS["node-2"], "Ben", "keepsake") as ben:
        assert ben.history() == [*texts, "after it"]


def test_without_redis_nodes_stay_and_say_why(stack: Engine) -> None:
    with Session(NODE_PORTS["node-1"], "Ann", "outage") as ann, Session(NODE_PORTS["node-2"], "Ben", "outage") as ben:
        assert ann.send("before")["type"] == "sent"
        ben.hear("before")
        stack.compose("stop", "redis")

        ann.expect(lambda it: it["type"] == "degraded")
        refused = ann.send("meanwhile", "key-meanwhile")
        assert refused["type"] == "error" and refused["retry_after_ms"] > 0, refused
        for node in ("node-1", "node-2"):
            # All would go at once if they turned unready.
            stack.health(node)
            container = stack.container(node)
            assert container["State"]["Status"] == "running" and container["RestartCount"] == 0
            assert "Redis cannot be used" in stack.logs(node)
        eventually(sees("sum(madang_broker_up)", lambda it: it == 0), "the nodes say it to Prometheus")

        # One that starts meanwhile waits, unready with the reason, and is not restarted for it.
        stack.compose("stop", "node-3")
        stack.compose("start", "node-3")
        eventually(lambda: stack.alive("node-3"), "node-3 is alive")
        with pytest.raises(Failed, match="(?i)redis|broker"):
            stack.health("node-3")

        stack.compose("start", "redis")
        ann.expect(lambda it: it["type"] == "recovered")
        send_until_accepted(ann, "meanwhile", "key-meanwhile")
        ben.hear("meanwhile")
        assert ben.history() == ["before", "meanwhile"]
    eventually(lambda: stack.healthy("node-3"), "node-3 is ready as soon as there is Redis")
    with Session(NODE_PORTS["node-3"], "Cyd", "outage") as cyd:
        assert cyd.history() == ["before", "meanwhile"]


def test_a_node_leaves_in_peace(stack: Engine) -> None:
    stack.compose("stop", "node-2")
    assert stack.container("node-2")["State"]["ExitCode"] == 0, "it is not killed"
    stack.compose("start", "node-2")
    eventually(lambda: stack.healthy("node-2"), "node-2 is back")


def test_down_keeps_the_data_and_with_volumes_leaves_no_trace(stack: Engine, before: machine.Traces) -> None:
    with Session(NODE_PORTS["node-1"], "Ann", "goodbye") as ann:
        assert ann.send("see you")["type"] == "sent"
    stack.compose("down")
    stack.documented("up")
    eventually(lambda: stack.healthy("node-1"), "node-1 is healthy again")
    with Session(NODE_PORTS["node-1"], "Ann", "goodbye") as ann:
        assert ann.history() == ["see you"]

    stack.documented("down --volumes")
    eventually(lambda: machine.same(stack, before), "nothing is left", 30)
