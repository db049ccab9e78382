"""Input and output of containers by the library: exec, talk, attach, logs, top."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cri_shim import Runtime
from cri_shim.containers import update
from cri_shim.errors import CommandNotFound, InvalidArgument, TimedOut, WrongState
from cri_shim.library import session as sessions
from cri_shim.library.pod import Pod
from cri_shim.library.session import Session
from cri_shim.pb import api_pb2 as api
from tests.fixtures import busybox
from tests.integration.runtime.conftest import running


async def next_of(session: Session, wanted: bytes) -> bytes:
    """Return the output until `wanted` is part of it."""
    said = b""
    async with asyncio.timeout(10):
        async for _, data in session:
            said += data
            if wanted in said:
                return said
    raise AssertionError(f"{wanted!r} was not said: {said!r}")


async def test_a_command_is_run_to_its_end(pod: Pod) -> None:
    container = await running(pod)
    done = await container.exec(["sh", "-c", "echo out; echo err >&2; exit 4"])
    assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 4)
    with pytest.raises(TimedOut):
        await container.exec(["sleep", "600"], timeout=1)
    with pytest.raises(CommandNotFound):
        await container.exec(["/no/such/program"])
    with pytest.raises(InvalidArgument, match="cmd"):
        await container.exec([])


async def test_a_session_exchanges_data_and_has_an_exit_code(pod: Pod) -> None:
    container = await running(pod)
    async with container.open_exec(["sh"], stdin=True) as session:
        await session.write(b"echo one; echo two >&2\n")
        assert await next_of(session, b"one\n") in (b"one\n", b"two\none\n", b"one\ntwo\n")
        await session.write(b"exit 5\n")
        assert await asyncio.wait_for(session.wait(), 10) == 5
    with pytest.raises(WrongState, match="not open"):
        await session.write(b"x")


async def test_closing_a_session_does_not_cancel_its_waiter(pod: Pod) -> None:
    container = await running(pod)
    async with container.attach() as session:
        waiting = asyncio.create_task(session.wait())
        await asyncio.sleep(0)
    with pytest.raises(WrongState, match="closed"):
        await asyncio.wait_for(waiting, 10)
    assert not waiting.cancelled()


async def test_input_and_output_of_any_size_are_exchanged(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "AHEAD", 1 << 16)
    monkeypatch.setattr(sessions, "INPUT", 1 << 16)
    container = await running(pod)
    data = bytes(range(256)) * (1 << 12)
    async with container.open_exec(["cat"], stdin=True) as session:
        done = await asyncio.wait_for(session.communicate(data), 20)
    assert (done.stdout == data, done.stderr, done.exit_code) == (True, b"", 0)


async def test_a_command_at_a_terminal_sees_its_size(pod: Pod) -> None:
    container = await running(pod)
    script = "echo ready; read go; stty size; exit 6"
    async with container.open_exec(["sh", "-c", script], stdin=True, tty=True) as session:
        await next_of(session, b"ready")
        session.resize(101, 47)
        await session.write(b"go\n")
        said = [item async for item in session]
        assert await session.wait() == 6
    assert {name for name, _ in said} == {"stdout"}
    assert b"47 101" in b"".join(data for _, data in said)


async def test_leaving_the_block_ends_a_command_with_its_processes(pod: Pod) -> None:
    container = await running(pod)
    async with container.open_exec(["sh", "-c", "echo up; sleep 500 & sleep 500"]) as session:
        await next_of(session, b"up\n")
    assert [each.command for each in await container.top()] == [("sleep", "600")]


async def test_a_command_that_cannot_be_started_is_an_error_at_once(pod: Pod) -> None:
    container = await running(pod)
    with pytest.raises(CommandNotFound):
        async with container.open_exec(["/no/such/program"]):
            pass


async def test_a_session_attaches_to_a_container_and_detaches(pod: Pod) -> None:
    container = await running(pod, "while read x; do echo got $x; done", stdin=True)
    async with container.attach(stdin=True) as one, container.attach(stdin=True) as two:
        await one.write(b"a\n")
        assert await next_of(two, b"\n") == b"got a\n"
        await two.write(b"b\n")
        assert await next_of(one, b"b\n") == b"got a\ngot b\n"
    assert container.status == "running"
    async with container.attach() as last:
        await container.kill()
        assert [item async for item in last] == []
        assert await last.wait() is None


async def test_a_container_started_attached_loses_no_output(pod: Pod, opened: Runtime) -> None:
    for tty in (False, True):
        container = await pod.create_container(
            busybox.NAME, ["sh", "-c", "echo first; read x; echo got $x"], stdin=True, tty=tty
        )
        async with container.start_attached(stdin=True) as session:
            await session.write(b"a\n")
            said = b"".join([data async for _, data in session])
            assert await session.wait() is None
        assert said.startswith(b"first") or tty
        assert b"got a" in said
        assert await container.wait() == 0
    with pytest.raises(WrongState, match="only a created one can be started"):
        async with container.start_attached():
            pass


async def test_a_container_that_cannot_be_started_attached_has_ended(pod: Pod) -> None:
    container = await pod.create_container(busybox.NAME, ["/no/such/program"])
    with pytest.raises(CommandNotFound):
        async with container.start_attached():
            pass
    assert container.exit_code == 128


async def test_a_container_with_a_terminal_is_resized(pod: Pod) -> None:
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"
    container = await pod.create_container(busybox.NAME, ["sh", "-c", script], tty=True, stdin=True)
    async with container.start_attached(stdin=True) as session:
        await next_of(session, b"ready")
        session.resize(101, 47)
        await next_of(session, b"47 101")


async def test_logs_are_selected_by_stream_time_and_number(pod: Pod) -> None:
    container = await running(pod, "echo one; echo two >&2; printf three")
    await container.wait()

    async def chosen(**words: Any) -> list[bytes]:
        return [entry.written() async for entry in container.logs(**words)]

    assert sorted(await chosen()) == [b"one\n", b"three", b"two\n"]
    assert await chosen(stderr=False) == [b"one\n", b"three"]
    assert await chosen(stdout=False) == [b"two\n"]
    assert len(await chosen(tail=2)) == 2
    assert await chosen(since=datetime.now(UTC)) == []
    assert len(await chosen(since=time.time_ns() - 600 * 10**9)) == 3


async def test_logs_are_followed_over_rotation_to_the_end(opened: Runtime, pod: Pod) -> None:
    container = await running(pod, "while read x; do echo $x; done", stdin=True)
    path = container.log_path
    assert path is not None
    following = container.logs(follow=True)
    async with container.attach(stdin=True) as session:
        await session.write(b"one\n")
        assert (await asyncio.wait_for(anext(following), 5)).content == b"one"
        path.rename(path.with_suffix(".1"))
        await session.write(b"two\n")
        await update.reopen_log(opened.engine, container.id)
        await session.write(b"three\n")
        found = [(await asyncio.wait_for(anext(following), 5)).content for _ in range(2)]
        assert found == [b"two", b"three"]
    await container.kill()
    assert [entry async for entry in following] == []


async def test_reading_a_missing_log_is_an_error(opened: Runtime) -> None:
    silent = await opened.create_pod()
    container = await running(silent)
    with pytest.raises(WrongState, match="has no log file: its pod needs a log_directory"):
        await anext(container.logs())


async def test_top_shows_processes_as_the_container_sees_them(opened: Runtime, pod: Pod) -> None:
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="main"),
        image=api.ImageSpec(image=busybox.NAME),
        command=["sh", "-c", "sleep 500 & exec sleep 600"],
    )
    config.linux.security_context.run_as_user.value = 1000
    config.linux.security_context.namespace_options.pid = api.CONTAINER
    container = await pod.create_container(config)
    await container.start()
    async with container.open_exec(["cat"], stdin=True, tty=True) as session:
        await session.write(b"x\n")
        await next_of(session, b"x\r\nx")  # by the terminal, and by cat
        by_command = {each.command: each for each in await container.top()}

    init = by_command["sleep", "600"]
    child = by_command["sleep", "500"]
    talked = by_command["cat",]
    assert (init.pid, init.ppid, init.host_pid) == (1, 0, container.pid)
    assert (child.ppid, child.host_pid) == (1, child.host_pid)
    assert child.pid > 1
    assert {each.user for each in by_command.values()} == {"web"}
    assert (init.uid, init.host_uid) == (1000, 1000)
    assert (init.tty, talked.tty[:4]) == ("?", "pts/")
    assert 0 <= init.cpu <= init.elapsed < 600
    assert (init.name, init.state) == ("sleep", "S")
    assert Path(f"/proc/{init.host_pid}").exists()
    await container.stop(0)
    with pytest.raises(WrongState, match="it has no processes"):
        await container.top()
