"""Measures madang and its peers on this machine: `run own`, `run peers`, `run report FILE`, `run smoke`.

`own` takes madang alone through its matrix, `peers` compares it with others. Both keep what they found as JSON, and a
whole one writes docs/performance.md. `report` writes that from a file that was kept. `smoke` takes seconds, and proves
that all of it works.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

import building
import machine
import report
import smoke
from campaign import Campaign, whole
from layout import BUILT, TARGET
from processes import Failed, end_in_order_when_told
from servers import PEER_SERVERS, Madang

TARGETS = {"own": "make bench", "peers": "make bench-peers"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for kind, rounds in (("own", 3), ("peers", 5)):
        cells, servers = whole(kind)
        command = commands.add_parser(kind)
        command.add_argument("--rounds", type=_at_least_one, default=rounds, help=f"how often, {rounds} unless told")
        command.add_argument(
            "--seconds", type=_at_least_one, default=10, help="measured phase of a run, 10 unless told"
        )
        command.add_argument(
            "--cell",
            action="append",
            choices=[cell.name for cell in cells],
            metavar="NAME",
            help=f"only this cell, repeatable: {', '.join(cell.name for cell in cells)}",
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
    command = commands.add_parser("report")
    command.add_argument("file", help="what --out wrote")
    command = commands.add_parser("smoke")
    command.add_argument(
        "--binary", default=str(TARGET / "debug/madang"), help="the program that `make test` builds, unless told"
    )
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1")
    return int(text)


def campaign(told: argparse.Namespace) -> int:
    cells, names = whole(told.what)
    cells = [cell for cell in cells if not told.cell or cell.name in told.cell]
    chosen = [name for name in names if not told.server or name in told.server]
    machine.check()
    building.tools()
    building.peers(chosen)
    binary = os.path.abspath(told.binary) if told.binary else building.madang()
    known = {server.name: server for server in [Madang(binary).server(), *PEER_SERVERS]}
    shown = f"{TARGETS[told.what]}{_shown_arguments(sys.argv[2:])}"
    is_whole = not (told.cell or told.server)
    run = Campaign(told.what, binary, cells, [known[name] for name in chosen], told.rounds, told.seconds, shown)
    found = run.do(told.out, extras=is_whole)
    print(f"\n{report.markdown(found)}\n\n{report.KINDS[told.what].summary(found)}\nkept in {told.out}")
    if is_whole and not told.no_write:
        report.write(found)
        print("written into docs/performance.md")
    # Slow is for readers to judge; lost, doubled or reordered messages are not.
    wrong = [run for run in found["runs"] if run["server"] == "madang" and run["wrong"]]
    return 1 if wrong else 0


def _shown_arguments(told: list[str]) -> str:
    # Paths are this machine's business.
    kept = [word for word in told if not word.startswith("/")]
    return f' ARGS="{shlex.join(kept)}"' if kept else ""


def main() -> int:
    told = arguments()
    end_in_order_when_told()
    if told.what == "report":
        report.write(report.load(told.file))
        return 0
    if told.what == "smoke":
        return smoke.main(told.binary)
    return campaign(told)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    except KeyboardInterrupt:
        sys.exit("bench: ended")
