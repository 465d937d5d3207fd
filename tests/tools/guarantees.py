#!/usr/bin/env python3
"""Writes the figures of a run of the fault matrix into docs/guarantees.md: guarantees.py FILE, as --json wrote it."""

import json
import re
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/guarantees.md"
COLUMNS = ["sends", "accepted", "delivered", "lost", "doubled", "reordered", "gaps", "withdrawn"]


def seconds(row: dict) -> str:
    """Returns the longest median of what was timed, beside the deadline of that claim."""
    if not row["times"]:
        return "-"
    worst = max(row["times"], key=lambda claim: claim["median"])
    return f"{worst['median']:.1f} s of {worst['deadline']:.1f}"


def table(run: dict) -> str:
    lines = [
        f"Version {run['version']}, seed {run['seed']}.",
        "",
        "| row | " + " | ".join(COLUMNS) + " | reconnects | whole |",
        "| --- |" + " --- |" * (len(COLUMNS) + 2),
    ]
    for row in run["rows"]:
        counts = [f"{row['counts'][name]:,}" for name in COLUMNS]
        lines.append(f"| `{row['row']}` | " + " | ".join(counts) + f" | {row['reconnects']:,} | {seconds(row)} |")
    return "\n".join(lines)


def main(path: str) -> None:
    run = json.loads(Path(path).read_text())
    text = DOCUMENT.read_text()
    unnamed = [row["row"] for row in run["rows"] if f"`{row['row']}`" not in text]
    if unnamed:
        sys.exit(f"{DOCUMENT.name} does not say what happens in {', '.join(unnamed)}")
    if failed := [row["row"] for row in run["rows"] if row["faults"]]:
        sys.exit(f"these failed, so nothing is written: {', '.join(failed)}")
    new, count = re.subn(
        r"(<!-- figures -->\n).*?(<!-- end of figures -->)",
        lambda found: f"{found[1]}{table(run)}\n{found[2]}",
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        sys.exit(f"{DOCUMENT.name} has no place for the figures")
    DOCUMENT.write_text(new)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
