"""What Helm says after an installation."""

import re

import pytest

from chart import CHART, NAMESPACE, VALUES, helm, values_arguments


def notes(values: str, *sets: str) -> str:
    arguments = [it for assignment in sets for it in ("--set", assignment)]
    out = helm(
        "install", "madang", str(CHART), "--dry-run=client", "--namespace", NAMESPACE, *values_arguments(values), *arguments
    )
    return out.partition("NOTES:")[2]


@pytest.mark.parametrize("command", [r"helm .*test", r"kubectl .*scale", r"kubectl .*port-forward"])
def test_they_say_what_comes_next(command: str) -> None:
    assert re.search(rf"{command}\b", notes("default"))


def test_they_are_short_and_whole() -> None:
    for values in VALUES:
        text = notes(values)
        assert text.strip() and len(text.splitlines()) < 60, values
        assert "<no value>" not in text and "%!" not in text, values


def test_they_warn_of_a_redis_that_stands_alone() -> None:
    assert "single" in notes("default")


def test_they_name_the_hosts_of_an_ingress() -> None:
    assert "chat.example.com" in notes("default", "ingress.enabled=true", "ingress.hosts[0]=chat.example.com")


def test_they_say_where_a_measurement_is_read() -> None:
    assert "component=bench" in notes("default", "bench.enabled=true")
    assert "component=bench" not in notes("default")


def test_they_show_no_password() -> None:
    assert "super-secret" not in notes("default", "redis.auth.password=super-secret-0123456789")
