"""What the chapters share."""

from dataclasses import dataclass, field

from bot import Bot
from kube import Namespace, eventually
from talk import Talk
from telling import Readme, Telling

# The image as if it came from a registry.
IMAGE = ("--set", "image.registry=registry.example.com")
SECRET = "jsonpath={.data.redis-password}"


@dataclass
class Story:
    """What the chapters share."""

    space: Namespace
    talk: Talk
    telling: Telling
    readme: Readme
    bot: Bot = field(default_factory=Bot)
    replicas: int = 2

    def settle(self, seconds: float = 240) -> None:
        eventually(f"{self.replicas} pods of the newest version, and no others", lambda: self.space.settled(self.replicas), seconds)

    def redis(self) -> dict:
        """The pod of Redis."""
        return self.space.get("pod", "madang-redis-0")

    def untouched(self) -> tuple[str, str]:
        """What an upgrade of the chat must leave alone: the pod of Redis, and its password."""
        return self.redis()["metadata"]["uid"], self.space.kubectl("get", "secret", "madang-redis", "-o", SECRET)
