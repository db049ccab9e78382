"""A tree that changes while it is read becomes a tar that is whole and leads nowhere."""

import io
import os
import socket
import tarfile
import threading
from pathlib import Path

import pytest

from cri_shim.store import tar_tree


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
