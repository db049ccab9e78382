"""A log file is read from where one wants, while it grows, is renamed or cut."""

import asyncio
import os
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.oci import log_file
from cri_shim.oci.log_file import LogQuery, begin, read


def line(text: str, second: int = 0, stream: str = "stdout") -> bytes:
    return f"2025-01-01T00:00:{second:02}.000000000Z {stream} F {text}\n".encode()


def add(path: Path, lines: Iterable[bytes]) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(b"".join(lines))


async def texts(path: Path, query: LogQuery) -> list[str]:
    return [entry.content.decode() async for entry in read(path, query)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    add(path, (line(str(n), n, "stderr" if n % 2 else "stdout") for n in range(10)))
    return path


class Following:
    """A reader that runs while the test writes."""

    def __init__(self, path: Path) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._entries = read(path, LogQuery(), self.ended)

    async def next(self) -> str:
        return (await asyncio.wait_for(anext(self._entries), 5)).content.decode()

    async def rest(self) -> list[str]:
        self.ended.set_result(None)
        return [entry.content.decode() async for entry in self._entries]


async def test_the_whole_file_is_read_and_a_missing_file_is_empty(log: Path) -> None:
    assert await texts(log, LogQuery()) == [str(n) for n in range(10)]
    assert await texts(log.with_name("1.log"), LogQuery(tail=3)) == []


async def test_lines_are_selected_by_tail_time_and_stream(log: Path) -> None:
    assert await texts(log, LogQuery(tail=3)) == ["7", "8", "9"]
    assert await texts(log, LogQuery(tail=0)) == []
    assert await texts(log, LogQuery(tail=99)) == [str(n) for n in range(10)]
    assert await texts(log, LogQuery(tail=2, streams=frozenset({"stderr"}))) == ["7", "9"]
    since = 1735689600 * 10**9 + 7 * 10**9
    assert await texts(log, LogQuery(since=since)) == ["7", "8", "9"]
    with pytest.raises(InvalidArgument, match="no number of lines"):
        LogQuery(tail=-1)


async def test_the_tail_of_a_large_file_is_found_beyond_a_block(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "_BLOCK", 50)  # a line and a bit
    assert await texts(log, LogQuery(tail=7)) == [str(n) for n in range(3, 10)]


@pytest.mark.large
async def test_a_log_without_line_breaks_takes_no_memory(log: Path) -> None:
    with log.open("r+b") as file:
        file.truncate(1 << 28)  # a hole of 256 MiB, as who can write to a log may make
    add(log, [b"\n", line("last")])
    tracemalloc.start()
    try:
        assert await texts(log, LogQuery(tail=1)) == ["last"]
        assert await texts(log, LogQuery(tail=2)) == ["9", "last"]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


async def test_without_follow_a_missing_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ToolFailed, match=r"cannot read the log .*/fifo: is not a regular file"):
        await asyncio.wait_for(texts(tmp_path / "fifo", LogQuery()), 5)


async def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="cannot read the log"):
        await texts(tmp_path, LogQuery())


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
async def test_a_special_file_in_the_place_of_a_log_is_not_read(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "log")
    with pytest.raises(ToolFailed, match="cannot read the log"):
        await texts(tmp_path / "log", LogQuery())


async def test_a_long_tail_is_searched_in_the_last_part_only(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "_BLOCK", 100)
    monkeypatch.setattr(log_file, "TAIL_LIMIT", 200)
    assert len(await texts(log, LogQuery(tail=9))) < 7


async def test_a_file_that_appears_later_and_grows_is_followed_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    following = Following(path)
    first = asyncio.create_task(following.next())
    await asyncio.sleep(0)
    add(path, [line("one")[:20]])
    add(path, [line("one")[20:]])
    assert await first == "one"
    add(path, [line("two")])
    assert await following.next() == "two"
    add(path, [line("three")])
    assert await following.rest() == ["three"]


async def test_a_renamed_file_is_read_to_its_end_before_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    add(path, [line("one")])
    following = Following(path)
    assert await following.next() == "one"
    path.rename(path.with_suffix(".1"))
    add(path.with_suffix(".1"), [line("two"), b"cut off"])
    add(path, [line("three")])
    assert [await following.next(), await following.next()] == ["two", "three"]
    path.with_suffix(".new").write_bytes(line("four"))  # as conmon does at its limit
    path.with_suffix(".new").replace(path)
    assert await following.rest() == ["four"]


async def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    add(path, [line("one"), line("two")])
    following = Following(path)
    assert [await following.next(), await following.next()] == ["one", "two"]
    path.write_bytes(line("three"))
    assert await following.next() == "three"
    assert await following.rest() == []


async def test_without_inotify_the_poll_finds_new_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError("no inotify instance is left")

    monkeypatch.setattr(log_file, "Inotify", none_left)
    monkeypatch.setattr(log_file, "POLL_S", 0.01)
    path = tmp_path / "0.log"
    following = Following(path)
    first = asyncio.create_task(following.next())
    await asyncio.sleep(0)
    add(path, [line("one")])
    assert await first == "one"
    assert await following.rest() == []


async def test_an_error_at_the_end_is_raised_after_all_lines(log: Path) -> None:
    following = Following(log)
    following.ended.set_exception(ToolFailed("the daemon has gone"))
    assert [await following.next() for _ in range(10)] == [str(n) for n in range(10)]
    with pytest.raises(ToolFailed, match="has gone"):
        await following.next()


async def test_the_time_of_the_first_line_is_known_before_the_line_is_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "0.log"
    assert await begin(path) is None
    path.touch()
    assert await begin(path) is None
    add(path, [b"2025-01-01T00:00:05.25Z"])
    assert await begin(path) is None
    add(path, [b" stdout P he"])
    assert await begin(path) == 1_735_689_605_250_000_000


@pytest.mark.parametrize("content", [b"no time at all\n", b" ", b"\0" * 999, b"x" * 999])
async def test_a_foreign_file_has_no_first_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.log").write_bytes(content)
    assert await begin(tmp_path / "0.log") is None


async def test_a_link_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "0.log").symlink_to("/etc/hostname")
    with pytest.raises(ToolFailed, match=r"cannot read the log"):
        await begin(tmp_path / "0.log")
