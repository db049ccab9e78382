"""A tree that changes while it is read becomes a tar that is whole and leads nowhere."""

import io
import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from cri_shim.store.pack import child
from cri_shim.store.pack.tree import Tree


def written(root: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed(root))) as tar:
        return {member.name: member for member in tar}


def packed(root: Path) -> bytes:
    return b"".join(child._pieces(Tree(os.fsencode(root), [])))


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
    opened = child._opened

    def changing(path: bytes) -> BinaryIO | None:
        file = opened(path)
        os.truncate(tmp_path / "file", becomes)
        return file

    monkeypatch.setattr(child, "_opened", changing)
    data = packed(tmp_path)
    monkeypatch.undo()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        sizes = {member.name: member.size for member in tar}
        last = tar.extractfile("next")
        assert last is not None
        assert (sizes, last.read()) == ({"file": 2_000_000, "next": 4}, b"next")


@pytest.mark.parametrize("becomes", ["nothing", "a link", "a directory", "a pipe"])
def test_a_file_that_is_something_else_when_it_is_opened_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    (tmp_path / "next").write_text("next")
    make: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "a link": lambda: file.symlink_to("/etc/passwd"),
        "a directory": file.mkdir,
        "a pipe": lambda: os.mkfifo(file),
    }
    opened = child._opened

    def late(path: bytes) -> BinaryIO | None:
        if path == os.fsencode(file):
            file.unlink()
            make[becomes]()
        return opened(path)

    monkeypatch.setattr(child, "_opened", late)

    assert list(written(tmp_path)) == ["next"]


def test_names_of_one_file_stay_links_and_are_forgotten_after_the_last(tmp_path: Path) -> None:
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
