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
from stage import Generator, cut_short

# Everybody is alone in a room. With one message under way each call of the script carries one, as those of
# redis-benchmark do; with eight, a call carries what came meanwhile.
ROOMS = 1000
WINDOWS = {"full": 1, "batched": 8}
CALLS = 200_000


def _run(server: Server, generator: Generator, options: list[str], seconds: float) -> dict:
    with ExitStack() as stack:
        redis = stack.enter_context(Redis())
        node = stack.enter_context(Started(server, redis.url))
        arguments = ["--url", node.url, "--pid", f"server={node.pid}", "--pid", f"redis={redis.pid}"]
        arguments += ["--rooms", str(ROOMS), "--members", "1", "--payload", str(PAYLOAD), "--ramp", "1000"]
        arguments += ["--settle", "1s", "--warmup", "2s", "--for", f"{seconds}s", *options]
        return generator.run(arguments, seconds + 90)


def measure(server: Server, generator: Generator, seconds: float, number: int, attempt: int, calls: int = CALLS) -> Run:
    """Returns one round: Redis alone, the node with all it has, and the time to be accepted at half of that."""
    run: Run = {"cell": "publish", "server": server.name, "round": number, "attempt": attempt}
    # Redis has to do as much as it can, so whoever can go out of its way does.
    generator = replace(generator, core=f"{SERVER_CORE},{OTHER_CORE}")
    parts: dict[str, dict] = {}
    try:
        parts["redis"] = script.measure(PAYLOAD, calls)
        for name, window in WINDOWS.items():
            parts[name] = _run(server, generator, ["--window", str(window)], seconds)
        rate = int(parts["full"]["messages"]["per_second"] / 2)
        parts["half"] = _run(server, generator, ["--rate", str(rate)], seconds)
    except Failed as failed:
        return {**run, "void": [str(failed)], "wrong": []}
    measured = [part for name, part in parts.items() if name != "redis"]
    void = [reason for part in measured for reason in [*part.get("void", []), *cut_short(part)]]
    wrong = [reason for part in measured for reason in part.get("wrong", [])]
    return {**run, "void": void, "wrong": wrong, **parts}
