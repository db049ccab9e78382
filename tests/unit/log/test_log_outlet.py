"""Lines are written at once, kept while nothing reads, and dropped above a limit."""

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.log import outlet as module
from cri_shim.log.outlet import Datagrams, Outlet, Stream

F_SETPIPE_SZ = 1031


class Sink:
    """Takes so many bytes; `broken`: there is no reader at all."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.broken = False
        self.taken = b""

    def take(self, data: bytes) -> int:
        if self.broken:
            raise BrokenPipeError
        part = data[: self.room]
        self.room -= len(part)
        self.taken += part
        return len(part)


def outlet(sink: module.Sink) -> Outlet:
    return Outlet(sink, lambda count: b"%d dropped\n" % count)


def test_lines_are_kept_in_order_while_there_is_no_room() -> None:
    sink = Sink(5)
    out = outlet(sink)
    out.write(b"one\n")
    out.write(b"two\n")
    assert sink.taken == b"one\nt"
    sink.room = 100
    out.write(b"three\n")

    assert sink.taken == b"one\ntwo\nthree\n"
    assert out.dropped == 0


def test_lines_above_the_limit_are_dropped_and_told(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    sink = Sink(0)
    out = outlet(sink)
    for _ in range(4):
        out.write(b"line\n")
    sink.room = 100
    out.write(b"last\n")

    assert sink.taken == b"line\nline\n2 dropped\nlast\n"
    assert out.dropped == 2


def test_no_reader_is_no_error_and_a_later_one_gets_the_lines() -> None:
    sink = Sink(100)
    sink.broken = True
    out = outlet(sink)
    out.write(b"one\n")
    sink.broken = False
    out.write(b"two\n")

    assert sink.taken == b"one\ntwo\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, F_SETPIPE_SZ, 4096)
    yield read_end, write_end
    os.close(write_end)
    os.close(read_end)


def test_a_full_pipe_does_not_block(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    out = outlet(Stream(write_end))
    for number in range(100):
        out.write(b"%0100d\n" % number)
    read = os.read(read_end, 1 << 20)
    while len(read) < 100 * 101:
        out.flush()
        read += os.read(read_end, 1 << 20)

    assert read == b"".join(b"%0100d\n" % number for number in range(100))


def test_a_file_gets_long_lines(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        outlet(Stream(file.fileno())).write(b"x" * 100_000)

    assert (tmp_path / "log").stat().st_size == 100_000


def test_a_journal_that_does_not_read_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.setblocking(False)
        sink = Datagrams(path)
        out = outlet(sink)
        for number in range(2000):
            out.write(b"%d" % number)
        found: list[bytes] = []
        while len(found) < 2000:
            found.append(journal.recv(1000))
            out.flush()
        sink.close()

    assert found == [b"%d" % number for number in range(2000)]


def test_a_journal_that_starts_later_gets_the_events(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    sink = Datagrams(path)
    out = outlet(sink)
    out.write(b"one")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        out.write(b"two")
        assert (journal.recv(10), journal.recv(10)) == (b"one", b"two")
    sink.close()


def test_an_event_that_is_too_large_does_not_hold_up_the_others(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    sink = Datagrams(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        out = outlet(sink)
        out.write(b"x" * (900 << 10))
        out.write(b"two")
        assert journal.recv(10) == b"two"
    sink.close()
