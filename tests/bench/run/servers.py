"""The servers that are measured: how each is started, and which dialect it speaks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from layout import BUILT, PEERS, SERVER_CORE
from processes import Process, free_port, status_of, until

# What madang keeps of a room by default: the peer with history keeps the same.
HISTORY = ["-history-size", "1000", "-history-ttl", "24h"]


@dataclass(frozen=True)
class Server:
    """One of those that are compared."""

    name: str
    title: str
    protocol: str
    # Takes the port, a second free one, and the URL of Redis; returns the command and its environment.
    command: Callable[[int, int, str], tuple[list[str], dict[str, str]]]
    notes: str = ""


def _node(script: str) -> Callable[[int, int, str], tuple[list[str], dict[str, str]]]:
    def command(port: int, _: int, redis: str) -> tuple[list[str], dict[str, str]]:
        environment = {"LISTEN": f"127.0.0.1:{port}", "REDIS": redis, "NODE_ENV": "production"}
        return ["node", str(PEERS / script)], environment

    return command


def _centrifuge(*more: str) -> Callable[[int, int, str], tuple[list[str], dict[str, str]]]:
    def command(port: int, _: int, redis: str) -> tuple[list[str], dict[str, str]]:
        return [str(BUILT / "centrifuge"), "-listen", f"127.0.0.1:{port}", "-redis", redis, *more], {}

    return command


@dataclass
class Madang:
    """The node under test; the binary is chosen once, settings by each cell."""

    binary: str
    settings: dict[str, str] = field(default_factory=dict)

    def command(self, port: int, internal_port: int, redis: str) -> tuple[list[str], dict[str, str]]:
        """As shipped, but for its addresses, a log without news, and no bound on what one session may send."""
        return [self.binary], {
            "MADANG_SERVER__LISTEN": f"127.0.0.1:{port}",
            "MADANG_SERVER__INTERNAL_LISTEN": f"127.0.0.1:{internal_port}",
            "MADANG_REDIS__URL": redis,
            "MADANG_LOG__FILTER": "error",
            "MADANG_LIMITS__SENDS_PER_SECOND": "0",
            "MADANG_LIMITS__REQUESTS_PER_SECOND": "0",
            **self.settings,
        }

    def server(self) -> Server:
        return Server("madang", "madang", "madang", self.command, "order, log, dedupe, presence")


PEER_SERVERS = [
    Server("centrifuge-history", "Centrifuge, history", "centrifuge", _centrifuge(*HISTORY), "log of 1000, recovery"),
    Server("centrifuge", "Centrifuge", "centrifuge", _centrifuge(), "no log"),
    Server("socketio", "Socket.IO", "socketio", _node("socketio/server.mjs"), "no log"),
    Server("plain", "ws + ioredis", "plain", _node("plain/server.mjs"), "no log"),
]
# Whose figures the others' are divided by.
REFERENCE = "centrifuge-history"


class Started(Process):
    """A server that runs, with its address."""

    def __init__(self, server: Server, redis_url: str, name: str = "server", core: str = SERVER_CORE) -> None:
        self.port, self.internal_port = free_port(), free_port()
        command, environment = server.command(self.port, self.internal_port, redis_url)
        super().__init__(name, core, command, environment)
        try:
            self.wait_for_port(self.port)
            if server.protocol == "madang":
                until("a ready node", self._is_ready)
        except BaseException:
            self.kill()
            raise

    def _is_ready(self) -> bool:
        return status_of(f"http://127.0.0.1:{self.internal_port}/readyz") == 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
