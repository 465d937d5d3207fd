"""Tests of what readers are shown."""

import re
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

import own_report
import peers_report
import report
import script
from cells import OWN_CELLS, PEER_CELLS
from crowd import frame, take
from figures import Spread
from layout import DOCUMENT
from plots import Bar, bars, brief, curves
from processes import Failed
from tables import exceptions, with_range

QUANTILES = {"p50": 1.0, "p90": 2.0, "p99": 4.0, "p999": 8.0}


def run_of(cell, server, number, cpu, **more):
    result = {
        "processes": {
            "server": {"us_per_delivery": cpu, "kernel_us_per_delivery": cpu / 2, "percent_of_core": 20},
            "redis": {"us_per_message": 30, "percent_of_core": 9},
        },
        "latency_ms": QUANTILES,
        "memory": {"server": {"idle_per_session_kib": cpu}},
        "generator": {"percent_of_core": 40},
    }
    return {
        "cell": cell,
        "server": server,
        "round": number,
        "attempt": 0,
        "void": [],
        "wrong": [],
        "result": result,
        **more,
    }


def whole(kind, cells, servers, **more):
    runs = [
        run_of(cell.name, server, number, cpu)
        for cell in cells
        for server, cpu in servers.items()
        for number in range(2)
    ]
    machine = {
        "date": "2026-01-01",
        "cores": 2,
        "cpu": "a CPU",
        "memory_gib": 4,
        "system": "a system",
        "kernel": "6.1",
        "files": 20000,
        "somaxconn": 4096,
    }
    return {
        "kind": kind,
        "command": "make bench",
        "rounds": 2,
        "seconds": 10,
        "machine": machine,
        "versions": {"madang": "1"},
        "servers": [{"name": name, "title": f"title of {name}"} for name in servers],
        "runs": runs,
        "floors": [{"send_us": 7.0, "send_16_us": 8.0}],
        **more,
    }


class Reports(unittest.TestCase):
    def test_the_ratio_of_a_round_stands_beside_the_microseconds(self):
        run = whole("peers", PEER_CELLS, {"madang": 8.0, "centrifuge-history": 32.0})
        text = "\n".join(peers_report.markdown(run))
        self.assertIn("| title of madang | 0.25; 8 µs |", text)
        self.assertIn("| title of madang | 0.125; 4 µs |", text)
        self.assertIn("| title of centrifuge-history | 0.5; 16 µs |", text)
        self.assertIn("rooms 0.25 (aim 0.33)", peers_report.summary(run))

    def test_void_rounds_are_told_with_their_reason_and_make_no_figure(self):
        run = whole("peers", PEER_CELLS, {"madang": 8.0, "centrifuge-history": 32.0})
        for each in run["runs"]:
            if each["server"] == "madang" and each["cell"] == "dense":
                each["void"] = ["the generator took 91 % of its core (85 at most)"]
        text = "\n".join(peers_report.markdown(run))
        self.assertIn("* `dense`, title of madang, round 2 is void: the generator took 91 %", text)
        self.assertNotIn("dense", peers_report.summary(run))

    def test_a_server_that_fills_its_core_is_marked(self):
        run = whole("peers", PEER_CELLS, {"madang": 8.0, "centrifuge-history": 32.0})
        for each in run["runs"]:
            if each["server"] == "centrifuge-history":
                each["result"]["processes"]["server"]["percent_of_core"] = 99
        text = "\n".join(peers_report.markdown(run))
        self.assertIn("| 1; ≥ 32 µs |", text)
        self.assertNotIn("≥ 8", text)

    def test_what_was_wrong_is_told_even_if_its_repeat_was_right(self):
        first, second = (
            run_of("rooms", "madang", 0, 1, wrong=["3 deliveries are lost"]),
            run_of("rooms", "madang", 0, 1, attempt=1),
        )
        self.assertEqual(
            exceptions([first, second], {"madang": "madang"}), ["* `rooms`, madang, round 1: 3 deliveries are lost."]
        )

    def test_madang_alone_is_told_in_every_cell(self):
        text = "\n".join(own_report.markdown(whole("own", OWN_CELLS, {"madang": 8.0})))
        for cell in OWN_CELLS:
            self.assertIn("8,000 sessions" if cell.name == "idle" else cell.title, text)

    def test_a_part_shows_no_picture_that_it_does_not_have(self):
        run = whole("peers", [cell for cell in PEER_CELLS if cell.name == "dense"], {"madang": 8.0})
        text = "\n".join(peers_report.markdown(run))
        self.assertEqual(set(re.findall(r"images/(\S+\.svg)", text)), set(peers_report.pictures(run)))
        self.assertNotIn("performance-memory.svg", text)

    def test_a_block_replaces_the_one_of_its_kind_and_no_other(self):
        with tempfile.TemporaryDirectory() as scratch:
            document = Path(scratch) / "performance.md"
            document.write_text("top\n<!-- peers -->\nold\n<!-- /peers -->\n<!-- own -->\nkept\n<!-- /own -->\nend\n")
            run = whole("peers", PEER_CELLS, {"madang": 8.0, "centrifuge-history": 32.0})
            for _ in range(2):
                report.write(run, document, Path(scratch))
            text = document.read_text()
        self.assertNotIn("old", text)
        self.assertTrue(
            text.startswith("top\n<!-- peers -->\nMeasured on")
            and text.endswith("<!-- own -->\nkept\n<!-- /own -->\nend\n")
        )

    def test_a_document_without_a_place_is_refused(self):
        with tempfile.TemporaryDirectory() as scratch:
            document = Path(scratch) / "performance.md"
            document.write_text("nothing")
            with self.assertRaisesRegex(Failed, "has no place for this"):
                report.write(whole("own", OWN_CELLS, {"madang": 1.0}), document, Path(scratch))

    def test_the_document_has_both_places(self):
        for kind in report.KINDS:
            self.assertEqual(DOCUMENT.read_text().count(f"<!-- {kind} -->"), 1)

    def test_a_file_that_is_no_run_is_refused(self):
        with self.assertRaisesRegex(Failed, "is no run"):
            report.load(__file__)


