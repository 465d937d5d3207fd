"""The page says what is computed, and its values are those of the chart."""

import importlib.util
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
import yaml

import figures
import plots
import tables
import values
from examples import EXAMPLES
from plot import Line, Plot
from sizing import GIB

ROOT = Path(__file__).parents[2]
F = figures.read()

spec = importlib.util.spec_from_file_location("page", Path(__file__).with_name("__main__.py"))
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)


def test_the_committed_page_and_plots_are_what_is_computed() -> None:
    stale = [path.name for path, content in page.files(F).items() if path.read_text() != content]
    assert not stale, "run make capacity"


def test_parts_go_between_their_marks_and_nowhere_else() -> None:
    text = "a\n<!-- one -->\nold\n<!-- /one -->\nb\n<!-- two -->\n<!-- /two -->\nc\n"
    filled = page.fill(text, {"one": "1\n", "two": "2\n"})
    assert filled == "a\n<!-- one -->\n1\n<!-- /one -->\nb\n<!-- two -->\n2\n<!-- /two -->\nc\n"
    assert page.fill(filled, {"one": "1\n", "two": "2\n"}) == filled


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<!-- one -->\n<!-- /one -->\n", "look at two"),
        ("<!-- one -->\n<!-- /one -->\n<!-- two -->\n<!-- /two -->\n<!-- three -->\n<!-- /three -->\n", "look at three"),
        ("<!-- one -->\n<!-- /one -->\n<!-- two -->\n", "put <!-- /two --> behind it"),
    ],
)
def test_a_page_without_its_marks_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(page.WrongPage, match=sentence):
        page.fill(text, {"one": "", "two": ""})


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda it: it.name)
def test_the_values_are_values_of_the_chart(example) -> None:
    def known(made: dict, chart: dict) -> None:
        for key, value in made.items():
            assert key in chart, key
            if isinstance(value, dict) and isinstance(chart[key], dict):
                known(value, chart[key])

    made = yaml.safe_load(values.values(example, example.size(F)))
    assert made.pop("settings") == {"history": {"entries": example.pods.history_entries}}
    known(made, yaml.safe_load((ROOT / "helm/madang/values.yaml").read_text()))


def test_the_redis_of_the_chart_has_the_memory_that_the_page_says() -> None:
    chart = yaml.safe_load((ROOT / "helm/madang/values.yaml").read_text())["redis"]
    assert not chart["config"]["maxmemory"], "half of the limit"
    assert chart["resources"]["limits"]["memory"] == f"{2 * tables.CHART_DATA // 1024**2}Mi"


def test_sizes_are_rounded_up() -> None:
    assert values.quantity(1) == "128Mi"
    assert values.quantity(129 * 1024**2) == "256Mi"
    assert values.quantity(GIB) == "1024Mi"
    assert values.quantity(GIB + 1) == "2Gi"


def test_plots_are_svg_and_keep_within_their_frame() -> None:
    for svg in (plots.fan_out(7), plots.redis(F)):
        root = xml.fromstring(svg)
        lines = [it for it in root if it.tag.endswith("polyline")]
        points = [tuple(map(float, it.split(","))) for line in lines for it in line.attrib["points"].split()]
        assert len(lines) >= 3
        assert all(0 <= x <= 720 and 0 <= y <= 400 for x, y in points)


def test_an_axis_goes_from_its_first_mark_to_its_last() -> None:
    plot = Plot("", "", "", [1, 10, 100], [1, 100], [Line("a", [(1, 1), (100, 100)])])
    assert plot.x(10) == pytest.approx((plot.x(1) + plot.x(100)) / 2)
    assert plot.y(100) < plot.y(1), "up is more"
