"""Writes what docs/capacity.md says in figures: its tables, the values of the chart, the plots; and `--check` compares.

The text of the page stands between them and is written by hand.
"""

import re
import sys
from pathlib import Path

import figures
import plots
import simulate
import simulated
import tables
import values
from examples import EXAMPLES
from figures import Figures, WrongFigures

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "capacity.md"
SEED = 7
# The sizes that no machine of the tests could hold.
SIMULATED = 2


class WrongPage(Exception):
    """The page and what is computed do not fit together."""


def compute(f: Figures) -> dict[str, str]:
    """Returns the parts of the page by the names of their marks."""
    sizes = [(example, example.size(f)) for example in EXAMPLES]
    found = [(example, size, simulate.run(size, SEED)) for example, size in sizes[-SIMULATED:]]
    chart = "\n".join(values.values(example, size) for example, size in sizes)
    return {
        "figures": tables.figures(f),
        "core": tables.core(f),
        "people": tables.people(EXAMPLES[-1].people),
        "fan-out": tables.fan_out(),
        "one-redis": tables.one_redis(f),
        "end-of-one-redis": tables.end_of_one_redis(f),
        "sizes": tables.sizes(sizes),
        "values": f"```yaml\n{chart}```\n",
        "simulated-nodes": simulated.nodes(found, SEED),
        "simulated-loads": simulated.loads(found),
        "simulated-losses": simulated.lost(found),
    }


def fill(page: str, parts: dict[str, str]) -> str:
    """Returns the page with its parts between their marks.

    Raises `WrongPage` if it has no place for one, or a place for none.
    """
    marks = re.findall(r"<!-- ([a-z-]+) -->\n", page)
    if sorted(marks) != sorted(parts):
        odd = sorted(set(marks) ^ set(parts)) or sorted(marks)
        raise WrongPage(f"capacity.md must have one mark for each of {', '.join(parts)}; look at {', '.join(odd)}")
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if end not in page:
            raise WrongPage(f"capacity.md does not say where {name} ends; put {end} behind it")
        before, rest = page.split(begin)
        page = before + begin + part + end + rest.split(end, 1)[1]
    return page


def files(f: Figures) -> dict[Path, str]:
    """Returns what the files must hold."""
    return {
        PAGE: fill(PAGE.read_text(), compute(f)),
        DOCS / "images/capacity-fan-out.svg": plots.fan_out(SEED),
        DOCS / "images/capacity-redis.svg": plots.redis(f),
    }


def main() -> None:
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("capacity: give nothing to write the page, or --check to compare it")
    try:
        made = files(figures.read())
    except (WrongFigures, WrongPage) as wrong:
        sys.exit(f"capacity: {wrong}")
    stale = [path for path, content in made.items() if not path.exists() or path.read_text() != content]
    for path in stale:
        if sys.argv[1:]:
            print(f"{path.name} does not say what is computed; run make capacity", file=sys.stderr)
        else:
            path.write_text(made[path])
    sys.exit(1 if stale and sys.argv[1:] else 0)


if __name__ == "__main__":
    main()
