"""Calls in a separate process: outcomes, limits, and the end of those that hang."""

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.aio import own_process, process_server
from cri_shim.errors import ResourceExhausted, ToolFailed, Unavailable
from tests.fixtures.host import until

SHORT_S = 1.0  # enough to start a process on a busy machine
# Begins the program that forks: each time that it reaps a process, it is told that one has ended.
INTERRUPTED = """\
import os, signal

def waitpid(pid, options, wait=os.waitpid):
    found = wait(pid, options)
    os.kill(os.getpid(), signal.SIGCHLD)
    return found

os.waitpid = waitpid
"""


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    own_process.use()
    yield
    await own_process.close()


async def all_ended() -> None:
    """Wait until the kernel has buried every process."""
    await until(lambda: all(answers.ended().done() for answers in own_process._running))


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A FIFO: a process that opens it for reading waits for a writer, until it is killed."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


async def test_every_item_has_its_outcome_in_order(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    missing = str(tmp_path / "missing")
    found = await own_process.each(os.listdir, [(str(tmp_path),), (missing,), (str(tmp_path),)])
    assert found[0] == found[2] == ["one"]
    assert isinstance(found[1], FileNotFoundError)
    assert (found[1].errno, found[1].filename) == (errno.ENOENT, missing)


async def test_names_that_are_no_utf8_come_back_as_they_are(tmp_path: Path) -> None:
    name = b"\xff".decode(errors="surrogateescape")
    (tmp_path / name).touch()
    assert await own_process.each(os.listdir, [(str(tmp_path),)]) == [[name]]


@pytest.mark.large
async def test_a_call_that_hangs_is_an_error_that_names_its_path(
    tmp_path: Path, pipe: Path
) -> None:
    items = [(str(tmp_path / "x"), os.O_RDONLY), (str(pipe), os.O_RDONLY)]
    with pytest.raises(Unavailable, match=rf"^{pipe}: the file system it is on did not answer"):
        await own_process.each(os.open, items, limit=SHORT_S)


async def test_the_loop_continues_while_a_call_hangs(pipe: Path) -> None:
    call = own_process.each(os.open, [(str(pipe), os.O_RDONLY)], limit=60)
    hanging = asyncio.ensure_future(call)
    assert await own_process.each(os.listdir, [(str(pipe.parent),)]) == [["pipe"]]
    assert not hanging.done()
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)


@pytest.mark.large
async def test_a_killed_process_is_gone_and_its_path_can_be_used_again(pipe: Path) -> None:
    items = [(str(pipe), os.O_RDONLY)]
    for _ in range(2):
        with pytest.raises(Unavailable, match="did not answer within"):
            await own_process.each(os.open, items, limit=SHORT_S)
        await all_ended()


async def test_a_cancelled_caller_leaves_no_process(pipe: Path) -> None:
    call = own_process.each(os.open, [(str(pipe), os.O_RDONLY)])
    hanging = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    await all_ended()


@pytest.mark.large
async def test_the_number_of_processes_is_bounded(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process, "MOST_AT_ONCE", 1)
    call = own_process.each(os.open, [(str(pipe), os.O_RDONLY)], limit=SHORT_S)
    hanging = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    with pytest.raises(ResourceExhausted, match=r"^/etc: not looked at, for 1 looks"):
        await own_process.each(os.listdir, [("/etc",)])
    with pytest.raises(Unavailable):
        await hanging


async def test_an_unexpected_exception_has_its_traceback() -> None:
    with pytest.raises(ToolFailed, match=r"(?s)a look at a path failed: .*TypeError"):
        await own_process.each(os.listdir, [({},)])


async def test_the_process_that_forks_is_replaced_when_it_has_died(tmp_path: Path) -> None:
    for _ in range(2):
        assert await own_process.each(os.listdir, [(str(tmp_path),)]) == [[]]
        assert own_process._server is not None
        forking = own_process._server._process
        forking.kill(signal.SIGKILL)
        await forking.wait()


async def test_cached_answers_need_no_process(tmp_path: Path) -> None:
    def call(path: str, cached: bool) -> str:
        if path == "missing":
            raise FileNotFoundError(errno.ENOENT, "no", path)
        return path

    found = await own_process.ask(call, [("a",), ("missing",)])
    assert found[0] == "a"
    assert isinstance(found[1], FileNotFoundError)
    assert own_process._server is None


async def test_a_process_that_ends_while_another_is_reaped_ends_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process, "_START", INTERRUPTED + own_process._START)
    for _ in range(5):
        calls = [own_process.each(os.listdir, [(str(tmp_path),)]) for _ in range(4)]
        assert await asyncio.gather(*calls) == [[[]]] * 4
    assert own_process._server is not None
    assert own_process._server._number == 20  # it is the one that was started first


def test_where_no_process_can_be_started_the_caller_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    read, answers = os.pipe()
    process_server._begin(1, "os", "listdir", os.open(os.devnull, os.O_RDONLY), answers)
    answer = os.read(read, 4096)
    os.close(read)
    with pytest.raises(ToolFailed, match=r"temporarily unavailable$"):
        own_process._outcomes(answer)
