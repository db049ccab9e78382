"""A hostile container root: no path in it leads outside, blocks or loops."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from cri_shim.linux.rootfs import (
    find_in_root,
    make_directory_in_root,
    open_in_root,
    read_text_in_root,
)

LIMIT = 1 << 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "root"
    (inside / "etc").mkdir(parents=True)
    (tmp_path / "passwd").write_text("outside")
    return inside


def test_a_file_is_read(root: Path) -> None:
    (root / "etc/passwd").write_text("root:x:0:0")
    assert read_text_in_root(root, "/etc/passwd", LIMIT) == "root:x:0:0"


@pytest.mark.parametrize("path", ["/etc/passwd", "/missing/passwd", "/etc/passwd/below"])
def test_a_file_that_is_not_there_is_empty(root: Path, path: str) -> None:
    assert read_text_in_root(root, path, LIMIT) == ""


def test_a_root_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_text_in_root(root / "missing", "/etc/passwd", LIMIT)


@pytest.mark.parametrize(
    "target", ["/usr/lib/passwd", "../usr/lib/passwd", "../../../usr/lib/passwd"]
)
def test_links_are_resolved_as_the_container_would(root: Path, target: str) -> None:
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/passwd").write_text("inside")
    (root / "etc/passwd").symlink_to(target)
    assert read_text_in_root(root, "/etc/passwd", LIMIT) == "inside"


@pytest.mark.parametrize("up", ["../../passwd", "../../../../../passwd"])
def test_no_link_and_no_path_leads_out(root: Path, up: str) -> None:
    (root / "etc/passwd").symlink_to(up)
    (root / "etc/dir").symlink_to("../..")
    assert read_text_in_root(root, "/etc/passwd", LIMIT) == ""
    assert read_text_in_root(root, up, LIMIT) == ""
    assert read_text_in_root(root, "/etc/dir/passwd", LIMIT) == ""


def test_a_link_to_the_outside_by_its_absolute_path_finds_nothing(root: Path) -> None:
    (root / "etc/passwd").symlink_to(root.parent / "passwd")
    assert read_text_in_root(root, "/etc/passwd", LIMIT) == ""


def test_a_loop_of_links_is_no_file(root: Path) -> None:
    (root / "etc/passwd").symlink_to("group")
    (root / "etc/group").symlink_to("passwd")
    assert read_text_in_root(root, "/etc/passwd", LIMIT) == ""


def test_a_fifo_does_not_block(root: Path) -> None:
    os.mkfifo(root / "etc/passwd")
    with pytest.raises(OSError, match="not a regular file") as refusal:
        read_text_in_root(root, "/etc/passwd", LIMIT)
    assert refusal.value.filename == "/etc/passwd"


def test_a_device_is_not_read(root: Path) -> None:
    os.mknod(root / "etc/passwd", 0o20666, os.makedev(1, 5))  # /dev/zero, without end
    with pytest.raises(OSError, match="not a regular file"):
        read_text_in_root(root, "/etc/passwd", LIMIT)


def test_a_directory_is_not_a_file(root: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"):
        read_text_in_root(root, "/etc", LIMIT)


def test_a_file_as_large_as_the_limit_is_read_and_a_larger_one_is_not(root: Path) -> None:
    (root / "etc/passwd").write_text("x" * LIMIT)
    (root / "etc/group").write_text("x" * (LIMIT + 1))
    assert len(read_text_in_root(root, "/etc/passwd", LIMIT)) == LIMIT
    with pytest.raises(OSError, match="larger than 1024 bytes") as refusal:
        read_text_in_root(root, "/etc/group", LIMIT)
    assert refusal.value.errno == errno.EFBIG


def test_bytes_that_are_not_text_are_replaced(root: Path) -> None:
    (root / "etc/passwd").write_bytes(b"a\xff:x")
    assert read_text_in_root(root, "/etc/passwd", LIMIT) == "a\ufffd:x"


def test_opening_a_fifo_for_reading_returns_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe")
    fd = open_in_root(root, "pipe", os.O_RDONLY)
    inheritable = os.get_inheritable(fd)
    os.close(fd)
    assert not inheritable


def test_an_opening_that_fails_names_the_path_and_leaves_no_descriptor(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError) as refusal:
        open_in_root(root, "/no/such", os.O_RDONLY)
    assert refusal.value.filename == "/no/such"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", "/"),
        ("a//b/./c/", "/a/b/c"),
        ("/dir/../../dir/new", "/dir/new"),
        ("/absolute/new", "/dir/new"),
        ("/climbing/new", "/dir/new"),
        ("/dangling/new", "/no/where/new"),
        ("/missing/../dir", "/dir"),
        ("/dangling/../dir", "/no/dir"),
        ("/file/below", "/file/below"),
    ],
)
def test_a_path_in_a_root_is_resolved_even_if_it_does_not_exist(
    tmp_path: Path, path: str, leads_to: str
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "absolute").symlink_to("/dir")
    (tmp_path / "climbing").symlink_to("../../../../dir")
    (tmp_path / "dangling").symlink_to("no/where")
    before = sorted(tmp_path.iterdir())
    assert find_in_root(tmp_path, path) == leads_to
    assert sorted(tmp_path.iterdir()) == before


def test_a_directory_is_made_through_links_and_new_ones_have_the_owner(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("/dir/missing")
    assert make_directory_in_root(tmp_path, "/link/new", (1, 2)) == "/dir/missing/new"
    owners = [(tmp_path / name).stat() for name in ("dir", "dir/missing", "dir/missing/new")]
    assert [(facts.st_uid, facts.st_gid) for facts in owners] == [(0, 0), (1, 2), (1, 2)]


def test_a_directory_is_made_as_deep_as_a_path_can_be(tmp_path: Path) -> None:
    path = "/d" * 2000
    try:
        assert make_directory_in_root(tmp_path, path, (0, 0)) == path
        assert find_in_root(tmp_path, path) == path
    finally:
        subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/loop/x", "Too many levels of symbolic links"),
        ("/file/x", "Not a directory"),
        ("/" + "n" * 256, "File name too long"),
        ("/n" * 2048, "File name too long"),
        ("/a\0b", "NUL"),
        ("/\ud800", "no text that can be a path"),
    ],
)
def test_a_directory_that_cannot_be_made_in_a_root_is_an_oserror(
    tmp_path: Path, path: str, problem: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=problem):
        make_directory_in_root(tmp_path, path, (0, 0))
