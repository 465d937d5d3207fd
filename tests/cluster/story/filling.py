"""A volume of Redis that runs full."""

import machine_of
from kube import Failed, Forward, Namespace, apply, eventually, is_ready, run
from layout import NODES
from stage import IMAGE, Story


def _fill(story: Story, mode: str) -> None:
    other = Namespace(f"chat-{mode}")
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.name}})
    story.bot.offer(other.name, "madang-keys")
    values = ("redis.persistence.storageClass=small", f"redis.config.appendfsync={mode}", "api.existingSecret=madang-keys")
    other.helm("install", "madang", "helm/madang", *IMAGE, *(word for value in values for word in ("--set", value)))
    eventually("the release is ready", lambda: other.settled(2) and is_ready(other.get("pod", "madang-redis-0")))
    volume = other.get("pvc", "madang-redis")["spec"]["volumeName"]
    accepted: list[str] = []

    def say() -> None:
        text = f"message {len(accepted)} {'x' * 500}"
        story.bot.say(url, "ops", text)
        accepted.append(text)

    def restarts() -> int:
        return other.restarts("redis")

    def log() -> str:
        arguments = ("logs", "madang-redis-0", "-c", "redis")
        return other.kubectl(*arguments) + (other.kubectl(*arguments, "--previous") if restarts() else "")

    with Forward(other.name) as url:
        for _ in range(10):
            say()
        machine_of.fill_volume(NODES[0].name, volume)
        said = ""
        for _ in range(200):
            try:
                say()
            except Failed as failed:
                said = str(failed)
                break
        if "retry_after_ms" not in said:
            raise Failed(f"with a full volume a send was not refused retryably: {said or 'all were accepted'}")
        eventually("Redis says what to do", lambda: "set redis.persistence.size" in log(), 90)
        if mode == "everysec" and restarts():
            raise Failed("Redis was restarted")
        if mode == "always":
            eventually("Redis has stopped", restarts, 60)
        if other.restarts():
            raise Failed("pods of the chat were restarted")
        machine_of.free_volume(NODES[0].name, volume)
        eventually("sends are accepted again", lambda: say() or True, 180)
        found = story.bot.read(url, "ops")
        if [text for text in found if text in set(accepted)] != accepted:
            raise Failed(f"{len(accepted)} messages were accepted, and these were read: {[text[:12] for text in found]}")
    other.helm("uninstall", "madang")
    run("kubectl", "delete", "namespace", other.name)


def fill_a_volume_everysec(story: Story) -> None:
    with story.telling.step("full volume, everysec: refused, whole when freed"):
        _fill(story, "everysec")


def fill_a_volume_always(story: Story) -> None:
    with story.telling.step("full volume, always: stops, whole when freed"):
        _fill(story, "always")


# What needs volumes that can be filled.
ON_OUR_MACHINE = (fill_a_volume_everysec, fill_a_volume_always)
