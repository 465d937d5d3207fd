#!/usr/bin/env python3
"""Measures what a message takes in the memory of Redis: python3 tests/capacity/redis_bytes.py.

Starts a redis-server of its own, gives it messages by the script of the program, and asks it with MEMORY USAGE. The
results belong into figures.toml.
"""

import socket
import subprocess
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "src/broker/redis/scripts"
ROOMS = 20
MESSAGES = 1_000
BATCH = 8
TEXT = "x" * 128


class Redis:
    """A session with a server, one command at a time."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.reader = self.socket.makefile("rb")

    def __call__(self, *words: object):
        encoded = [str(word).encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
        self.socket.sendall(b"*%d\r\n%s" % (len(parts), b"".join(parts)))
        return self.answer()

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


def message(room: int, number: int) -> tuple[str, str, str]:
    """Returns the dedupe field, the hash of the text, and the object in the log, as the program makes them."""
    user, key = f"user-{number % 10:011}", f"key-{room:04}-{number:011}"
    m = f'{{"key":"{key}","user":{{"id":"{user}","name":"Somebody"}},"text":"{TEXT}"}}'
    return f"{len(user)}:{user}{key}", "0123456789abcdef", m


def fill(redis: Redis, messages: int) -> None:
    script = "\n".join((SCRIPTS / name).read_text() for name in ("room.lua", "publish.lua"))
    sha = redis("SCRIPT", "LOAD", script)
    far = int(time.time() * 1000) + 600_000
    for room in range(ROOMS):
        keys = [f"madang:{{room-{room}}}:{name}" for name in ("log", "meta", "d0", "d1")]
        for begin in range(0, messages, BATCH):
            batch = [word for number in range(begin, begin + BATCH) for word in message(room, number)]
            options = [far, "a" * 40, "epoch-0123456789", f"madang:{{room-{room}}}", 1_000, 86_400_000, 300_000, 0]
            answers = redis("EVALSHA", sha, 4, *keys, *options, *batch)
            assert all(it.startswith("+") for it in answers), answers


def usage(redis: Redis, *names: str) -> float:
    """Returns the bytes of keys of a room, on average."""
    keys = [f"madang:{{room-{room}}}:{name}" for room in range(ROOMS) for name in names]
    return sum(redis("MEMORY", "USAGE", key, "SAMPLES", 0) or 0 for key in keys) / ROOMS


def measure(redis: Redis) -> dict[str, float]:
    fill(redis, BATCH)
    begun = usage(redis, "log", "meta", "d0", "d1")
    redis("FLUSHALL")
    fill(redis, MESSAGES)
    return {
        "redis_entry": usage(redis, "log") / redis("XLEN", "madang:{room-0}:log"),
        "redis_dedupe": usage(redis, "d0", "d1") / MESSAGES,
        "redis_room": begun,
    }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="madang-capacity-") as scratch:
        path = f"{scratch}/redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", scratch, "--logfile", "log"]
        server = subprocess.Popen(command)
        try:
            until = time.monotonic() + 10
            while not Path(path).exists():
                assert server.poll() is None and time.monotonic() < until, "redis-server does not start"
                time.sleep(0.01)
            for name, value in measure(Redis(path)).items():
                print(f"{name} = {value:.0f} bytes")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
