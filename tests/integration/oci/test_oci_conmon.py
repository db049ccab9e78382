"""Containers made by real conmon and OCI runtimes: create, start, log, exit, delete."""

import asyncio
import dataclasses
import os
import re
import signal
import stat
import time
from pathlib import Path

import pytest

from cri_shim import faults
from cri_shim.errors import CommandNotFound, TimedOut, ToolFailed, WrongState
from cri_shim.linux import process
from cri_shim.oci import bundle, ctl, sync_pipe
from cri_shim.oci.log_directory import LogFile
from tests.fixtures import limits

RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d (stdout|stderr) [FP] .*")


def file_of(log: Path) -> LogFile:
    return LogFile(log.parent, Path(log.name))


async def test_a_created_container_waits_for_its_start(yard):
    made = await yard.create(["sh", "-c", "exit 3"])
    found = await yard.oci.state(yard.handler, made.id)
    assert (found["status"], found["pid"]) == ("created", made.init.pid)
    assert process.alive(made.init.pid, made.init.start_time)
    assert process.alive(made.monitor.pid, made.monitor.start_time)


@pytest.mark.parametrize("code", [0, 3])
async def test_the_exit_code_has_the_time_of_the_end(yard, code):
    before = time.time_ns()
    made = await yard.run(f"exit {code}")
    exit = await yard.next_exit()
    assert (exit.id, exit.exit_code, exit.oom, exit.known) == (made.id, code, False, True)
    assert before - 10**8 < exit.finished_at < time.time_ns()


async def test_a_killed_container_ends_with_128_and_the_signal(yard):
    made = await yard.run("sleep 600")
    os.kill(made.init.pid, signal.SIGKILL)
    assert (await yard.next_exit()).exit_code == 137


async def test_an_oom_killed_container_is_reported_as_such(yard):
    limit = {"memory": {"limit": 16 << 20}}
    await yard.run("a=x; while :; do a=$a$a; done", resources=limit)
    exit = await yard.next_exit()
    assert (exit.exit_code, exit.oom) == (137, True)


async def test_output_is_logged_in_the_cri_format(yard):
    made = await yard.run("echo out; echo err >&2; echo -n half")
    await yard.next_exit()
    lines = made.log.read_text().splitlines()
    assert all(RECORD.fullmatch(line) for line in lines)
    assert sorted(line.split(" ", 1)[1] for line in lines) == [
        "stderr F err",
        "stdout F out",
        "stdout P half",
    ]


async def test_warnings_of_the_oci_runtime_are_no_output_of_the_container(yard):
    refused = yard.handler.is_crun and limits.V2
    ignored = {} if refused else {"memory": {"kernel": 1 << 26}}  # runc says so
    made = await yard.run("echo out", resources=ignored)
    await yard.next_exit()
    assert [line.split(" ", 3)[3] for line in made.log.read_text().splitlines()] == ["out"]


async def test_without_a_log_path_nothing_is_logged_and_output_still_flows(yard):
    id, where, log = yard.lay_out(["sh", "-c", "seq 100000"])
    started = await yard.conmon.create(
        yard.handler, id, where, log=None, tty=False, stdin=False, stdin_once=False
    )
    yard.exits.watch(id, where, started.init, started.monitor)
    await yard.oci.start(yard.handler, id)
    assert (await yard.next_exit()).exit_code == 0
    assert not log.exists()


async def test_a_command_that_does_not_exist_is_refused_and_leaves_nothing(yard):
    id, where, log = yard.lay_out(["/bin/nothing"])
    with pytest.raises(CommandNotFound, match=f"(?s){id}.*nothing"):
        await yard.conmon.create(
            yard.handler, id, where, log=file_of(log), tty=False, stdin=False, stdin_once=False
        )
    assert yard.state_of(id) == []
    assert [p.name for p in where.iterdir()] == ["config.json"]


