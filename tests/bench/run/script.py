"""redis-benchmark with madang's own publish script: what Redis can do at most, one message per call."""

import time

from layout import ROOT, SERVER_CORE
from processes import output_of
from redis import Redis

SCRIPTS = ROOT / "src/broker/redis/scripts"
PIPELINE = 64
# Connections; the better one counts.
CONNECTIONS = (1, 4)


def text() -> str:
    """Returns the script as the node sends it: both parts, joined by a line break."""
    return "\n".join((SCRIPTS / part).read_text() for part in ("room.lua", "publish.lua"))


def message(payload: int) -> str:
    """Returns an `m` of the length that the node writes for a text of `payload` bytes."""
    head = '{"key":"0123456789abcdef","user":{"id":"0123456789abcdef","name":"bench-1234"},"text":"'
    return f'{head}{"x" * payload}"}}'


def call(redis: Redis, payload: int, now_ms: int) -> list[str]:
    """Returns the command, as `publish.lua` describes it, with a key that redis-benchmark draws for each call.

    One room: redis-benchmark draws another number at each place, and the keys of a room must belong together.
    """
    room = "madang:{bench}"
    keys = [f"{room}:log", f"{room}:meta", f"{room}:d0", f"{room}:d1"]
    hash_of_script = redis.ask("SCRIPT", "LOAD", told=text())
    hour, day, window = 3_600_000, 86_400_000, 300_000
    arguments = [str(now_ms + hour), redis.lineage(), "bench", room, "1000", str(day), str(window)]
    position = ["1", "bench", "1"]
    author_and_key = "16:0123456789abcdef__rand_int__"
    return ["EVALSHA", hash_of_script, "4", *keys, *arguments, *position, author_and_key, "0" * 16, message(payload)]


def command(redis: Redis, connections: int, calls: int, words: list[str]) -> list[str]:
    """Returns the whole command line; keys are drawn of two billion, its most, so that hardly one comes twice."""
    options = ["-h", "127.0.0.1", "-p", str(redis.port), "-P", str(PIPELINE), "-c", str(connections)]
    return ["redis-benchmark", *options, "-n", str(calls), "-r", "2000000000", "--csv", *words]


def measure(payload: int, calls: int = 200_000) -> dict:
    """Returns calls per second for each number of connections, the best of them, and Redis' own CPU for one call."""
    found = {"calls": calls, "per_second": {}}
    for connections in CONNECTIONS:
        with Redis() as redis:
            words = call(redis, payload, int(time.time() * 1000))
            before = redis.cpu_seconds()
            # Redis has its core for itself here.
            answer = output_of(
                ["taskset", "--cpu-list", SERVER_CORE, *command(redis, connections, calls, words)], timeout=300
            )
            cpu = redis.cpu_seconds() - before
            check(redis, calls)
        found["per_second"][str(connections)] = rate_of(answer)
        found.setdefault("redis_us", cpu / calls * 1e6)
    found["best"] = max(found["per_second"].values())
    return found


def rate_of(answer: str) -> float:
    """Reads calls per second out of what `--csv` prints: a head, and one row.

    The first column is the command with its quotes as they are, so the numbers are counted from the end.
    """
    head, row = answer.strip().splitlines()[-2:]
    columns = head.replace('"', "").split(",")
    return float(row.rstrip('"').split('","')[columns.index("rps") - len(columns)])


def check(redis: Redis, calls: int) -> None:
    """Raises RuntimeError unless the calls did what a publish does; redis-benchmark counts refusals as well."""
    seq = int(redis.ask("HGET", "madang:{bench}:meta", "seq") or 0)
    if not 0.99 * calls <= seq <= calls + PIPELINE * max(CONNECTIONS):
        raise RuntimeError(
            f"{calls} calls of the publish script made {seq} entries: its arguments are not these any more"
        )
