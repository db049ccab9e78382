"""The effects of tests/conftest.py on a whole session, seen in a separate session."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def session(tmp_path: Path, text: str) -> str:
    """Run a file of tests with our conftest as a plugin; return what pytest printed."""
    (tmp_path / "test_inner.py").write_text(text)
    options = ["-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "/dev/null"]
    options += ["--leak-patience=0", f"--basetemp={tmp_path}/t"]
    inner = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return inner.stdout + inner.stderr


@pytest.mark.large
def test_a_skip_for_an_unknown_reason_fails(tmp_path: Path) -> None:
    shown = session(tmp_path, "import pytest\ndef test_a(): pytest.skip('no time today')\n")
    assert "1 failed" in shown
    assert "no time today" in shown


@pytest.mark.large
def test_a_file_that_skips_itself_fails(tmp_path: Path) -> None:
    shown = session(tmp_path, "import pytest\npytest.importorskip('no_such_module_at_all')\n")
    assert "1 error" in shown


@pytest.mark.large
def test_a_skip_that_cannot_be_helped_passes(tmp_path: Path) -> None:
    text = "import pytest\ndef test_a(): pytest.skip('needs critest, not installed')\n"
    assert "1 skipped" in session(tmp_path, text)


@pytest.mark.parametrize(
    ("leak", "shown"),
    [
        ("import os; os.open('/etc/passwd', os.O_RDONLY)", "open file /etc/passwd"),
        ("import subprocess as s; keep.append(s.Popen(['sleep', '20']))", "child process"),
    ],
)
def test_a_test_that_leaves_something_behind_fails(tmp_path: Path, leak: str, shown: str) -> None:
    text = f"keep = []\ndef test_a():\n    {leak}\ndef test_b():\n    [p.kill() for p in keep]\n"
    output = session(tmp_path, text)
    assert f"left behind:\n  {shown}" in output
    assert "ERROR at teardown of test_a" in output
