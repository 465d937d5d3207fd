"""What pytest is told: the fixtures, and the line with the numbers."""

from collections.abc import Iterator

import pytest

import chart
from redis_process import RedisProcess


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `values` runs once for the default values and once for each file of the chart's `ci/`."""
    if "values" in metafunc.fixturenames:
        metafunc.parametrize("values", chart.VALUES)


@pytest.fixture
def rendered(values: str) -> chart.Rendered:
    """What the chart renders with these values."""
    return chart.render(values)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """The Redis of the default values, as a process of this machine."""
    with RedisProcess(chart.render("default"), tmp_path_factory.mktemp("redis")) as process:
        yield process


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says the numbers in the words of the other runners, for whoever adds them up."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error")}
    terminalreporter.write_line(f"{count['passed']} passed, {count['failed'] + count['error']} failed")
