"""What has changed in a tree, told from directories that the kernel's own overlay has written."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cri_shim.linux import mounts
from cri_shim.spec.userns import IdMap
from cri_shim.store.trees import changes, merged
from cri_shim.store.trees.merged import Layer

Act = Callable[[Path], object]


class Layers:
    """A lower directory, and an upper one that is written through an overlay."""

    def __init__(self, directory: Path) -> None:
        self.lower, self.upper = directory / "lower", directory / "upper"
        self._work, self._target = directory / "work", directory / "target"
        for path in (self.lower, self.upper, self._work, self._target):
            path.mkdir()
        for name in ("etc", "data/deep", "old"):
            (self.lower / name).mkdir(parents=True)
        (self.lower / "etc/motd").write_text("hello")
        (self.lower / "etc/link").symlink_to("motd")
        (self.lower / "data/deep/file").write_text("deep")
        (self.lower / "old/one").write_text("1")
        (self.lower / "old/two").write_text("2")

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        mounts.overlay([self.lower], self.upper, self._work, self._target)
        try:
            yield self._target
        finally:
            mounts.unmount(self._target)

    def changes(self, *hidden: str, ids: IdMap | None = None) -> list[str]:
        lower = Layer(str(self.lower))
        with merged.opened([lower], [Layer(str(self.upper), ids), lower]) as (old, new):
            return list(map(str, changes.between(old, new, hidden)))


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


def replace_directory(top: Path) -> None:
    shutil.rmtree(top / "old")
    (top / "old").mkdir()
    (top / "old/one").write_text("new")


def replace_by_directory(top: Path) -> None:
    (top / "etc/motd").unlink()
    (top / "etc/motd").mkdir()
    (top / "etc/motd/inner").touch()


def replace_by_file(top: Path) -> None:
    shutil.rmtree(top / "data")
    (top / "data").write_text("no directory any more")


def read_and_write_back(top: Path) -> None:
    with (top / "etc/motd").open("r+"):  # this alone copies it up
        pass


CASES: dict[str, tuple[Act, list[str]]] = {
    "nothing": (lambda top: (top / "etc/motd").read_text(), []),
    "a new file": (lambda top: (top / "etc/new").touch(), ["C /etc", "A /etc/new"]),
    "new directories": (
        lambda top: (top / "a/b").mkdir(parents=True),
        ["A /a", "A /a/b"],
    ),
    "another content": (
        lambda top: (top / "data/deep/file").write_text("other"),
        ["C /data", "C /data/deep", "C /data/deep/file"],
    ),
    "another mode": (lambda top: (top / "etc/motd").chmod(0o600), ["C /etc", "C /etc/motd"]),
    "another owner": (lambda top: os.chown(top / "etc", 5, 6), ["C /etc"]),
    "an attribute": (
        lambda top: os.setxattr(top / "etc/motd", "user.x", b"y"),
        ["C /etc", "C /etc/motd"],
    ),
    "a file is gone": (lambda top: (top / "etc/motd").unlink(), ["C /etc", "D /etc/motd"]),
    "a directory is gone": (lambda top: shutil.rmtree(top / "data"), ["D /data"]),
    "a directory made anew": (replace_directory, ["C /old", "C /old/one", "D /old/two"]),
    "a file becomes a directory": (
        replace_by_directory,
        ["C /etc", "C /etc/motd", "A /etc/motd/inner"],
    ),
    "a directory becomes a file": (replace_by_file, ["C /data"]),
    "a file opened, not written": (read_and_write_back, []),
    "a name that moved": (
        lambda top: (top / "etc/motd").rename(top / "etc/moved"),
        ["C /etc", "D /etc/motd", "A /etc/moved"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_done_through_the_overlay_is_told(layers: Layers, case: str) -> None:
    act, expected = CASES[case]
    with layers.mounted() as top:
        act(top)

    assert sorted(layers.changes(), key=lambda line: line[2:]) == sorted(
        expected, key=lambda line: line[2:]
    )


def test_what_was_put_there_for_a_mount_does_not_count(layers: Layers) -> None:
    with layers.mounted() as top:
        (top / "etc/hosts").touch()
        (top / "proc").mkdir()
        (top / "etc/hostname").write_text("written")

    assert layers.changes("/etc/hosts", "/proc", "/etc/hostname") == ["C /etc", "A /etc/hostname"]
    (layers.upper / "etc/hostname").unlink()
    assert layers.changes("/etc/hosts", "/proc", "/etc/hostname") == []


def test_owners_of_a_user_namespace_are_the_images(layers: Layers) -> None:
    with layers.mounted() as top:
        (top / "etc/motd").chmod(0o644)
        for path in ("etc", "etc/motd"):
            os.chown(top / path, 100_000, 100_000)
    os.chown(layers.upper, 100_000, 100_000)

    assert layers.changes(ids=IdMap.same(100_000, 65536)) == []
    assert layers.changes() == ["C /etc", "C /etc/motd"]


def test_a_tree_compared_with_none_is_all_there_is(layers: Layers) -> None:
    with merged.opened([Layer(str(layers.lower))], []) as (only, none):
        added = changes.between(none, only)
        gone = changes.between(only, none)

    assert [str(change) for change in gone] == ["D /data", "D /etc", "D /old"]
    assert {change.kind for change in added} == {"added"}
    assert len(added) == 9
