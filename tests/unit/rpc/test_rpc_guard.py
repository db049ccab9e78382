"""What is recorded of a call, and what is not."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.activity.peer import Peer
from cri_shim.audit.files import Files
from cri_shim.audit.journal import Journal
from cri_shim.audit.writer import Writer
from cri_shim.errors import NotFound, PermissionDenied
from cri_shim.rpc.guard import Guard
from cri_shim.rpc.peers import Access, Connection, Peers

PEER = Peer(7, 7, 42, "/usr/bin/x", "/run/s")


class Record:
    def __init__(self, file: Path, journal: Journal) -> None:
        self.file, self.journal, self.peers = file, journal, Peers()

    async def lines(self) -> list[dict[str, Any]]:
        """End the record; return its lines without the first and the last one."""
        await self.journal.close()
        return [json.loads(line) for line in self.file.read_text().splitlines()][1:-1]


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    file = tmp_path / "audit"
    writer = Writer(Files(file, max_size=1 << 20, max_files=2), str(file))
    await writer.start()
    yield Record(file, Journal(writer, refuse=False))


async def test_a_change_is_recorded_with_its_result_and_no_error_text(record: Record) -> None:
    guard = Guard(record.peers, record.journal)
    with pytest.raises(NotFound):
        async with guard.recorded("StopContainer", "container c", PEER):
            raise NotFound("no container c: password=secret")
    begin, end = await record.lines()
    assert (begin["verb"], begin["peer"]["pid"]) == ("StopContainer", 42)
    assert (end["id"], end["result"]) == (begin["id"], "NOT_FOUND")
    assert "secret" not in record.file.read_text()


@pytest.mark.parametrize(
    ("error", "result"),
    [(asyncio.CancelledError(), "CANCELLED"), (OSError(), "UNKNOWN"), (KeyError(), "INTERNAL")],
)
async def test_every_end_is_recorded(record: Record, error: BaseException, result: str) -> None:
    with pytest.raises(type(error)):
        async with Guard(record.peers, record.journal).recorded("StartContainer", "c", None):
            raise error
    _, end = await record.lines()
    assert end["result"] == result


@pytest.mark.parametrize("verb", ["ListContainers", "Version", "Info", "ContainerStatus"])
async def test_a_read_is_not_recorded(record: Record, verb: str) -> None:
    async with Guard(record.peers, record.journal).recorded(verb, "", PEER):
        """The call."""
    assert await record.lines() == []


@pytest.mark.parametrize(("exec_sync", "count"), [(True, 2), (False, 0)])
async def test_probes_are_recorded_if_configured(
    record: Record, exec_sync: bool, count: int
) -> None:
    guard = Guard(record.peers, record.journal, exec_sync=exec_sync)
    async with guard.recorded("ExecSync", "c", PEER):
        """The call."""
    assert len(await record.lines()) == count


async def test_a_refused_call_is_recorded(record: Record) -> None:
    access = Access(Path("/run/s"), "read-only", frozenset({"Version"}))
    name = record.peers.name(Connection(PEER, frozenset({7}), access))
    guard = Guard(record.peers, record.journal)
    assert guard.enter("Version", f"unix-abstract:{name}") == PEER
    with pytest.raises(PermissionDenied, match="StopContainer is not allowed on /run/s"):
        guard.enter("StopContainer", f"unix-abstract:{name}")
    (line,) = await record.lines()
    assert (line["event"], line["verb"], line["peer"]["uid"]) == ("denied", "StopContainer", 7)


def test_a_call_without_a_gate_has_no_peer() -> None:
    assert Guard(Peers(), None).enter("StopContainer", "unix:") is None


def test_a_call_whose_connection_has_ended_is_refused() -> None:
    """Otherwise a peer with few rights gains all: it closes before the call begins."""
    peers = Peers()
    access = Access(Path("/run/s"), "read-only", frozenset({"Version"}))
    name = peers.name(Connection(PEER, frozenset(), access))
    peers.forget(name)
    with pytest.raises(PermissionDenied, match="has ended before the call began"):
        Guard(peers, None).enter("StopContainer", f"unix-abstract:{name}")
