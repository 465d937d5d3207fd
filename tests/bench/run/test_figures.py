"""Tests of the arithmetic over rounds."""

import unittest

from figures import CPU_PER_DELIVERY, at, over_rounds, ratios, ratios_to_best, spread, void_rounds


def run(server, number, cpu, void=(), wrong=(), attempt=0, **result):
    processes = {"server": {"us_per_delivery": cpu}, "redis": {"us_per_delivery": 99.0}}
    return {
        "cell": "rooms",
        "server": server,
        "round": number,
        "attempt": attempt,
        "void": list(void),
        "wrong": list(wrong),
        "result": {"processes": processes, **result},
    }


class Figures(unittest.TestCase):
    def test_a_ratio_is_taken_within_a_round(self):
        # The machine gets three times slower in the second round: the ratios do not see it.
        runs = [run("a", 0, 10), run("b", 0, 20), run("a", 1, 33), run("b", 1, 60), run("a", 2, 12), run("b", 2, 20)]
        found = ratios(runs, "rooms", "a", "b", CPU_PER_DELIVERY)
        self.assertEqual([round(value, 3) for value in found.values], [0.5, 0.55, 0.6])
        self.assertEqual((round(found.middle, 3), round(found.least, 3), round(found.most, 3)), (0.55, 0.5, 0.6))

    def test_void_and_wrong_rounds_do_not_count(self):
        runs = [
            run("a", 0, 10),
            run("b", 0, 20, void=["late"]),
            run("a", 1, 10, wrong=["lost"]),
            run("b", 1, 20),
            run("a", 2, 8),
            run("b", 2, 20),
        ]
        self.assertEqual(ratios(runs, "rooms", "a", "b", CPU_PER_DELIVERY).values, (0.4,))
        self.assertEqual(over_rounds(runs, "rooms", "a", CPU_PER_DELIVERY).values, (10, 8))

    def test_a_repeated_run_takes_the_place_of_the_void_one(self):
        runs = [run("a", 0, 99, void=["noise"]), run("a", 0, 10, attempt=1), run("b", 0, 20)]
        self.assertEqual(ratios(runs, "rooms", "a", "b", CPU_PER_DELIVERY).values, (0.5,))
        self.assertEqual(void_rounds(runs, "rooms", "a"), [])

    def test_a_round_that_stays_void_is_told_once_with_its_last_reason(self):
        runs = [run("a", 0, 1, void=["first"]), run("a", 0, 1, void=["second"], attempt=1), run("a", 1, 1)]
        self.assertEqual([each["void"] for each in void_rounds(runs, "rooms", "a")], [["second"]])

    def test_nothing_is_made_of_nothing(self):
        self.assertIsNone(spread([None, None]))
        self.assertIsNone(ratios([run("a", 0, 1)], "rooms", "a", "b", CPU_PER_DELIVERY))
        self.assertIsNone(ratios([run("a", 0, 1), run("b", 0, 0)], "rooms", "a", "b", CPU_PER_DELIVERY))
        self.assertIsNone(at("latency_ms", "p50")(run("a", 0, 1)))

    def test_the_best_peer_is_that_of_the_round(self):
        p50 = at("latency_ms", "p50")
        runs = [
            run(server, number, 1, latency_ms={"p50": value})
            for server, values in {"a": [2, 2], "b": [1, 8], "c": [4, 4]}.items()
            for number, value in enumerate(values)
        ]
        self.assertEqual(ratios_to_best(runs, "rooms", "a", ["b", "c"], p50).values, (2, 0.5))

    def test_a_round_without_one_of_the_peers_has_no_best_one(self):
        p50 = at("latency_ms", "p50")
        runs = [
            run("a", 0, 1, latency_ms={"p50": 1}),
            run("b", 0, 1, latency_ms={"p50": 2}),
            run("c", 0, 1, void=["late"]),
        ]
        self.assertIsNone(ratios_to_best(runs, "rooms", "a", ["b", "c"], p50))
        self.assertEqual(ratios_to_best(runs, "rooms", "a", ["b"], p50).values, (0.5,))

    def test_nodes_add_up_and_redis_is_none(self):
        two = run("a", 0, 0)
        two["result"]["processes"] = {
            "server-1": {"us_per_delivery": 3},
            "server-2": {"us_per_delivery": 4},
            "redis": {"us_per_delivery": 9},
        }
        self.assertEqual(CPU_PER_DELIVERY(two), 7)
        two["result"]["processes"]["server-2"] = {}
        self.assertIsNone(CPU_PER_DELIVERY(two), "half of the nodes is not the whole")


if __name__ == "__main__":
    unittest.main()
