"""Tests of the order of runs and of their repeats."""

import unittest

from rounds import attempts, order, plan
from stage import cut_short


def outcome(*reasons, wrong=()):
    return {"void": list(reasons), "wrong": list(wrong)}


class Rounds(unittest.TestCase):
    def test_every_other_round_goes_backwards(self):
        self.assertEqual(
            [order(["a", "b", "c"], number) for number in range(3)], [["a", "b", "c"], ["c", "b", "a"], ["a", "b", "c"]]
        )

    def test_a_plan_has_every_server_in_every_round_and_no_more_rounds_than_a_cell_needs(self):
        runs = list(plan([("idle", 1), ("rooms", 9)], ["a", "b"], 2))
        self.assertEqual(
            runs,
            [
                (0, "idle", "a"),
                (0, "idle", "b"),
                (0, "rooms", "a"),
                (0, "rooms", "b"),
                (1, "rooms", "b"),
                (1, "rooms", "a"),
            ],
        )

    def test_a_phase_that_was_not_accounted_for_is_void(self):
        def result(received, per_second):
            return {"plan": {"seconds": 10.0}, "deliveries": {"received": received, "per_second": per_second}}

        self.assertEqual(cut_short(result(1000, 100.5)), [])
        self.assertEqual(cut_short(result(1000, 500_000)), ["the generator accounted for 0.0 of 10.0 s"])
        self.assertEqual(cut_short({"plan": {"seconds": 2.0}}), [], "an idle cell delivers nothing")

    def test_what_is_valid_is_not_repeated(self):
        self.assertEqual(attempts(lambda attempt: outcome()), [outcome()])

    def test_a_void_run_is_repeated_once(self):
        tried = []
        found = attempts(lambda attempt: tried.append(attempt) or outcome("noise"))
        self.assertEqual((len(found), tried), (2, [0, 1]))

    def test_a_wrong_run_is_repeated_and_kept(self):
        found = attempts(lambda attempt: outcome(wrong=["3 deliveries are lost"]) if attempt == 0 else outcome())
        self.assertEqual([each["wrong"] for each in found], [["3 deliveries are lost"], []])


if __name__ == "__main__":
    unittest.main()