class Pictures(unittest.TestCase):
    def test_numbers_have_three_digits_that_count(self):
        shown = [brief(number) for number in (0, 0.2841, 0.00123, 1, 12.64, 127.6, 1280.2, 10.0)]
        self.assertEqual(shown, ["0", "0.284", "0.00123", "1", "12.6", "128", "1,280", "10"])

    def test_a_spread_shows_its_ends_if_it_has_two(self):
        self.assertEqual(with_range(Spread((0.3, 0.25, 0.4))), "0.3 (0.25 to 0.4)")
        self.assertEqual(with_range(Spread((0.3,)), " µs"), "0.3 µs")
        self.assertEqual(with_range(None), "-")

    def test_pictures_are_well_formed_with_whatever_is_there(self):
        spread = Spread((1.0, 2.0, 3.0))
        for picture in (
            bars("a < b", "µs", [("cell", [Bar("x & y", spread, "#000")]), ("empty", [])]),
            curves("c", [("x", "#000", [(0.5, 0.3), (0.999, 40.0)]), ("nothing", "#000", [])]),
            curves("none at all", []),
        ):
            xml.dom.minidom.parseString(picture)


class Wire(unittest.TestCase):
    def test_frames_are_masked_and_read_back_at_any_cut(self):
        for length in (0, 5, 125, 126, 300):
            payload, mask = bytes(range(256))[:length] * 1 + b"x" * max(0, length - 256), b"\x01\x02\x03\x04"
            sent = frame(payload, mask)
            begin = 2 if length < 126 else 4
            body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(sent[begin + 4 :]))
            self.assertEqual(body, payload)
            # A node sends the same without a mask.
            plain = bytes([sent[0], sent[1] & 0x7F]) + sent[2:begin] + payload
            for cut in range(len(plain)):
                self.assertIsNone(take(plain[:cut]))
            self.assertEqual(take(plain + b"rest"), (1, payload, b"rest"))

    def test_the_rate_is_read_though_the_command_has_quotes(self):
        answer = (
            '"test","rps","avg_latency_ms","min_latency_ms"\n"EVALSHA {"key":"x","user":{}}","26832.62","1.0","0.1"\n'
        )
        self.assertEqual(script.rate_of(answer), 26832.62)


if __name__ == "__main__":
    unittest.main()
