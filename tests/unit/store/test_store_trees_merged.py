"""Layers as one tree, while somebody else writes to the topmost one."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.store.trees import changes, merged
from cri_shim.store.trees.merged import Layer, Node
from tests.fixtures.trees import make_wide


@contextmanager
def tree(*tops: Path) -> Iterator[Node]:
    with merged.opened([Layer(str(top)) for top in tops]) as (found,):
        assert found is not None
        yield found


def child(node: Node, name: str) -> Node:
    found = merged.child(node, name, merged.names(node)[name])
    assert found is not None
    return found


def test_a_directory_that_became_a_link_has_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("key")
    (tmp_path / "top" / "d" / "e").mkdir(parents=True)
    with tree(tmp_path / "top") as top:
        d = child(top, "d")
        e = child(d, "e")
        (tmp_path / "top" / "d").rename(tmp_path / "top" / "old")
        (tmp_path / "top" / "d").symlink_to(tmp_path / "secret")

        assert merged.names(d) == {}
        assert merged.child(d, "key", (0,)) is None
        assert merged.names(e) == {}
        assert e.xattrs() == {}


@pytest.mark.parametrize("becomes", ["link", "fifo", "gone"])
def test_a_file_that_becomes_another_thing_as_it_is_compared_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    """It is neither waited for, nor is what a link leads to read."""
    for top in ("old", "new"):
        (tmp_path / top).mkdir()
        (tmp_path / top / "f").write_text("same")
        os.utime(tmp_path / top / "f", (1, 1))
    (tmp_path / "host").write_text("same")
    with merged.opened([Layer(str(tmp_path / "old"))], [Layer(str(tmp_path / "new"))]) as (
        old,
        new,
    ):
        differ = changes._differ

        def swapped(was: Node, now: Node, *, times: bool) -> bool:
            file = tmp_path / "new" / "f"
            file.unlink()
            if becomes == "link":
                file.symlink_to(tmp_path / "host")
            elif becomes == "fifo":
                os.mkfifo(file)
            return differ(was, now, times=times)

        monkeypatch.setattr(changes, "_differ", swapped)
        assert [str(change) for change in changes.between(old, new)] == ["C /f"]


@pytest.mark.large
def test_directories_of_very_many_files_are_compared_in_little_memory(tmp_path: Path) -> None:
    for top in ("old", "new"):
        make_wide(tmp_path / top, 10_000)
        for file in (tmp_path / top).iterdir():
            os.utime(file, (1, 1))
        os.utime(tmp_path / top, (1, 1))
    (tmp_path / "new" / "more").touch()
    tracemalloc.start()
    try:
        stacks = [[Layer(str(tmp_path / name))] for name in ("old", "new")]
        with merged.opened(*stacks) as (old, new):
            found = changes.between(old, new)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [str(change) for change in found] == ["A /more"]
    assert peak < 4_000_000


def test_more_changes_than_can_be_told_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST", 10)
    make_wide(tmp_path / "new", 11)
    with (
        tree(tmp_path / "new") as new,
        pytest.raises(ToolFailed, match="more than 10 changes, too many to be told"),
    ):
        changes.between(None, new)


def test_a_comparison_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    make_wide(tmp_path / "new", 11)
    with tree(tmp_path / "new") as new, pytest.raises(changes.Stopped):
        changes.between(None, new, stopped=lambda: True)


def test_layers_are_closed_whatever_happens(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    (tmp_path / "there").mkdir()
    with (
        pytest.raises(FileNotFoundError),
        merged.opened([Layer(str(tmp_path / "there")), Layer(str(tmp_path / "none"))]),
    ):
        pass
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
