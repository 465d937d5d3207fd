"""Writes what a run found into docs/performance.md, between its markers, and its pictures beside it."""

import json
import re
from pathlib import Path
from types import ModuleType

import own_report
import peers_report
from layout import DOCUMENT, IMAGES
from processes import Failed

KINDS: dict[str, ModuleType] = {"peers": peers_report, "own": own_report}


def markdown(run: dict) -> str:
    return "\n".join(KINDS[run["kind"]].markdown(run))


def write(run: dict, document: Path = DOCUMENT, images: Path = IMAGES) -> None:
    """Replaces the block of this kind of run.

    Raises Failed if the document has no place for it.
    """
    kind = run["kind"]
    new, count = re.subn(
        rf"(<!-- {kind} -->\n).*?(<!-- /{kind} -->)",
        lambda found: f"{found[1]}{markdown(run)}\n{found[2]}",
        document.read_text(),
        flags=re.DOTALL,
    )
    if count != 1:
        raise Failed(f"{document.name} has no place for this: write the lines <!-- {kind} --> and <!-- /{kind} -->")
    for name, picture in KINDS[kind].pictures(run).items():
        (images / name).write_text(picture)
    document.write_text(new)


def load(path: str) -> dict:
    """Returns a run that was kept.

    Raises Failed with a sentence if it is not one.
    """
    try:
        run = json.loads(Path(path).read_text())
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        run = None
    if not isinstance(run, dict) or run.get("kind") not in KINDS:
        raise Failed(f"{path} is no run: give a file that `make bench` or `make bench-peers` wrote")
    return run
