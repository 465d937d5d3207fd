#!/usr/bin/env python3
"""Counts the instructions of the workloads in tests/instructions and compares them with the committed baseline.

Fails where one takes more than a tenth more than the baseline says; tells where it takes more than a tenth less. With
`baseline` it writes the baseline anew. Instructions do not depend on how busy the machine is, so this needs no quiet
one, and says little about time: system calls and waiting are not in it.

Each workload runs twice under callgrind, the second time with twice the rounds; what lies between is the rounds' alone.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "tests/instructions/baseline.tsv"
TOLERANCE = 0.10
# What the check of the guard itself adds to a workload, in per cent: twice what is tolerated.
MORE = 20
# Longest time of one count; the slowest takes some seconds on a machine that does nothing else.
LIMIT_SECONDS = 600


@dataclass(frozen=True)
class Workload:
    """A workload as the program lists it."""

    name: str
    rounds: int
    operations: int
    operation: str


@dataclass(frozen=True)
class Verdict:
    """How a count compares with the baseline."""

    passed: bool
    text: str


def fail(sentence: str) -> None:
    sys.exit(f"instructions: {sentence}")


def build() -> Path:
    """Builds the workloads and returns the program."""
    command = ["cargo", "bench", "--locked", "--profile", "instructions", "--no-run", "--bench", "instructions"]
    built = subprocess.run([*command, "--message-format", "json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE)
    if built.returncode:
        fail("the workloads do not build, see above")
    for line in reversed(built.stdout.decode().splitlines()):
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "instructions":
            return Path(message["executable"])
    fail("cargo built no program of the name instructions")


def compiler() -> str:
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def workloads(program: Path) -> list[Workload]:
    """Returns what the program offers."""
    listed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    return [Workload(name, int(rounds), int(operations), operation) for name, rounds, operations, operation in rows]


def count(program: Path, name: str, rounds: int, more: int) -> int:
    """Returns the instructions of one run, all of it."""
    with tempfile.TemporaryDirectory(prefix="madang-instructions-") as scratch:
        callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out"]
        run = [program, name, str(rounds), str(more)]
        done = subprocess.run([*callgrind, *run], capture_output=True, text=True, timeout=LIMIT_SECONDS)
        if done.returncode:
            fail(f"{name} failed under valgrind:\n{done.stderr}")
        totals = re.search(r"^(?:totals|summary): (\d+)", Path(scratch, "out").read_text(), re.M)
        if not totals:
            fail(f"callgrind wrote no total for {name}")
        return int(totals[1])


def per_operation(program: Path, workload: Workload, more: int = 0) -> float:
    """Returns the instructions of one operation."""
    once = count(program, workload.name, workload.rounds, more)
    twice = count(program, workload.name, 2 * workload.rounds, more)
    return (twice - once) / (workload.rounds * workload.operations)


def measure(program: Path, found: list[Workload]) -> dict[str, float]:
    with ThreadPoolExecutor() as pool:
        return dict(zip((it.name for it in found), pool.map(lambda it: per_operation(program, it), found)))


def judge(counted: float, expected: float | None) -> Verdict:
    """Says what a count means beside the one of the baseline."""
    if expected is None:
        return Verdict(False, "is not in the baseline; write it anew with `make instructions-baseline`")
    change = counted / expected - 1
    if change > TOLERANCE:
        return Verdict(False, f"{change:+.1%} against {expected:,.0f}: it grew by more than {TOLERANCE:.0%}")
    if change < -TOLERANCE:
        text = f"{change:+.1%} against {expected:,.0f}: it shrank; keep that with `make instructions-baseline`"
        return Verdict(True, text)
    return Verdict(True, f"{change:+.1%} against {expected:,.0f}")


def read_baseline() -> tuple[str, dict[str, float]]:
    """Returns the compiler of the baseline, and instructions by workload."""
    if not BASELINE.exists():
        fail(f"{BASELINE.relative_to(ROOT)} is missing; write it with `make instructions-baseline`")
    lines = BASELINE.read_text().splitlines()
    (with_compiler,) = [line.removeprefix("# with ") for line in lines if line.startswith("# with ")]
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return with_compiler, {name: float(counted) for name, counted, _ in rows}


def write_baseline(found: list[Workload], counted: dict[str, float]) -> None:
    lines = [
        "# Instructions per operation, one workload per line: name, instructions, operation.",
        "# Written by `make instructions-baseline`; `make test-instructions` compares with it.",
        f"# with {compiler()}",
        *(f"{it.name}\t{counted[it.name]:.1f}\t{it.operation}" for it in found),
    ]
    BASELINE.write_text("\n".join(lines) + "\n")


def check(program: Path, found: list[Workload]) -> int:
    """Compares all workloads with the baseline, then the guard with a workload that does more; returns the failures."""
    with_compiler, expected = read_baseline()
    counted = measure(program, found)
    failed = 0
    for it in found:
        verdict = judge(counted[it.name], expected.get(it.name))
        failed += not verdict.passed
        print(f"{'ok    ' if verdict.passed else 'FAILED'} {it.name}: {counted[it.name]:,.0f} per {it.operation}, {verdict.text}")
    for name in sorted(expected.keys() - counted.keys()):
        failed += 1
        print(f"FAILED {name}: is in the baseline and no workload; write it anew with `make instructions-baseline`")

    guarded = found[0]
    slower = per_operation(program, guarded, MORE)
    noticed = not judge(slower, counted[guarded.name]).passed
    failed += not noticed
    print(f"{'ok    ' if noticed else 'FAILED'} {MORE} % more work in {guarded.name} is {'found' if noticed else 'not found'}: {slower:,.0f}")

    if failed and compiler() != with_compiler:
        print(f"the baseline is of {with_compiler}, this is {compiler()}: another compiler counts differently")
    total = len(found) + len(expected.keys() - counted.keys()) + 1
    print(f"{total - failed} passed, {failed} failed")
    return failed


def main() -> None:
    if sys.argv[1:] not in ([], ["baseline"]):
        fail("give nothing to check, or `baseline` to write the baseline anew")
    if not shutil.which("valgrind"):
        fail("valgrind is missing; install it, or let `make setup` do so")
    program = build()
    found = workloads(program)
    if sys.argv[1:]:
        write_baseline(found, measure(program, found))
        print(BASELINE.read_text(), end="")
    else:
        sys.exit(1 if check(program, found) else 0)


if __name__ == "__main__":
    main()
