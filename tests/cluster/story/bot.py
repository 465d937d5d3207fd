"""A bot that writes and reads by the HTTP API, for what must outlive a Redis."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from kube import ENVIRONMENT, Failed, apply
from layout import ROOT, TARGET


class Bot:
    """Somebody with a key for all rooms."""

    def __init__(self) -> None:
        made = subprocess.run(
            [TARGET / "debug" / "madang", "key", "story", "--right", "read", "--right", "publish", "--room", "*"],
            cwd=ROOT,
            env=ENVIRONMENT,
            text=True,
            capture_output=True,
            check=True,
        )
        self.file = made.stdout
        self.key = made.stderr.strip()

    def offer(self, namespace: str, name: str) -> None:
        """Puts the file of keys into a Secret."""
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": {"keys.toml": self.file}}
        apply(secret)

    def say(self, url: str, room: str, text: str) -> dict:
        return self._ask(f"{url}/api/v1/rooms/{urllib.parse.quote(room)}/messages", {"text": text})

    def read(self, url: str, room: str) -> list[str]:
        """Returns the texts of a room, up to 200."""
        answer = self._ask(f"{url}/api/v1/rooms/{urllib.parse.quote(room)}/messages?limit=200")
        return [message["text"] for message in answer["messages"]]

    def _ask(self, url: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"authorization": f"Bearer {self.key}", "content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"{error.code}: {error.read().decode()}") from error
