"""A short run of every fuzz target, by a seed that stays; `hack/fuzz` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.fuzz.__main__ import TARGETS

SEED, INPUTS, SECONDS = 1, 300, 1.0  # of each target; a minute for all of them
LIMIT_S = 120


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_its_reader(tmp_path: Path, target: str) -> None:
    command = [sys.executable, "-m", "tests.hostile.fuzz", target, "--keep", str(tmp_path)]
    command += ["--seed", str(SEED), "--inputs", str(INPUTS), "--seconds", str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
