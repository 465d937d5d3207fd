"""The dice: what goes in comes out, and agrees with the closed formulas."""

from collections import Counter

import pytest

import figures
import simulate
from rooms import People, nodes_hit
from sizing import Pods, Size

F = figures.read()
PEOPLE = People(sessions=30_000, rooms_per_session=3, messages_per_minute=0.5, burst=2, largest=300)
SIZE = Size(F, PEOPLE, Pods(cores=1, most_sessions=5_000, history_entries=100), nodes=12)
OUTCOME = simulate.run(SIZE, seed=3)


def test_dice_agree_with_the_formula_for_one_room() -> None:
    for nodes, members in ((3, 2), (12, 10), (50, 100)):
        drawn = simulate.nodes_of_rooms(nodes, members, 2_000, seed=3)
        assert sum(drawn) / len(drawn) == pytest.approx(nodes_hit(nodes, members), rel=0.02)
        assert drawn[0] >= 1 and drawn[-1] <= min(nodes, members)


def test_dice_agree_with_the_formulas_for_all_rooms() -> None:
    assert OUTCOME.messages == pytest.approx(SIZE.messages, rel=0.05)
    assert OUTCOME.pushes / OUTCOME.messages == pytest.approx(SIZE.pushes / SIZE.messages, rel=0.05)
    assert sum(simulate.node_cores(SIZE, OUTCOME.whole)) == pytest.approx(SIZE.node_cores, rel=0.05)
    mean = sum(OUTCOME.whole.rooms) / SIZE.nodes
    assert mean == pytest.approx(SIZE.rooms_on_node, rel=0.05)


def test_every_push_goes_from_one_master_to_one_node() -> None:
    assert sum(OUTCOME.master_pushes) == pytest.approx(OUTCOME.pushes)
    assert sum(OUTCOME.whole.pushes) == pytest.approx(OUTCOME.pushes)
    assert sum(OUTCOME.master_messages) == pytest.approx(OUTCOME.messages)
    assert sum(OUTCOME.master_rooms) == OUTCOME.drawn


def test_a_lost_node_leaves_its_members_to_the_others() -> None:
    assert OUTCOME.without.deliveries[0] == 0 and OUTCOME.without.rooms[0] == 0
    assert sum(OUTCOME.without.deliveries) == pytest.approx(sum(OUTCOME.whole.deliveries))
    assert max(OUTCOME.without.deliveries) > max(OUTCOME.whole.deliveries)
    # Each of them came somewhere, to a node that had the room or to one that had not.
    memberships = PEOPLE.sessions * PEOPLE.rooms_per_session / SIZE.nodes
    assert OUTCOME.warm + OUTCOME.cold == pytest.approx(memberships, rel=0.05)


def test_who_follows_another_one_to_a_node_finds_the_room_there() -> None:
    outcome = simulate.Outcome(1)
    left = simulate.lose(Counter({0: 50}), 2, simulate.random.Random(3), outcome)
    assert left == {1: 50}
    assert (outcome.cold, outcome.warm) == (1, 49)


def test_one_seed_gives_one_result() -> None:
    assert simulate.run(SIZE, seed=3) == OUTCOME
    assert simulate.run(SIZE, seed=4) != OUTCOME


def test_of_a_large_fleet_a_part_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "MOST_MEMBERSHIPS", 30_000)
    outcome = simulate.run(SIZE, seed=3)
    assert outcome.sampled == 3 and outcome.drawn == round(PEOPLE.rooms / 3)
    assert outcome.messages == pytest.approx(SIZE.messages, rel=0.05)


def test_percentiles_are_values_that_occurred() -> None:
    assert simulate.percentile([1, 2, 3, 4], 0.5) == 3
    assert simulate.percentile([1, 2, 3, 4], 0.99) == 4
    assert simulate.percentile([7], 0.99) == 7
