"""The shell scripts, by shellcheck."""

import subprocess
import sys
from pathlib import Path

import pytest

from chart import ROOT

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
# Those that the others source are checked with them.
SCRIPTS = sorted(
    it
    for pattern in ("deploy/**/*.sh", "helm/madang/files/*.sh", "tests/tools/*.sh", "tests/image/*.sh", "tests/cluster/*.sh")
    for it in ROOT.glob(pattern)
    if it.read_text().startswith("#!")
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda it: str(it.relative_to(ROOT)))
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run([SHELLCHECK, "--external-sources", "--severity", "warning", script], cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stdout
