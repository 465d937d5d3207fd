"""What Redis is measured for is what the figures say."""

import pytest

import figures
import redis_costs


def test_the_memory_of_redis_is_that_of_the_figures() -> None:
    # Bytes do not depend on the machine; versions of Redis differ by a little.
    f = figures.read()
    with redis_costs.server() as path:
        found = redis_costs.memory(redis_costs.Redis(path))
    for name, value in found.items():
        assert value == pytest.approx(getattr(f, name), rel=0.2), name


def test_what_is_measured_has_a_place_in_the_figures() -> None:
    with redis_costs.server() as path:
        found = redis_costs.cpu(redis_costs.Redis(path), path)
    assert {name.split(",")[0] for name in found} == {"redis_message", "redis_push", "redis_probe"} <= figures.UNITS.keys()
