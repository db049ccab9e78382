"""A short part of the fuzzing: every target, with inputs that a fixed seed makes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.fuzz.__main__ import TARGETS

INPUTS, SECONDS, SEED = 400, 3.0, 20261130


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_its_reader(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.hostile.fuzz", target, "--keep", str(tmp_path)]
    command += ["--inputs", str(INPUTS), "--seconds", str(SECONDS), "--seed", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
