"""A pod has the time that it needs to leave, and is asked the right questions until then."""

import re

from chart import Rendered, render

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
# Beyond delay and window: time to write what is under way.
MARGIN = 10


def seconds(text: str) -> float:
    assert re.fullmatch(r"(\d+ ?(ms|s|m|h|d) ?)+", text), text
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) ?(ms|s|m|h|d)", text))


def drain(rendered: Rendered) -> float:
    variables = rendered.variables(rendered.chat_container)
    delay = variables.get("MADANG_DRAIN__DELAY", "5s")
    window = variables.get("MADANG_DRAIN__WINDOW", "20s")
    return seconds(delay) + seconds(window)


def test_the_grace_is_longer_than_the_drain(rendered: Rendered) -> None:
    assert rendered.chat.spec["terminationGracePeriodSeconds"] >= drain(rendered) + MARGIN


def test_the_default_grace_follows_the_drain() -> None:
    assert render().chat.spec["terminationGracePeriodSeconds"] == drain(render()) + MARGIN


def test_no_hook_keeps_the_signal_away(rendered: Rendered) -> None:
    for container in rendered.chat.containers:
        assert "preStop" not in container.spec.get("lifecycle", {})


def test_redis_has_time_to_write(rendered: Rendered) -> None:
    for pod in rendered.pods:
        if pod.owner["kind"] == "StatefulSet":
            assert pod.spec["terminationGracePeriodSeconds"] >= 30


def test_only_readiness_depends_on_anything_outside(rendered: Rendered) -> None:
    spec = rendered.chat_container.spec
    paths = {it: spec[it]["httpGet"]["path"] for it in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert {spec[it]["httpGet"]["port"] for it in paths} == {"internal"}


def test_unreadiness_shows_before_the_delay_is_over(rendered: Rendered) -> None:
    probe = rendered.chat_container.spec["readinessProbe"]
    variables = rendered.variables(rendered.chat_container)
    delay = seconds(variables.get("MADANG_DRAIN__DELAY", "5s"))
    assert probe.get("periodSeconds", 10) <= delay or delay == 0
