"""What it costs Redis that a node with very many rooms looks after the end of each."""

import re
import time
import urllib.request
from contextlib import ExitStack

import crowd
from layout import OTHER_CORE
from processes import Failed, until
from redis import Redis
from servers import Madang, Started

SESSIONS = 100
ROOMS_EACH = 1000
# Seconds for one round of probes: a hundred as it is shipped.
PATIENCE = 240


def _metric(node: Started, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.internal_port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
    if not found:
        raise Failed(f"the node shows no metric {name}")
    return float(found[1])


def _over(redis: Redis, node: Started, seconds: float) -> tuple[float, float, float]:
    """Returns the percent of a core that Redis and the node take, and probes per second."""
    began, probes = time.monotonic(), _metric(node, "madang_broker_probes_total")
    before = redis.cpu_seconds(), node.cpu_seconds()
    time.sleep(seconds)
    lasted = time.monotonic() - began
    cpu = [(now - then) / lasted * 100 for now, then in zip((redis.cpu_seconds(), node.cpu_seconds()), before)]
    return cpu[0], cpu[1], (_metric(node, "madang_broker_probes_total") - probes) / lasted


def measure(binary: str, sessions: int = SESSIONS, rooms_each: int = ROOMS_EACH, seconds: float = 20) -> dict:
    """Returns what Redis takes beside a node without rooms and beside one with all of them, in percent of a core."""
    # Nobody reads while it is measured, so no ping could be answered.
    settings = {"MADANG_LIMITS__ROOMS": str(rooms_each), "MADANG_SESSION__PING_INTERVAL": "1h"}
    with ExitStack() as stack:
        redis = stack.enter_context(Redis())
        node = stack.enter_context(Started(Madang(binary, settings).server(), redis.url))
        empty, _, _ = _over(redis, node, seconds / 2)
        crowd.fill(stack, node.port, sessions, rooms_each)
        rooms = sessions * rooms_each
        if (shown := _metric(node, "madang_rooms")) != rooms:
            raise Failed(f"the node has {shown:.0f} rooms, not {rooms}")
        # What joining and talking left to do is over once Redis is as idle as it gets.
        probes = _metric(node, "madang_broker_probes_total")
        until(
            "the first round of probes", lambda: _metric(node, "madang_broker_probes_total") >= probes + rooms, PATIENCE
        )
        full, of_node, rate = _over(redis, node, seconds)
        interval = _metric(node, "madang_broker_probe_interval_seconds")
    return {
        "rooms": rooms,
        "core": OTHER_CORE,
        "probes_per_second": rate,
        "interval_s": interval,
        "redis_empty_percent": empty,
        "redis_percent": full,
        "redis_cost_percent": full - empty,
        "node_percent": of_node,
    }
