"""Measures madang and its peers on this machine: `run own`, `run peers`, `run report FILE`, `run smoke`.

`own` takes madang alone through its matrix, `peers` compares it with others. Both keep what they found as JSON, and a
whole one writes docs/performance.md. `report` writes that from a file that was kept. `smoke` takes seconds, and proves
that all of it works.
"""

import argparse
import os
import sys
from pathlib import Path

import building
import machine
import report
import smoke
from campaign import EXTRAS, Campaign, Wish, whole
from layout import BUILT, TARGET
from processes import Failed, end_in_order_when_told
from servers import PEER_SERVERS, Madang

TARGETS = {"own": "make bench", "peers": "make bench-peers"}
DEFAULTS = {"own": {"rounds": 3, "seconds": 10}, "peers": {"rounds": 5, "seconds": 10}}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for kind, defaults in DEFAULTS.items():
        cells, servers = whole(kind)
        command = commands.add_parser(kind)
        for name, help_text in (("rounds", "how often"), ("seconds", "measured phase of a run")):
            shown = f"{help_text}, {defaults[name]} unless told"
            command.add_argument(f"--{name}", type=_at_least_one, default=defaults[name], help=shown)
        choices = [*(cell.name for cell in cells), EXTRAS[kind]]
        command.add_argument(
            "--cell",
            action="append",
            choices=choices,
            metavar="NAME",
            help=f"only this cell, repeatable: {', '.join(choices)}",
        )
        command.add_argument(
            "--server",
            action="append",
            choices=servers,
            metavar="NAME",
            help=f"only this server, repeatable: {', '.join(servers)}",
        )
        command.add_argument("--binary", help="measure this program instead of building one")
        command.add_argument("--out", type=Path, default=BUILT / f"{kind}.json", help="where to keep what was found")
        command.add_argument("--no-write", action="store_true", help="leave docs/performance.md alone")
        command.add_argument("--even-void", action="store_true", help="count void runs, for a look; writes no page")
    command = commands.add_parser("report")
    command.add_argument("file", help="what --out wrote")
    command = commands.add_parser("smoke")
    command.add_argument(
        "--binary", default=str(TARGET / "debug/madang"), help="the program that `make test` builds, unless told"
    )
    command.add_argument("--alone", action="store_true", help="leave the peers out")
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1")
    return int(text)


def campaign(told: argparse.Namespace) -> int:
    """Measures, prints what was found, and writes it down if it is whole."""
    cells, names = whole(told.what)
    extra = EXTRAS[told.what]
    chosen = [name for name in names if not told.server or name in told.server]
    machine.check()
    building.tools()
    building.peers(chosen)
    binary = os.path.abspath(told.binary) if told.binary else building.madang()
    known = {server.name: server for server in [Madang(binary).server(), *PEER_SERVERS]}
    is_whole = not (told.cell or told.server or told.even_void)
    wish = Wish(
        kind=told.what,
        binary=binary,
        cells=[cell for cell in cells if not told.cell or cell.name in told.cell],
        servers=[known[name] for name in chosen],
        rounds=told.rounds,
        seconds=told.seconds,
        command=_shown(told),
        with_extra=not told.cell or extra in told.cell,
        even_void=told.even_void,
    )
    found = Campaign(wish, told.out).do()
    print(f"\n{report.markdown(found)}\n\n{report.KINDS[told.what].summary(found)}\nkept in {told.out}")
    if is_whole and not told.no_write:
        report.write(found)
        print("written into docs/performance.md")
    # Slow is for readers to judge; lost, doubled or reordered messages are not.
    return 1 if any(run["wrong"] for run in found["runs"] if run["server"] == "madang") else 0


def _shown(told: argparse.Namespace) -> str:
    """Returns the command as readers would say it again: without paths, which are this machine's business."""
    words = [
        f"--{name} {value}"
        for name in ("rounds", "seconds")
        if (value := getattr(told, name)) != DEFAULTS[told.what][name]
    ]
    words += [f"--{name} {value}" for name in ("cell", "server") for value in getattr(told, name) or []]
    return TARGETS[told.what] + (f' ARGS="{" ".join(words)}"' if words else "")


def main() -> int:
    told = arguments()
    end_in_order_when_told()
    if told.what == "report":
        report.write(report.load(told.file))
        return 0
    if told.what == "smoke":
        return smoke.main(told.binary, with_peers=not told.alone)
    return campaign(told)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    except KeyboardInterrupt:
        sys.exit("bench: ended")
