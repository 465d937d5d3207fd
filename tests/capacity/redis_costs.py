#!/usr/bin/env python3
"""Measures what messages cost Redis, in memory and CPU: python3 tests/capacity/redis_costs.py.

Starts a redis-server of its own, gives it messages by the script of the program, and asks it with MEMORY USAGE and INFO
CPU. Takes some seconds. The results belong into figures.toml; the CPU is that of a Redis that gets a pipeline of
commands and nothing else, so a whole system shows somewhat more.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "src/broker/redis/scripts"
ROOMS = 20
MESSAGES = 1_000
BATCH = 8
TEXT = "x" * 128
# Commands that are under way together, as from a busy fleet.
PIPELINE = 16
SUBSCRIBERS = 9


class Redis:
    """A wire to a server, one command at a time."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.reader = self.socket.makefile("rb")

    def __call__(self, *words: object):
        self.socket.sendall(pack(*words))
        return self.answer()

    def pipelined(self, commands: list[bytes]) -> list:
        """Sends all of them, a few at a time, and returns the answers."""
        answers = []
        for begin in range(0, len(commands), PIPELINE):
            self.socket.sendall(b"".join(commands[begin : begin + PIPELINE]))
            answers += [self.answer() for _ in commands[begin : begin + PIPELINE]]
        return answers

    def answer(self):
        line = self.reader.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.reader.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest.decode()


def pack(*words: object) -> bytes:
    encoded = [str(word).encode() for word in words]
    return b"*%d\r\n%s" % (len(encoded), b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))


def message(room: int, number: int) -> tuple[str, str, str]:
    """Returns the dedupe field, the hash of the text, and the object in the log, as the program makes them."""
    user, key = f"user-{number % 10:011}", f"key-{room:04}-{number:011}"
    m = f'{{"key":"{key}","user":{{"id":"{user}","name":"Somebody"}},"text":"{TEXT}"}}'
    return f"{len(user)}:{user}{key}", "0123456789abcdef", m


def publishes(redis: Redis, messages: int, batch: int) -> list[bytes]:
    """Returns calls of the publish script: so many messages for each room, a batch of one room in a call."""
    script = "\n".join((SCRIPTS / name).read_text() for name in ("room.lua", "publish.lua"))
    sha = redis("SCRIPT", "LOAD", script)
    far = int(time.time() * 1000) + 600_000
    calls = []
    for begin in range(0, messages, batch):
        for room in range(ROOMS):
            keys = [f"madang:{{room-{room}}}:{name}" for name in ("log", "meta", "d0", "d1")]
            batched = [message(room, number) for number in range(begin, begin + batch)]
            words = [word for part in zip(*batched) for word in part]
            options = [far, "a" * 40, "epoch-0123456789", f"madang:{{room-{room}}}", 1_000, 86_400_000, 300_000, 0]
            calls.append(pack("EVALSHA", sha, 4, *keys, *options, *words))
    return calls


def fill(redis: Redis, messages: int) -> None:
    for answers in redis.pipelined(publishes(redis, messages, BATCH)):
        assert all(it.startswith("+") for it in answers), answers


def usage(redis: Redis, *names: str) -> float:
    """Returns the bytes of keys of a room, on average."""
    keys = [f"madang:{{room-{room}}}:{name}" for room in range(ROOMS) for name in names]
    return sum(redis("MEMORY", "USAGE", key, "SAMPLES", 0) or 0 for key in keys) / ROOMS


def memory(redis: Redis) -> dict[str, float]:
    """Returns bytes."""
    fill(redis, BATCH)
    begun = usage(redis, "log", "meta", "d0", "d1")
    redis("FLUSHALL")
    fill(redis, MESSAGES)
    return {
        "redis_entry": usage(redis, "log") / redis("XLEN", "madang:{room-0}:log"),
        "redis_dedupe": usage(redis, "d0", "d1") / MESSAGES,
        "redis_room": begun,
    }


def cost(redis: Redis, commands: list[bytes]) -> float:
    """Returns the CPU in µs that each of the commands takes."""

    def used() -> float:
        info = redis("INFO", "cpu")
        return sum(float(re.search(rf"used_cpu_{kind}_main_thread:([\d.]+)", info)[1]) for kind in ("user", "sys"))

    before = used()
    redis.pipelined(commands)
    return (used() - before) / len(commands) * 1e6


def drain(wire: Redis) -> None:
    """Takes whatever comes, until the server ends."""
    while wire.socket.recv(65_536):
        pass


def cpu(redis: Redis, path: str) -> dict[str, float]:
    """Returns microseconds."""
    redis("FLUSHALL")
    alone = cost(redis, publishes(redis, 500, 1))
    redis("FLUSHALL")
    batched = cost(redis, publishes(redis, 1_600, 16)) / 16
    probe = cost(redis, [pack("HMGET", f"madang:{{room-{it % ROOMS}}}:meta", "epoch", "seq") for it in range(30_000)])
    payload = "1" * 258
    push = [pack("PUBLISH", "madang:{yard}", payload)] * 20_000
    nobody = cost(redis, push)
    for _ in range(SUBSCRIBERS):
        subscriber = Redis(path)
        subscriber("SUBSCRIBE", "madang:{yard}")
        threading.Thread(target=drain, args=[subscriber], daemon=True).start()
    return {
        "redis_message, a call for each": alone,
        "redis_message, 16 in a call": batched,
        "redis_push": (cost(redis, push) - nobody) / SUBSCRIBERS,
        "redis_probe": probe,
    }


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Starts a server and gives the path of its socket; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="madang-capacity-") as scratch:
        path = f"{scratch}/redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", scratch, "--logfile", "log"]
        process = subprocess.Popen(command)
        try:
            until = time.monotonic() + 10
            while not Path(path).exists():
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"redis_costs: redis-server does not start: {Path(scratch, 'log').read_text()}")
                time.sleep(0.01)
            yield path
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    if not shutil.which("redis-server"):
        sys.exit("redis_costs: redis-server is missing; install it, or let `make setup` do so")
    with server() as path:
        redis = Redis(path)
        for name, value in memory(redis).items():
            print(f"{name} = {value:.0f} bytes")
        for name, value in cpu(redis, path).items():
            print(f"{name} = {value:.2f} µs")


if __name__ == "__main__":
    main()
