"""The lines of changes and sessions, and what a disk that does not take them means."""

import asyncio
import errno
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.activity.peer import Peer
from cri_shim.audit import writer
from cri_shim.audit.files import Files
from cri_shim.audit.journal import DENIED_PER_S, Journal
from cri_shim.audit.verify import verify
from cri_shim.audit.writer import Writer
from cri_shim.errors import Unavailable

PEER = Peer(1000, 1000, 42, "/usr/bin/kubelet", "/run/s.sock")


class Disk:
    """Lets writes pass, fail, or wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.answers = threading.Event()
        self.answers.set()
        real = os.write

        def write(fd: int, data: bytes) -> int:
            self.answers.wait()
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(fd, data)

        monkeypatch.setattr("cri_shim.audit.files.os.write", write)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    return Disk(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def made(file: Path, disk: Disk) -> AsyncIterator[Writer]:
    record = Files(file, max_size=1 << 20, max_files=2)
    made = Writer(record, str(file))
    await made.start()
    yield made
    disk.full = False
    disk.answers.set()
    await made.close()


async def read(file: Path, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while len(text := file.read_text().splitlines()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return [json.loads(line) for line in text]


async def test_a_change_has_two_lines_with_one_id(made: Writer, file: Path) -> None:
    entry = await Journal(made, refuse=False).begin("StopContainer", " container c", PEER)
    entry.close("OK")
    _, begin, end = await read(file, 3)
    assert (begin["event"], begin["verb"], begin["object"]) == (
        "open",
        "StopContainer",
        "container c",
    )
    assert begin["peer"] == {
        "uid": 1000, "gid": 1000, "pid": 42, "program": "/usr/bin/kubelet", "socket": "/run/s.sock"
    }  # fmt: skip
    assert (end["event"], end["result"], end["id"]) == ("close", "OK", begin["id"])
    assert end["ms"] >= 0
    assert verify(file).problem == ""


async def test_foreign_text_is_bounded_and_printable(made: Writer, file: Path) -> None:
    await Journal(made, refuse=False).begin("PullImage", "a\nb\x1b[2J" + "x" * 5000, None)
    line = (await read(file, 2))[1]
    assert len(line["object"]) < 400
    assert line["object"].isprintable()


async def test_with_refuse_a_change_waits_for_its_line_on_the_disk(
    made: Writer, file: Path, disk: Disk
) -> None:
    disk.answers.clear()
    waiting = asyncio.create_task(Journal(made, refuse=True).begin("StopContainer", "c", PEER))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    disk.answers.set()
    await waiting
    assert len(await read(file, 2)) == 2


async def test_with_refuse_a_full_disk_refuses_changes_until_it_has_room(
    made: Writer, file: Path, disk: Disk
) -> None:
    journal = Journal(made, refuse=True)
    disk.full = True
    journal.put({"event": "x"})
    while not made.problem:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    with pytest.raises(Unavailable, match=r"StopContainer is refused: the audit record .*No space"):
        await journal.begin("StopContainer", "c", PEER)
    assert "No space left on device: changes are refused" in journal.problem()
    disk.full = False
    while made.problem:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert journal.problem() == ""
    (await journal.begin("StopContainer", "c", PEER)).close("OK")
    assert (await read(file, 4))[-1]["event"] == "close"
    assert verify(file).problem == ""


async def test_with_refuse_a_disk_that_does_not_answer_refuses_in_time(
    made: Writer, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cri_shim.audit.journal.WAIT_S", 0.02)
    disk.answers.clear()
    with pytest.raises(Unavailable, match="StartContainer is refused"):
        await Journal(made, refuse=True).begin("StartContainer", "c", PEER)


async def test_with_continue_lost_lines_are_counted(
    made: Writer, file: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUEUE", 3)
    journal = Journal(made, refuse=False)
    disk.answers.clear()
    journal.put({"event": "first"})
    await asyncio.sleep(0.05)  # now the thread has it, and the queue is empty
    for number in range(8):
        journal.put({"event": "x", "n": number})
    assert made.lost == 5
    assert "changes continue, 5 lines are lost" in journal.problem()
    disk.answers.set()
    await read(file, 5)
    journal.put({"event": "last"})
    assert (await read(file, 6))[-1]["lost"] == 5
    assert verify(file).problem == ""


async def test_refused_calls_cannot_fill_the_record(made: Writer, file: Path) -> None:
    journal = Journal(made, refuse=False)
    for _ in range(50 * DENIED_PER_S):
        journal.denied("StopContainer", PEER)
    await made.close()
    assert len(await read(file, 2)) <= 1 + 2 * DENIED_PER_S


async def test_a_session_has_the_id_of_its_object(made: Writer, file: Path) -> None:
    entry = Journal(made, refuse=False).session("exec", "container c", PEER, "s123")
    entry.close("OK", reason="the client has gone")
    _, begin, end = await read(file, 3)
    assert (begin["kind"], begin["id"], end["id"]) == ("session", "s123", "s123")
    assert end["reason"] == "the client has gone"


async def test_the_end_of_the_daemon_is_written(made: Writer, file: Path) -> None:
    await Journal(made, refuse=False).close()
    assert (await read(file, 2))[-1]["event"] == "stop"


async def test_the_end_does_not_wait_for_a_full_disk(made: Writer, disk: Disk) -> None:
    disk.full = True
    async with asyncio.timeout(5):
        await Journal(made, refuse=False).close()
