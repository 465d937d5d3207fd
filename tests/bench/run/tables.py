"""Markdown of figures: numbers, spreads, tables, and what every run tells about itself."""

from figures import Run, Spread, is_valid
from plots import brief

NONE = "-"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Returns a table; all but the first column are numbers and stand to the right."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def middle(spread: Spread | None, unit: str = "") -> str:
    return f"{brief(spread.middle)}{unit}" if spread else NONE


def with_range(spread: Spread | None, unit: str = "") -> str:
    """Returns the middle, and the least and the most if they differ."""
    if not spread:
        return NONE
    if spread.least == spread.most:
        return middle(spread, unit)
    return f"{brief(spread.middle)}{unit} ({brief(spread.least)} to {brief(spread.most)})"


def about(run: dict) -> list[str]:
    """Returns the machine, the versions and the command of a run."""
    machine, versions = run["machine"], run["versions"]
    return [
        f"Measured on {machine['date']} with `{run['command']}`: "
        f"{run['rounds']} round{'s' * (run['rounds'] != 1)} of {brief(run['seconds'])} s.",
        "",
        f"* **Machine:** {machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Linux {machine['kernel']}; {machine['files']:,} open files for a process, "
        f"`somaxconn` {machine['somaxconn']:,}.",
        f"* **Versions:** {', '.join(f'{name} {version}' for name, version in versions.items())}.",
        *floor(run["floors"]),
        *(["", "**Void runs count here: no figure of this means anything.**"] if run.get("even_void") else []),
    ]


def floor(floors: list[dict]) -> list[str]:
    one = Spread(tuple(each["send_us"] for each in floors))
    batch = Spread(tuple(each["send_16_us"] for each in floors))
    return [
        f"* **Floor:** one `send` of 150 bytes on loopback costs its sender {with_range(one, ' µs')} of CPU here, "
        f"one of sixteen such messages {with_range(batch, ' µs')}, which is {brief(batch.middle / 16)} µs for each."
    ]


def exceptions(runs: list[Run], titles: dict[str, str]) -> list[str]:
    """Returns a sentence for each round that has no valid run, and for whatever was wrong, repeated or not."""
    lines = []
    last: dict[tuple, Run] = {}
    for run in runs:
        last[run["cell"], run["server"], run["round"]] = run
        for fault in run["wrong"]:
            lines.append(f"* `{run['cell']}`, {titles[run['server']]}, round {run['round'] + 1}: {fault}.")
    for run in last.values():
        if not is_valid(run) and run["void"]:
            reasons = "; ".join(run["void"])
            lines.append(f"* `{run['cell']}`, {titles[run['server']]}, round {run['round'] + 1} is void: {reasons}.")
    return lines


def void_section(runs: list[Run], titles: dict[str, str]) -> list[str]:
    found = exceptions(runs, titles)
    repeated = sum(run["attempt"] > 0 for run in runs)
    # A run that failed at something else is told in the same list.
    count = f"{repeated} run{'s were' if repeated != 1 else ' was'} repeated." if repeated else "No run was repeated."
    return [count, *(["", *found] if found else ["No round is void or wrong."])]
