"""Command lines in the log have no secret."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim.activity.program import LONGEST, innermost, shown


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["crun", "--root=/run/x", "delete", "abc"], "crun --root=/run/x delete abc"),
        (["skopeo", "copy", "--src-creds", "u:p", "a"], "skopeo copy --src-creds *** a"),
        (["skopeo", "copy", "--src-creds=u:p", "a"], "skopeo copy --src-creds=*** a"),
        (["hook", "--token", "s3cr3t"], "hook --token ***"),
        (["hook", "--api-key=abc", "-v"], "hook --api-key=*** -v"),
        (["hook", "DB_PASSWORD=abc"], "hook DB_PASSWORD=***"),
        (["hook", "https://user:pw@host/x"], "hook https://***@host/x"),
        (["skopeo", "--src-authfile", "/run/a.json"], "skopeo --src-authfile /run/a.json"),
        (["x", "a\nb"], "x a | b"),
    ],
)
def test_values_of_secrets_are_left_out(argv: list[str], line: str) -> None:
    assert shown(argv) == line


def test_a_line_is_bounded() -> None:
    assert len(shown(["x", "y" * 100_000])) <= LONGEST + 20


def test_the_program_that_a_program_runs_is_found_also_under_a_thread() -> None:
    script = "import subprocess, threading; print(1, flush=True);" + (
        " threading.Thread(target=subprocess.run, args=(['sleep', '987'],)).start()"
    )
    outer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        while "sleep" not in (found := innermost(outer.pid)):
            outer.poll()
        assert found == ", which runs sleep"
        inner = int(_children(outer.pid))
    finally:
        os.kill(inner, signal.SIGKILL)
        outer.communicate(timeout=10)
    assert innermost(outer.pid) == ""


def _children(pid: int) -> str:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return "".join(task.read_text() for task in tasks)
