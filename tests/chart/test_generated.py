"""What is generated from values.yaml is as the generator makes it."""

import subprocess
import sys

import pytest

from chart import CHART

GENERATOR = CHART / "generate.py"


@pytest.mark.parametrize("name", ["values.schema.json", "README.md"])
def test_it_is_as_the_generator_makes_it(name: str) -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (CHART / name).exists()
