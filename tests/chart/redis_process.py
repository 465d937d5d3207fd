"""Runs the Redis that the chart renders, with the redis-server of this machine."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64decode
from pathlib import Path
from types import TracebackType
from typing import Any

from chart import Object, Rendered


class Denied(Exception):
    """Redis answered with an error; the text is its answer."""


class Wire:
    """One connection that sends commands and reads answers (RESP2)."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._file = self._socket.makefile("rb")

    def call(self, *words: str) -> Any:
        """Sends a command and returns the answer. Raises `Denied` on an error."""
        parts = [word.encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it) for it in parts))
        return self._read()

    def _read(self) -> Any:
        line = self._file.readline()
        if not line:
            raise ConnectionError("Redis hung up")
        kind, rest = line[:1], line[1:-2].decode()
        match kind:
            case b"+":
                return rest
            case b"-":
                raise Denied(rest)
            case b":":
                return int(rest)
            case b"$":
                return None if rest == "-1" else self._file.read(int(rest) + 2)[:-2].decode()
            case b"*":
                return [self._read_item() for _ in range(int(rest))]
        raise ValueError(line)

    def _read_item(self) -> Any:
        try:
            return self._read()
        except Denied as error:
            return str(error)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisProcess:
    """The containers of Redis as processes, but for the exporter.

    What they mount lies below one directory. Paths and the port are replaced in their commands, their environment and what
    is mounted, and nothing else. What they call finds the port by itself, and does not sleep for long.
    """

    def __init__(self, rendered: Rendered, directory: Path) -> None:
        self.rendered = rendered
        self.directory = directory
        self.port = free_port()
        assert rendered.redis, "the values bring no Redis"
        self.pod = rendered.redis["spec"]["template"]["spec"]
        self.container: Object = self.pod["containers"][0]
        self._process: subprocess.Popen[str] | None = None
        self._places: dict[str, Path] = {}
        self._lay_out()
        self._write_stand_ins()

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def place(self, path: str) -> Path:
        """Where a path of the container lies on this machine."""
        return Path(self._adapt(path))

    def write_secret(self, key: str, value: str | None) -> None:
        """Changes a key of every mounted Secret, as the kubelet does after the Secret has changed."""
        for mount in self._secret_mounts():
            file = self._places[mount["mountPath"]] / key
            if value is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(value)

    def start(self) -> None:
        """Starts it and waits until it serves."""
        for container in self.pod.get("initContainers", []):
            if container.get("restartPolicy") != "Always":
                done = self.run(container["command"], container)
                assert done.returncode == 0, done.stderr
        words = [self._adapt(it) for it in self.container["command"]]
        with (self.directory / "log").open("a") as log:
            self._process = subprocess.Popen(
                words,
                env=self._environment(self.container),
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"{words} ended:\n{self.log}")
            if self._serves():
                return
            time.sleep(0.02)
        raise AssertionError(f"{words} does not serve:\n{self.log}")

    def _serves(self) -> bool:
        """Returns true if and only if it wants a password, which it does once it has read its data."""
        try:
            with Wire(self.port) as wire:
                wire.call("PING")
        except OSError:
            return False
        except Denied as error:
            return str(error).startswith("NOAUTH")
        return True

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=10)
            # As when a container ends, what its first process has started ends too.
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process = None

    def wire(self, user: str | None = None, password: str = "") -> Wire:
        """Opens a connection, as a user if one is given."""
        wire = Wire(self.port)
        if user is not None:
            wire.call("AUTH", user, password)
        return wire

    def secret(self, key: str) -> str:
        """Returns what a mounted Secret holds under a key."""
        (file,) = {it for mount in self._secret_mounts() if (it := self._places[mount["mountPath"]] / key).exists()}
        return file.read_text()

    def written(self) -> list[Path]:
        """Returns the files that it has written into its volumes in memory or on disk."""
        kinds = {"emptyDir", "persistentVolumeClaim"}
        mounts = [it for it in self.container["volumeMounts"] if kinds & self._volume(it["name"]).keys()]
        return [it for mount in mounts for it in self._places[mount["mountPath"]].rglob("*") if it.is_file()]

    def exporter_password(self) -> str:
        """Returns the password in the file that the exporter reads."""
        exporter = next(it for it in self.pod["initContainers"] if it["name"] == "exporter")
        environment = self._environment(exporter)
        address = environment["REDIS_ADDR"].replace("://", f"://{environment['REDIS_USER']}@")
        return json.loads(Path(environment["REDIS_PASSWORD_FILE"]).read_text())[address]

    def run(self, words: list[str], container: Object | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as in a container, which is the main one if none is given."""
        adapted = [self._adapt(it) for it in words]
        environment = self._environment(container or self.container) | variables
        return subprocess.run(adapted, env=environment, capture_output=True, text=True, timeout=20)

    def __enter__(self) -> "RedisProcess":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def _secret_mounts(self) -> list[Object]:
        mounts = self.container["volumeMounts"]
        return [it for it in mounts if {"secret", "projected"} & self._volume(it["name"]).keys()]

    def _volume(self, name: str) -> Object:
        claims = self.rendered.redis["spec"].get("volumeClaimTemplates", [])
        if any(it["metadata"]["name"] == name for it in claims):
            return {"persistentVolumeClaim": {}}
        return next(it for it in self.pod["volumes"] if it["name"] == name)

    def _lay_out(self) -> None:
        for mount in self.container["volumeMounts"]:
            self._places[mount["mountPath"]] = self.directory / "root" / mount["mountPath"].strip("/")
        for mount in self.container["volumeMounts"]:
            place = self._places[mount["mountPath"]]
            files = self._files(self._volume(mount["name"]))
            if "subPath" in mount:
                place.parent.mkdir(parents=True, exist_ok=True)
                if mount["subPath"] in files:
                    place.write_text(self._adapt(files[mount["subPath"]]))
                else:
                    place.mkdir(exist_ok=True)
                continue
            place.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (place / name).write_text(self._adapt(text))

    def _write_stand_ins(self) -> None:
        """Puts programs in front of those of the machine: a client that knows the port, and a short sleep."""
        self._programs = self.directory / "programs"
        self._programs.mkdir(exist_ok=True)
        client, sleep = shutil.which("redis-cli"), shutil.which("sleep")
        for name, command in {"redis-cli": f'{client} -p {self.port} "$@"', "sleep": f"{sleep} 0.1"}.items():
            program = self._programs / name
            program.write_text(f"#!/bin/sh\nexec {command}\n")
            program.chmod(0o755)

    def _files(self, volume: Object) -> dict[str, str]:
        if "configMap" in volume:
            config = self.rendered.named("ConfigMap", volume["configMap"]["name"])
            assert config, volume
            return self._chosen(config["data"], volume["configMap"])
        if "secret" in volume:
            secret = self.rendered.named("Secret", volume["secret"]["secretName"])
            assert secret, volume
            data = {key: b64decode(it).decode() for key, it in (secret.get("data") or {}).items()}
            return self._chosen(data | (secret.get("stringData") or {}), volume["secret"])
        if "projected" in volume:
            files: dict[str, str] = {}
            for source in volume["projected"]["sources"]:
                if "secret" in source:
                    files |= self._files({"secret": {**source["secret"], "secretName": source["secret"]["name"]}})
                elif "configMap" in source:
                    files |= self._files(source)
            return files
        return {}

    @staticmethod
    def _chosen(data: dict[str, str], source: Object) -> dict[str, str]:
        if "items" not in source:
            return dict(data)
        return {it["path"]: data[it["key"]] for it in source["items"] if it["key"] in data}

    def _environment(self, container: Object) -> dict[str, str]:
        environment = {"PATH": f"{self._programs}:{os.environ['PATH']}", "HOME": str(self.directory)}
        for it in container.get("env", []):
            if "value" in it:
                environment[it["name"]] = self._adapt(it["value"])
        return environment

    def _adapt(self, text: str) -> str:
        for path in sorted(self._places, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])", str(self._places[path]), text)
        return re.sub(r"(?<!\d)6379(?!\d)", str(self.port), text)
