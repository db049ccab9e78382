"""A tree that changes while it is read becomes a tar that is whole and leads nowhere."""

import io
import os
import socket
import tarfile
import threading
import tracemalloc
from pathlib import Path

import pytest

from cri_shim.store import tar_tree
from tests.fixtures.trees import make_wide


def written(root: Path) -> dict[str, tarfile.TarInfo]:
    to = io.BytesIO()
    tar_tree.write(root, to)
    to.seek(0)
    with tarfile.open(fileobj=to) as tar:
        return {member.name: member for member in tar}


def test_what_is_in_a_directory_comes_right_behind_it(tmp_path: Path) -> None:
    for path in ("a/b/c", "a.txt", "z"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert list(written(tmp_path)) == ["a", "a/b", "a/b/c", "a.txt", "z"]


def test_a_socket_is_left_out(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        (tmp_path / "file").touch()
        assert list(written(tmp_path)) == ["file"]


@pytest.mark.parametrize("becomes", [0, 10, 3_000_000])
def test_a_file_that_changes_its_size_has_the_one_it_had_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: int
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    (tmp_path / "next").write_bytes(b"next")
    read = os.read

    def changing(fd: int, size: int) -> bytes:
        os.truncate(tmp_path / "file", becomes)
        return read(fd, size)

    monkeypatch.setattr(os, "read", changing)
    to = io.BytesIO()
    tar_tree.write(tmp_path, to)
    monkeypatch.undo()
    to.seek(0)
    with tarfile.open(fileobj=to) as tar:
        sizes = {member.name: member.size for member in tar}
        last = tar.extractfile("next")
        assert last is not None
        assert (sizes, last.read()) == ({"file": 2_000_000, "next": 4}, b"next")


def test_a_directory_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "d").mkdir(parents=True)
    (root / "d" / "inside").touch()
    outside.mkdir()
    (outside / "secret").touch()
    (root / "link").symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (root / "d").rename(root / "aside")
            (root / "link").rename(root / "d")
            (root / "d").rename(root / "link")
            (root / "aside").rename(root / "d")

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        seen = {name for _ in range(300) for name in written(root)}
    finally:
        over.set()
        swapping.join()
    assert "d/inside" in seen
    assert [name for name in seen if "secret" in name] == []


def test_it_stops_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(tar_tree.Stopped):
        tar_tree.write(tmp_path, io.BytesIO(), stopped=lambda: True)


@pytest.mark.large
def test_a_directory_of_very_many_files_is_written_in_little_memory(tmp_path: Path) -> None:
    make_wide(tmp_path / "wide", 12_000)
    with (tmp_path / "tar").open("wb") as to:
        tracemalloc.start()
        try:
            tar_tree.write(tmp_path / "wide", to)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    with tarfile.open(tmp_path / "tar") as tar:
        assert len(tar.getnames()) == 12_000
    assert peak < 6_000_000


def test_names_of_one_file_stay_links_and_are_forgotten_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_tree, "MOST_LINKED", 1)
    for name in "abc":
        (tmp_path / f"{name}1").write_text(name)
    for number in (2, 3):
        (tmp_path / f"a{number}").hardlink_to(tmp_path / "a1")
    (tmp_path / "b2").hardlink_to(tmp_path / "b1")
    (tmp_path / "c2").hardlink_to(tmp_path / "c1")

    found = written(tmp_path)

    assert {name: member.linkname for name, member in found.items()} == {
        "a1": "", "a2": "a1", "a3": "a1", "b1": "", "b2": "b1", "c1": "", "c2": "c1",
    }  # fmt: skip


def test_too_many_files_of_several_names_are_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_tree, "MOST_LINKED", 1)
    for name in ("a", "b"):
        (tmp_path / f"1{name}").write_text(name)
        (tmp_path / f"2{name}").hardlink_to(tmp_path / f"1{name}")

    found = written(tmp_path)

    assert {name: member.linkname for name, member in found.items()} == {
        "1a": "", "1b": "", "2a": "1a", "2b": "",
    }  # fmt: skip
