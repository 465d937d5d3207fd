"""A redis-server of a run's own, without persistence, on the core beside the server."""

import subprocess

from layout import BUILT, OTHER_CORE
from processes import Failed, Process, free_port, output_of, until


class Redis(Process):
    """Empty at its start, gone with the run: no run sees what another one wrote."""

    def __init__(self) -> None:
        BUILT.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        super().__init__("redis", OTHER_CORE, [*command, "--dir", str(BUILT), "--maxmemory-policy", "noeviction"])
        try:
            self.wait_for_port(self.port)
            until("the first answer of Redis", lambda: self.ask("PING") == "PONG")
        except BaseException:
            self.kill()
            raise

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def ask(self, *words: str, told: str | None = None) -> str:
        """Returns the answer to one command; `told` is its last argument, however long."""
        command = ["redis-cli", "-p", str(self.port), *(["-x"] if told is not None else []), *words]
        answer = output_of(command, input=told, timeout=20).strip()
        if answer.startswith(("ERR", "NOSCRIPT", "WRONGTYPE")):
            raise Failed(f"Redis refuses {words[0]}: {answer}")
        return answer

    def lineage(self) -> str:
        """Returns what madang calls the lineage: the master's replication id."""
        lines = self.ask("INFO", "replication").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("master_replid:"))


def version() -> str:
    words = subprocess.run(["redis-server", "--version"], check=True, capture_output=True, text=True).stdout.split()
    return next(word[2:] for word in words if word.startswith("v="))
