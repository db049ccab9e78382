"""The leak sentry sees every kind of leak."""

import asyncio
import subprocess
from pathlib import Path

from tests.sentry.leaks import Scope, Tasks, left_behind, snapshot

OWN = Scope(mark="/nowhere", machine=False, whole=False, patience=0.0)


def test_without_a_leak_nothing_is_reported() -> None:
    assert left_behind(snapshot(OWN), OWN) == []


def test_an_open_file_is_seen(tmp_path: Path) -> None:
    before = snapshot(OWN)
    with (tmp_path / "f").open("w"):
        assert left_behind(before, OWN) == [f"open file {tmp_path}/f"]


def test_a_child_process_is_seen_and_by_its_mark_too() -> None:
    scope = Scope(mark="a-mark-of-this-test", machine=True, whole=False, patience=0.0)
    before = snapshot(scope)
    script = "echo up; read x; : a-mark-of-this-test"
    with subprocess.Popen(["sh", "-c", script], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None and child.stdout.readline()  # it has its command line now
        seen = left_behind(before, scope)
    assert f"child process {child.pid}" in seen
    assert any(line.startswith(f"process {child.pid}: sh -c") for line in seen)


def test_a_task_that_outlives_its_loop_is_seen_by_name(watched_tasks: Tasks) -> None:
    async def main() -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(60), name="forgotten")

    asyncio.run(main())
    (seen,) = watched_tasks.take()
    assert "forgotten" in seen


def test_the_whole_machine_has_mounts_cgroups_and_interfaces() -> None:
    things = snapshot(Scope(mark="/nowhere", machine=True, whole=True))
    assert {"mount /proc", "/sys/class/net/lo"} <= set(things)
    assert any(thing.startswith("cgroup /sys/fs/cgroup") for thing in things)
