"""The closed formulas and what they are fed with."""

from dataclasses import replace

import pytest

import figures
from examples import EXAMPLES
from figures import WrongFigures
from rooms import People, nodes_hit
from sizing import REDIS_LOAD, Size, messages_of_one_redis, smallest

F = figures.read()
VALUE = next(line for line in figures.FILE.read_text().splitlines() if line.startswith("value"))
SOME = People(sessions=50_000, rooms_per_session=3, messages_per_minute=0.2, burst=3, largest=500)


def test_a_message_reaches_no_more_nodes_than_there_are_nor_than_members() -> None:
    for nodes in (1, 2, 7, 100):
        assert nodes_hit(nodes, 1) == pytest.approx(1)
        assert nodes_hit(nodes, 10_000) == pytest.approx(nodes)
        for members in range(1, 50):
            assert nodes_hit(nodes, members) <= min(nodes, members) + 1e-9
            assert nodes_hit(nodes, members) < nodes_hit(nodes, members + 1) + 1e-9


def test_people_say_as_much_as_they_are_assumed_to() -> None:
    assert SOME.messages == pytest.approx(50_000 * 0.2 / 60)
    assert SOME.over_rooms(lambda size: size) == pytest.approx(50_000 * 3)
    assert sum(SOME.sizes.values()) == pytest.approx(1)
    assert SOME.share_of_memberships(2, 500) == pytest.approx(1)
    assert SOME.rate(1_000) == pytest.approx(10 * SOME.rate(10))


def test_message_and_delivery_give_the_two_cells_that_they_come_from() -> None:
    assert F.message_on_node / 10 + F.delivery == pytest.approx(F.delivery_small)
    assert F.message_on_node / 1_000 + F.delivery == pytest.approx(F.delivery_big)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda it: it.name)
def test_a_fleet_is_enough_with_one_node_lost_and_hardly_more(example) -> None:
    size = example.size(F)
    assert size.is_enough
    smaller = max(1, size.nodes - 1 - size.nodes // 50)
    assert not Size(F, example.people, example.pods, smaller).is_enough


def test_more_people_need_no_less_of_anything() -> None:
    sizes = [example.size(F) for example in EXAMPLES]
    for fewer, more in zip(sizes, sizes[1:]):
        assert fewer.nodes <= more.nodes and fewer.masters <= more.masters
        assert fewer.node_cores < more.node_cores and sum(fewer.redis_cores.values()) < sum(more.redis_cores.values())


def test_people_who_say_more_need_more_nodes() -> None:
    pods = EXAMPLES[0].pods
    loud = replace(SOME, messages_per_minute=20)
    size = smallest(F, loud, pods)
    assert size.nodes > smallest(F, SOME, pods).nodes, "its sessions alone would need fewer"
    assert size.node_cores <= (size.nodes - 1) * pods.cores * 0.6


def test_masters_carry_what_there_is_by_cpu_and_by_memory() -> None:
    for example in EXAMPLES:
        size = example.size(F)
        assert sum(size.redis_cores.values()) <= size.masters * REDIS_LOAD
        assert size.masters == 1 or size.masters >= 3


def test_what_one_redis_carries_fills_what_is_planned_for_it() -> None:
    for hit in (1, 8, 100):
        messages = messages_of_one_redis(F, hit)
        assert messages * (F.redis_message + hit * F.redis_push) / 1e6 == pytest.approx(REDIS_LOAD)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("[redis_push]", "[redis_pusch]", "lacks redis_push"),
        ('unit = "KiB"', 'unit = "MiB"', "it must be in KiB"),
        (VALUE, "value = 0", "it must be a number above 0"),
        (VALUE, 'value = "24"', "it must be a number above 0"),
        ("measured = true", "", "it must have value, unit, what, measured, source"),
        ("[frame]", "[more]\nvalue = 1\n[frame]", "has more, which nothing is computed from"),
    ],
)
def test_figures_that_cannot_be_are_refused(before: str, after: str, sentence: str) -> None:
    text = figures.FILE.read_text()
    assert before in text
    with pytest.raises(WrongFigures, match=sentence):
        figures.parse(text.replace(before, after, 1))
