"""Commands in running containers: output, exit codes, time-outs that leave nothing, the cap."""

import asyncio
import dataclasses
import os
import time
from typing import Any

import pytest

from cri_shim.errors import CommandNotFound, TimedOut, ToolFailed
from cri_shim.linux.process import find_by_cmdline
from cri_shim.oci import process_tree

FOREVER = "while :; do sleep 600; done"


@pytest.fixture
async def running(yard):
    return await yard.run(f"trap 'exit 0' TERM; {FOREVER}")


def sleepers(yard: Any, made: Any) -> list[int]:
    """The processes of the container besides those of its init, by their arguments."""
    pids = yard.cgroups.pids(yard.cgroup(made.id))
    table = process_tree.table()
    return [pid for pid in pids if pid in table and table[pid].session != made.init.pid]


async def test_output_streams_and_exit_code_are_separate(yard, running):
    result = await yard.exec(running, "echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_code) == (b"out\n", b"err\n", 3)


@pytest.mark.parametrize("code", [0, 1, 126, 127, 255])
async def test_a_command_may_return_any_code(yard, running, code):
    assert (await yard.exec(running, f"exit {code}")).exit_code == code


async def test_a_killed_command_returns_128_and_the_signal(yard, running):
    assert (await yard.exec(running, "kill -9 $$")).exit_code == 137


async def test_the_command_has_no_file_of_ours_open(yard, running):
    result = await yard.exec(running, "exec ls /proc/self/fd")
    assert result.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory that ls reads


@pytest.mark.parametrize("command", ["nothing", "/bin/nothing", "/tmp"])
async def test_a_command_that_cannot_be_executed_is_an_error(yard, running, command):
    process = yard.document(running.id, [command])["process"]
    with pytest.raises(CommandNotFound, match=f"cannot execute '{command}' in container"):
        await yard.oci.exec_sync(yard.handler, running.id, process, timeout=9, limit=99)


async def test_a_directory_that_does_not_exist_is_an_error_in_the_runtimes_words(yard, running):
    process = yard.document(running.id, ["true"])["process"] | {"cwd": "/proc/no/such"}
    with pytest.raises(ToolFailed, match=r"cannot execute 'true'.*(chdir|/proc/no)"):
        await yard.oci.exec_sync(yard.handler, running.id, process, timeout=9, limit=99)


async def test_an_exec_in_an_ended_container_is_an_error(yard):
    made = await yard.run("true")
    await yard.next_exit()
    with pytest.raises(ToolFailed, match=made.id):
        await yard.exec(made, "true")


@pytest.mark.parametrize("script", [
    "sleep 600",
    "sleep 600 & sleep 600 & wait",
    "(sleep 600 & sleep 600) & sleep 600",
    "setsid sleep 600; true",
    "yes",
])  # fmt: skip
async def test_a_timeout_kills_the_whole_tree(yard, running, script):
    before = time.monotonic()
    with pytest.raises(TimedOut, match=f"{running.id} timed out after 0.3 s"):
        await yard.exec(running, script, timeout=0.3)
    assert time.monotonic() - before < 3
    assert sleepers(yard, running) == []
    assert list((yard.run_root / "exec").iterdir()) == []


async def test_a_timeout_in_the_middle_of_the_start_leaves_nothing(yard, running):
    for ms in (0, 1, 2, 4, 8, 16):
        with pytest.raises(TimedOut):
            await yard.exec(running, "sleep 600", timeout=ms / 1000)
        assert sleepers(yard, running) == []


async def test_a_cancelled_exec_is_ended(yard, running):
    task = asyncio.create_task(yard.exec(running, "sleep 600"))
    await yard.until(lambda: sleepers(yard, running))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sleepers(yard, running) == []


async def test_a_background_child_that_holds_the_output_is_not_waited_for(yard, running):
    before = time.monotonic()
    result = await yard.exec(running, "echo here; sleep 600 &")
    assert (result.stdout, result.exit_code) == (b"here\n", 0)
    assert time.monotonic() - before < 2


async def test_the_exit_code_is_not_lost_to_a_background_child(yard, running):
    result = await yard.exec(running, "sleep 600 & echo late; exit 5")
    assert (result.stdout, result.exit_code) == (b"late\n", 5)
    assert len(sleepers(yard, running)) == 1  # it may live on, as a daemon started this way should


async def test_a_background_child_that_floods_the_output_is_not_waited_for(yard, running):
    result = await yard.exec(running, "yes &", limit=1 << 16)
    assert (len(result.stdout), result.exit_code) == (1 << 16, 0)


@pytest.mark.parametrize("lines", [20_000, 400_000])
async def test_large_output_is_whole(yard, running, lines):
    result = await yard.exec(running, f"seq {lines}", limit=16 << 20)
    assert result.stdout == b"".join(b"%d\n" % n for n in range(1, lines + 1))


async def test_output_beyond_the_limit_is_dropped_and_the_command_continues(yard, running):
    script = "yes | head -c 20000000; yes | head -c 5000000 >&2; exit 7"
    result = await yard.exec(running, script, limit=(16 << 20) - (64 << 10))
    assert len(result.stdout) + len(result.stderr) == (16 << 20) - (64 << 10)
    assert result.exit_code == 7


async def test_commands_of_a_dead_daemon_are_ended(yard, running):
    task = asyncio.create_task(yard.exec(running, "sleep 600"))
    pid_files = yard.run_root / "exec"
    await yard.until(lambda: any(f.read_text() for f in pid_files.glob("*.pid")))
    await yard.oci.end_leftovers()
    assert (await task).exit_code == 137
    assert sleepers(yard, running) == []


async def test_a_command_that_a_dead_daemon_had_not_started_yet_never_starts(yard, running):
    go = yard.run_root / "go"
    slow = yard.run_root / "slow-runtime"
    slow.write_text(
        f"#!/bin/sh\nuntil [ -e {go} ]; do sleep 0.01; done\nexec {yard.handler.path} $@"
    )
    slow.chmod(0o755)
    handler = dataclasses.replace(yard.handler, run_path=slow)
    process = yard.document(running.id, ["sleep", "600"])["process"]
    task = asyncio.create_task(
        yard.oci.exec_sync(handler, running.id, process, timeout=20, limit=99)
    )
    await yard.until(lambda: find_by_cmdline(lambda words: str(slow) in words))
    await yard.oci.end_leftovers()
    go.touch()
    assert (await task).exit_code == 137
    assert sleepers(yard, running) == []


async def test_a_reused_pid_in_a_leftover_file_is_not_killed(yard, running):
    stale = yard.run_root / "exec" / "1-1.pid"
    stale.write_text(str(running.init.pid))
    os.utime(stale, (1, 1))
    await yard.oci.end_leftovers()
    assert (await yard.exec(running, "true")).exit_code == 0
    assert not stale.exists()