async def test_a_missing_mount_source_is_refused_in_the_runtimes_own_words(yard):
    id, where, log = yard.lay_out(["sh"])
    document = yard.document(id, ["sh"])
    document["mounts"].append(
        {"destination": "/x", "type": "bind", "source": "/no/such/source", "options": ["bind"]}
    )
    bundle.write(where, document)
    with pytest.raises(ToolFailed, match="/no/such/source") as refused:
        await yard.conmon.create(
            yard.handler, id, where, log=file_of(log), tty=False, stdin=False, stdin_once=False
        )
    assert not isinstance(refused.value, CommandNotFound)
    assert yard.state_of(id) == []


async def test_the_error_has_the_message_of_conmon(yard):
    id, where, log = yard.lay_out(["sh"])
    handler = dataclasses.replace(yard.handler, run_path=Path("/no/such/runtime"))
    with pytest.raises(ToolFailed, match="/no/such/runtime"):
        await yard.conmon.create(
            handler, id, where, log=file_of(log), tty=False, stdin=False, stdin_once=False
        )
    assert yard.state_of(id) == []


async def test_the_conmon_is_placed_before_the_container_is_made(yard):
    seen = []
    yard.conmon._place_monitor = lambda id, pid: seen.append(
        (process.state(pid) is not None, (yard.handler.root / id).exists())
    )
    await yard.create(["sh"])
    assert seen == [(True, False)]


async def test_a_conmon_that_cannot_be_placed_ends_the_create(yard):
    def refuse(id, pid):
        raise PermissionError(13, "Permission denied", "cgroup.procs")

    yard.conmon._place_monitor = refuse
    with pytest.raises(ToolFailed, match="cannot move the conmon"):
        await yard.create(["sh"])
    assert yard.state_of(yard.ids[0]) == []


@pytest.mark.parametrize("after_ms", [0, 2, 5, 8, 12, 20])
async def test_a_cancelled_create_leaves_nothing(yard, after_ms):
    task = asyncio.create_task(yard.create(["sh"]))
    asyncio.get_running_loop().call_later(after_ms / 1000, task.cancel)
    results = await asyncio.gather(task, return_exceptions=True)
    made = [result for result in results if not isinstance(result, BaseException)]
    assert [yard.state_of(id) for id in yard.ids if not made] in ([[]], [])


