"""Limits of logs and of writable layers: what conmon keeps, and what a node refuses in words."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.cli.exit_codes import FAILED
from cri_shim.linux import project_quota
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon

TOTAL = 20_000  # bytes


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with private_daemon(**{"containers.max_log_total": TOTAL}) as started:
        yield started


async def test_output_above_the_total_is_discarded_and_the_container_runs(cri: Cri) -> None:
    line = "x" * 99
    script = f"for i in $(seq 2000); do echo {line}; done; sleep 0.2; echo last; exit 7"
    container = await cri.run(await cri.run_pod(), ["sh", "-c", script])
    status = await cri.exited(container)

    log = Path(status.log_path).read_text()
    assert status.exit_code == 7
    assert TOTAL - 500 < len(log) < TOTAL + 10_000
    assert "last" not in log
    assert set(log.splitlines()[3].split(" ", 3)[3]) == {"x"}


def reload(daemon: Daemon) -> "subprocess.CompletedProcess[str]":
    words = [*daemon.command()[:-1], "reload"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def test_a_quota_that_the_file_system_cannot_keep_is_refused_with_the_line(
    daemon: Daemon,
) -> None:
    problem = project_quota.problem(daemon.root)
    daemon.settings["containers.layer_quota"] = 10 << 20
    done = reload(daemon)
    del daemon.settings["containers.layer_quota"]

    assert done.returncode == (FAILED if problem else 0)
    assert f"containers.layer_quota: {problem}" in done.stderr or not problem


def test_a_conmon_without_the_limit_is_refused(tmp_path: Path) -> None:
    conmon = tmp_path / "conmon"
    conmon.write_text("#!/bin/sh\necho conmon version 2.1.1\n")
    conmon.chmod(0o755)
    words = [
        sys.executable, "-m", "cri_shim",
        "--root", str(tmp_path / "root"), "--run-root", str(tmp_path / "run"),
        "--set", f'conmon_path=["{conmon}"]', "--set", "containers.max_log_total=5", "serve",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == FAILED
    assert "conmon version 2.1.1" in done.stderr
    assert "install conmon 2.1.2 or newer" in done.stderr
