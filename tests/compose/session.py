"""A session with a node, for tests."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from websockets.sync.client import connect

from engine import PATIENCE

Frame = dict[str, Any]


class Session:
    """A user in a room, who keeps what the node said. To be used in a `with`."""

    def __init__(self, port: int, name: str, room: str) -> None:
        self.name = name
        self.room = room
        self.frames: list[Frame] = []
        self._connection = connect(f"ws://localhost:{port}/ws", subprotocols=["madang.v1"], open_timeout=PATIENCE)

    def __enter__(self) -> "Session":
        self._socket = self._connection.__enter__()
        self.say({"type": "hello", "name": self.name})
        self.expect(lambda it: it["type"] == "welcome")
        self.say({"type": "join", "id": 1, "room": self.room})
        self.expect(lambda it: it["type"] == "joined")
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)

    def say(self, frame: Frame) -> None:
        self._socket.send(json.dumps(frame))

    def expect(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Returns the next frame that is wanted."""
        while True:
            frame = json.loads(self._socket.recv(timeout=PATIENCE))
            self.frames.append(frame)
            if wanted(frame):
                return frame

    def send(self, text: str, key: str = "") -> Frame:
        """Sends a message and returns the answer: `sent` or `error`."""
        identity = secrets.token_urlsafe(6)
        self.say({"type": "send", "id": identity, "room": self.room, "text": text, "key": key or secrets.token_urlsafe(12)})
        return self.expect(lambda it: it.get("id") == identity)

    def hear(self, text: str) -> Frame:
        """Returns the next message with this text."""
        return self.expect(lambda it: it["type"] == "message" and it.get("text") == text)

    def history(self) -> list[str]:
        """The texts of the room's newest messages, oldest first."""
        identity = secrets.token_urlsafe(6)
        self.say({"type": "history", "id": identity, "room": self.room})
        return [it["text"] for it in self.expect(lambda it: it.get("id") == identity)["messages"]]
