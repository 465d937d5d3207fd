"""A few sessions that are in very many rooms: what the tail probe of a node is measured with.

Speaks just enough of RFC 6455 and of the protocol: one thread, and frames read only to see the answers. So pings of the
node are answered only then: it should send none meanwhile.
"""

import base64
import json
import os
import socket
from contextlib import ExitStack

from processes import Failed

# Requests under way of one session; the node answers them in bursts.
WINDOW = 200


class Session:
    """One session on a socket that blocks."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._mask = os.urandom(4)
        self._left = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: madang.v1\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, self._left = head.split(b"\r\n\r\n", 1)
        status = head.split(b"\r\n")[0].decode()
        if " 101 " not in status:
            raise Failed(f"the node opens no session: {status}")
        self.send([{"type": "hello", "name": "crowd"}])
        self.wait_for("welcome", 1)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        try:
            received = self._socket.recv(65536)
        except OSError as error:
            raise Failed(f"a session of the crowd broke: {error}") from None
        if not received:
            raise Failed("the node closed a session of the crowd")
        return received

    def send(self, frames: list[dict]) -> None:
        """Sends text frames in one write."""
        self._socket.sendall(b"".join(frame(json.dumps(one).encode(), self._mask) for one in frames))

    def next(self) -> dict:
        """Returns the next text frame; answers pings on the way."""
        while True:
            found = take(self._left)
            if found is None:
                self._left += self._receive()
                continue
            opcode, payload, self._left = found
            if opcode == 9:
                self._socket.sendall(frame(payload, self._mask, 10))
            elif opcode == 8:
                raise Failed(f"the node closed a session of the crowd: {payload[2:].decode(errors='replace')}")
            elif opcode == 1:
                return json.loads(payload)

    def wait_for(self, kind: str, count: int) -> None:
        """Reads until so many frames of a type came.

        Raises Failed at the first refusal.
        """
        while count > 0:
            answer = self.next()
            if answer["type"] == "error":
                raise Failed(f"the node refuses the crowd: {answer['code']}: {answer['message']}")
            count -= answer["type"] == kind


def frame(payload: bytes, mask: bytes, opcode: int = 1) -> bytes:
    """Returns one masked frame."""
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | opcode, 0x80 | length])
    else:
        head = bytes([0x80 | opcode, 0xFE]) + length.to_bytes(2, "big")
    pad = (mask * (length // 4 + 1))[:length]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(length, "big")


def take(received: bytes) -> tuple[int, bytes, bytes] | None:
    """Returns opcode and payload of the first whole frame and what is left behind it, or None if there is none yet."""
    if len(received) < 2:
        return None
    length, begin = received[1] & 0x7F, 2
    if length > 125:
        begin = 4 if length == 126 else 10
        length = int.from_bytes(received[2:begin], "big")
    if len(received) < begin + length:
        return None
    return received[0] & 0x0F, received[begin : begin + length], received[begin + length :]


def fill(stack: ExitStack, port: int, sessions: int, rooms_each: int) -> None:
    """Opens sessions, each in rooms of its own, and says one thing in every room, so that each has a log.

    They stay until the end of `stack`.
    """
    for number in range(sessions):
        session = Session(port)
        stack.callback(session.close)
        for begin in range(0, rooms_each, WINDOW):
            rooms = [f"r{number}-{index}" for index in range(begin, min(begin + WINDOW, rooms_each))]
            session.send([{"type": "join", "id": 1, "room": room} for room in rooms])
            session.wait_for("joined", len(rooms))
            session.send([{"type": "send", "id": 1, "room": room, "text": "hi", "key": f"k-{room}"} for room in rooms])
            session.wait_for("sent", len(rooms))
