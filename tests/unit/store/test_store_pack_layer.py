"""A directory as overlayfs leaves it becomes the members of an image layer."""

import os
from pathlib import Path

import pytest

from cri_shim.store.pack.layer import Layer
from cri_shim.store.trees import overlay
from cri_shim.store.unpack.failure import BadLayer


def names(root: Path, *hidden: str) -> list[str]:
    layer = Layer(os.fsencode(root), [], [os.fsencode(path) for path in hidden])
    return [os.fsdecode(member.name) for member, _ in layer.members() if member.name != b"./"]


def test_an_opaque_directory_is_marked_before_its_entries(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.first").touch()
    os.setxattr(tmp_path / "d", overlay.USERS_OPAQUE, b"y")

    assert overlay.is_opaque(str(tmp_path / "d"))
    assert names(tmp_path) == ["d/", "d/.wh..wh..opq", "d/.first"]


def test_a_directory_without_the_mark_is_not_opaque(tmp_path: Path) -> None:
    os.setxattr(tmp_path, overlay.USERS_OPAQUE, b"n")

    assert not overlay.is_opaque(str(tmp_path))
    assert not overlay.is_opaque(str(tmp_path / "missing"))
    assert names(tmp_path) == []


def test_only_empty_mount_points_are_left_out(tmp_path: Path) -> None:
    for name in ("empty", "used"):
        (tmp_path / name).mkdir()
    (tmp_path / "used/file").touch()
    (tmp_path / "resolv.conf").touch()
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")

    hidden = ("/empty", "/used", "/resolv.conf", "/hosts")
    assert names(tmp_path, *hidden) == ["hosts", "used/", "used/file"]


def test_attributes_of_overlayfs_are_no_part_of_a_layer(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.setxattr(tmp_path / "file", "user.overlay.origin", b"x")
    os.setxattr(tmp_path / "file", "user.note", b"kept")

    members = [member for member, _ in Layer(os.fsencode(tmp_path), [], []).members()]

    (file,) = [member for member in members if member.name == b"file"]
    assert file.xattrs == {"user.note": b"kept"}


def test_a_path_longer_than_the_kernels_limit_is_refused() -> None:
    with pytest.raises(BadLayer, match="remove what is so deep"):
        Layer(b"", [], []).real(b"/d" * 3000)
