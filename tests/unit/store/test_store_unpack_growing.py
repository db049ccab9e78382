"""A file that is read while another process writes it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.growing import PART, GrowingFile


@pytest.fixture
def news() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def part_of(blob: Path, data: bytes = b"") -> Path:
    part = blob.with_name(blob.name + PART)
    part.write_bytes(data)
    return part


def read_all(file: GrowingFile, size: int = 7) -> bytes:
    return b"".join(iter(lambda: file.read(size), b""))


def test_what_is_written_after_the_start_is_read_to_its_end(
    tmp_path: Path, news: tuple[int, int]
) -> None:
    blob = tmp_path / "blob"
    part = part_of(blob, b"the first bytes, ")
    read: list[bytes] = []
    with GrowingFile(str(blob), news[0]) as file:
        reader = threading.Thread(target=lambda: read.append(read_all(file)))
        reader.start()
        with part.open("ab") as writer:
            for piece in (b"more", b", and ", b"the last"):
                writer.write(piece)
                writer.flush()
        part.rename(blob)
        os.write(news[1], b"w")
        reader.join(10)
    assert read == [b"the first bytes, more, and the last"]


def test_bytes_that_came_just_before_the_news_are_not_lost(
    tmp_path: Path, news: tuple[int, int]
) -> None:
    blob = tmp_path / "blob"
    part = part_of(blob, b"abc")
    with GrowingFile(str(blob), news[0]) as file:
        with part.open("ab") as writer:
            writer.write(b"defgh")
        os.write(news[1], b"w")
        assert read_all(file) == b"abcdefgh"


def test_a_blob_that_is_whole_at_the_start_is_read(tmp_path: Path, news: tuple[int, int]) -> None:
    (tmp_path / "blob").write_bytes(b"whole")
    os.write(news[1], b"w")
    with GrowingFile(str(tmp_path / "blob"), news[0]) as file:
        assert file.read(4) == b"whol"
        file.seek(0)
        assert read_all(file) == b"whole"


def test_a_blob_is_waited_for_until_it_exists(tmp_path: Path, news: tuple[int, int]) -> None:
    blob = tmp_path / "blob"
    timer = threading.Timer(0.05, lambda: part_of(blob, b"late"))
    timer.start()
    with GrowingFile(str(blob), news[0]) as file:
        assert file.read(4) == b"late"


def test_a_short_read_has_the_bytes_that_tell_the_compression(
    tmp_path: Path, news: tuple[int, int]
) -> None:
    blob = tmp_path / "blob"
    part = part_of(blob, b"\x1f")
    threading.Timer(0.05, lambda: part.write_bytes(b"\x1f\x8b\x08\x00")).start()
    with GrowingFile(str(blob), news[0]) as file:
        assert file.read(100) == b"\x1f\x8b\x08\x00"


@pytest.mark.parametrize("begun", [False, True])
def test_a_transfer_that_is_given_up_is_an_error(
    tmp_path: Path, news: tuple[int, int], begun: bool
) -> None:
    blob = tmp_path / "blob"
    if begun:
        part_of(blob, b"some")
    os.close(news[1])
    with pytest.raises(BadLayer, match="given up"):
        with GrowingFile(str(blob), news[0]) as file:
            read_all(file)


def test_an_empty_blob_is_empty(tmp_path: Path, news: tuple[int, int]) -> None:
    part_of(tmp_path / "blob")
    os.write(news[1], b"w")
    with GrowingFile(str(tmp_path / "blob"), news[0]) as file:
        assert read_all(file) == b""