async def test_without_descriptors_a_create_fails_with_a_reason(yard, monkeypatch):
    def none_left(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", none_left)
    with pytest.raises(ToolFailed, match="Too many open files"):
        await yard.create(["sh"])


STEPS = ["spawn", "place", "go", "wait", "identify"]


@pytest.mark.parametrize("step", STEPS)
async def test_a_create_that_fails_at_any_step_leaves_nothing(yard, step, tmp_path, monkeypatch):
    plan = tmp_path / "plan"
    plan.write_text(f"oci.create.{step} fail\n")
    monkeypatch.setattr(faults, "_plan", str(plan))
    with pytest.raises(faults.InjectedFault):
        await yard.create(["sh"])
    assert yard.state_of(yard.ids[0]) == []


async def test_a_create_that_takes_too_long_is_ended(yard, monkeypatch, tmp_path):
    slow = tmp_path / "slow"
    slow.write_text('#!/bin/sh\ncase " $* " in *" create "*) sleep 600 ;; esac\nexit 1\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sync_pipe, "CREATE_S", 0.3)
    yard.handler = dataclasses.replace(yard.handler, run_path=slow)
    with pytest.raises(TimedOut, match="did not finish within"):
        await yard.create(["sh"])
    assert yard.state_of(yard.ids[0]) == []


async def test_a_renamed_log_is_reopened(yard):
    made = await yard.run(
        "echo one; while [ ! -e /tmp/go ]; do sleep 0.02; done; echo two; sleep 600"
    )
    await yard.until(made.log.read_text)
    rotated = made.log.with_suffix(".1")
    made.log.rename(rotated)
    await yard.conmon.reopen_log(made.bundle, file_of(made.log))
    assert stat.S_ISREG(made.log.stat().st_mode)
    await yard.exec(made, "touch /tmp/go")
    await yard.until(made.log.read_text)
    assert rotated.read_text().endswith("stdout F one\n")
    assert made.log.read_text().endswith("stdout F two\n")


async def test_a_request_that_conmon_has_not_read_is_removed(yard, monkeypatch):
    monkeypatch.setattr(ctl, "REOPEN_S", 0.3)
    made = await yard.run("while :; do echo line; sleep 0.02; done")
    await yard.until(made.log.read_text)
    rotated = made.log.with_suffix(".1")
    made.log.rename(rotated)
    os.kill(made.monitor.pid, signal.SIGSTOP)
    with pytest.raises(TimedOut, match="writes on to the open log"):
        await yard.conmon.reopen_log(made.bundle, file_of(made.log))
    rotated.rename(made.log)  # as the kubelet does when it is refused
    size, inode = made.log.stat().st_size, made.log.stat().st_ino
    os.kill(made.monitor.pid, signal.SIGCONT)
    await yard.until(lambda: made.log.stat().st_size > size)
    assert made.log.stat().st_ino == inode
    assert not Path(f"{made.log}.tmp").exists()


async def test_a_size_that_conmon_refuses_is_not_sent(yard):
    made = await yard.run("while :; do sleep 0.05; done", terminal=True)
    terminal = os.open(f"/proc/{made.init.pid}/fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    await yard.conmon.resize(made.bundle, 65535, 40)
    await yard.until(lambda: os.get_terminal_size(terminal) == (1000, 40))
    await yard.conmon.resize(made.bundle, 80, -1)
    await yard.until(lambda: os.get_terminal_size(terminal) == (80, 1))
    os.close(terminal)


async def test_the_log_of_an_ended_container_cannot_be_reopened(yard):
    made = await yard.run("true")
    await yard.next_exit()
    with pytest.raises(WrongState, match="conmon has ended"):
        await yard.conmon.reopen_log(made.bundle, file_of(made.log))


async def test_a_terminal_takes_the_last_of_many_sizes(yard):
    made = await yard.run("trap : WINCH; while :; do sleep 0.05; done", terminal=True)
    sizes = [yard.conmon.resize(made.bundle, 80 + n, 24 + n) for n in range(8)]
    await asyncio.gather(*sizes)
    terminal = os.open(f"/proc/{made.init.pid}/fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    await yard.until(lambda: os.get_terminal_size(terminal) == (87, 31))
    os.close(terminal)


async def test_delete_of_an_ended_container_leaves_nothing(yard):
    made = await yard.run("exit 0")
    await yard.next_exit()
    await yard.oci.delete(yard.handler, made.id)
    yard.conmon.cleanup(made.id, made.bundle)
    yard.conmon.cleanup(made.id, made.bundle)
    assert yard.state_of(made.id) == []
    assert sorted(p.name for p in made.bundle.iterdir()) == ["config.json", "exit"]


async def test_delete_refuses_a_living_container_and_force_ends_it(yard):
    made = await yard.run("sleep 600")
    with pytest.raises(ToolFailed, match=made.id):
        await yard.oci.delete(yard.handler, made.id)
    await yard.oci.delete(yard.handler, made.id, force=True)
    assert yard.state_of(made.id) == []
    assert (await yard.next_exit()).exit_code == 137


async def test_deleting_an_unknown_container_is_no_error(yard):
    (yard.handler.root / "torn").mkdir()
    await yard.oci.delete(yard.handler, "torn", force=True)
    await yard.oci.delete(yard.handler, "unknown")
    assert not (yard.handler.root / "torn").exists()
    assert await yard.oci.state(yard.handler, "unknown") is None


async def test_resources_can_be_changed(yard):
    made = await yard.run("sleep 600", resources={"memory": {"limit": 64 << 20}})
    await yard.oci.update(yard.handler, made.id, {"memory": {"limit": 32 << 20}})
    (pid, *_) = yard.cgroups.pids(yard.cgroup(made.id))
    wanted = {"memory_limit_in_bytes": 32 << 20}
    assert limits.in_force(pid, wanted) == wanted


async def test_a_paused_container_continues_after_resume(yard):
    made = await yard.run("sleep 600")
    await yard.oci.pause(yard.handler, made.id)
    assert (await yard.oci.state(yard.handler, made.id))["status"] == "paused"
    await yard.oci.resume(yard.handler, made.id)
    assert (await yard.oci.state(yard.handler, made.id))["status"] == "running"
