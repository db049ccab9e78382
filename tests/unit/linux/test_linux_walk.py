"""Walking a tree by descriptors: all of it, whatever its shape, in little memory."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cri_shim.linux import walk
from cri_shim.linux.remove import remove_tree
from cri_shim.linux.walk import Walk
from tests.fixtures.trees import make_deep, make_wide


@pytest.fixture(autouse=True)
def nothing_deep_is_left(tmp_path: Path) -> Iterator[None]:
    """pytest removes its directories by recursion."""
    yield
    remove_tree(tmp_path / "top")


def inodes(top: Path) -> list[int]:
    return sorted(status.st_ino for status in Walk(top))


def test_every_entry_is_seen_once_and_the_top_itself(tmp_path: Path) -> None:
    for directory in ("a/b/c", "a/b/d", "e", "a.b"):
        (tmp_path / directory).mkdir(parents=True)
        for name in ("one", "two", "\udcff"):
            (tmp_path / directory / name).write_text("x")
    (tmp_path / "link").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")
    found = [tmp_path.stat().st_ino, *(path.lstat().st_ino for path in tmp_path.rglob("*"))]

    assert inodes(tmp_path) == sorted(found)


@pytest.mark.large
@pytest.mark.parametrize("levels", [walk.HELD - 1, walk.HELD, walk.HELD + 1, 5000])
def test_a_tree_of_any_depth_is_seen_with_few_descriptors(tmp_path: Path, levels: int) -> None:
    make_deep(tmp_path / "top", levels)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    most = 0

    seen = 0
    tree = Walk(tmp_path / "top")
    for number, _ in enumerate(tree):
        seen += 1
        if number % 100 == 0:
            most = max(most, len(os.listdir("/proc/self/fd")))  # noqa: PTH208

    assert (seen, tree.unseen) == (levels + 2, 0)
    assert most - before <= walk.HELD + 3


def test_the_walk_continues_in_the_parent_directories(tmp_path: Path) -> None:
    """Each level has files on both sides of its directory, in whatever order they come."""
    here = tmp_path
    for _ in range(100):
        for name in "abcdef":
            (here / name).touch()
        here = here / "d2"
        here.mkdir()

    assert len(inodes(tmp_path)) == 1 + 100 * 7


@pytest.mark.large
def test_a_directory_of_many_files_needs_no_list_of_them(tmp_path: Path) -> None:
    make_wide(tmp_path / "top", 20_000)
    tracemalloc.start()
    try:
        seen = sum(1 for _ in Walk(tmp_path / "top"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert seen == 20_001
    assert peak < 300_000


def test_a_directory_moved_away_during_the_walk_is_counted_as_unseen(tmp_path: Path) -> None:
    make_deep(tmp_path / "top", 200)
    (tmp_path / "top" / "z").touch()
    deep = tmp_path / "top" / "/".join(["d"] * 100)

    tree = Walk(tmp_path / "top")
    seen = 0
    for _ in tree:
        seen += 1
        if seen == 150:
            deep.rename(tmp_path / "elsewhere")

    assert tree.unseen == 100 - walk.HELD
    assert seen >= 200


def test_an_abandoned_walk_leaves_no_descriptor_open(tmp_path: Path) -> None:
    make_deep(tmp_path / "top", 100)
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with closing(iter(Walk(tmp_path / "top"))) as statuses:
        for _ in range(80):
            next(statuses)

    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_link_or_a_missing_directory_cannot_be_walked(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        inodes(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        inodes(tmp_path / "none")
