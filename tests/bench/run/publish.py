"""How much a node publishes, measured against what Redis can do at most."""

from contextlib import ExitStack
from dataclasses import replace

import script
from cells import PAYLOAD
from figures import Run
from layout import OTHER_CORE, SERVER_CORE
from processes import Failed
from redis import Redis
from servers import Server, Started
from stage import Generator

# Everybody alone in a room with one message under way: each call of the script carries one message, as above.
ROOMS = 1000


def _run(server: Server, generator: Generator, options: list[str], seconds: float, ramp: int) -> dict:
    with ExitStack() as stack:
        redis = stack.enter_context(Redis())
        node = stack.enter_context(Started(server, redis.url))
        arguments = ["--url", node.url, "--pid", f"server={node.pid}", "--pid", f"redis={redis.pid}"]
        arguments += ["--rooms", str(ROOMS), "--members", "1", "--payload", str(PAYLOAD), "--ramp", str(ramp)]
        arguments += ["--settle", "1s", "--warmup", "2s", "--for", f"{seconds}s", *options]
        return generator.run(arguments, seconds + 90)


def measure(server: Server, generator: Generator, seconds: float, number: int, calls: int = 200_000) -> Run:
    """Returns one round: Redis alone, the node with all it has, and the time to be accepted at half of that."""
    run: Run = {"round": number, "void": [], "wrong": []}
    # Redis has to do as much as it can, so whoever can go out of its way does.
    generator = replace(generator, core=f"{SERVER_CORE},{OTHER_CORE}")
    try:
        run["redis"] = script.measure(PAYLOAD, calls)
        run["full"] = _run(server, generator, ["--window", "1"], seconds, 1000)
        rate = int(run["full"]["messages"]["per_second"] / 2)
        run["half"] = _run(server, generator, ["--rate", str(rate)], seconds, 1000)
    except Failed as failed:
        return {**run, "void": [str(failed)]}
    for part in ("full", "half"):
        run["wrong"] += run[part].get("wrong", [])
    # The share of the machine that others take counts here as everywhere; lateness says nothing about a closed loop.
    run["void"] = run["half"].get("void", [])
    return run
