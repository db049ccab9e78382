"""The entries of a layer: what takes the place of what, and how much work that is."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cri_shim.store.unpack.tree import Tree


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def file(tree: Tree, name: str) -> None:
    def create(real: str) -> None:
        os.close(os.open(real, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))

    tree.make(tree.place(name.split("/")), create)


def directory(tree: Tree, name: str) -> None:
    path = tree.place(name.split("/"))
    tree.directory(path, 0o755)
    tree.time(path, 10**9)


def names(number: int) -> list[str]:
    return [f"d{at % 10}/f{at}" for at in range(number)]


def files_twice(tree: Tree, number: int) -> None:
    for name in names(number) * 2:
        file(tree, name)


def files_after_whiteouts(tree: Tree, number: int) -> None:
    for name in names(number):
        tree.white_out(tree.place(name.split("/")))
    for name in names(number):
        file(tree, name)


def files_after_directories(tree: Tree, number: int) -> None:
    for name in names(number):
        directory(tree, name)
    for name in names(number):
        file(tree, name)


def files_after_trees(tree: Tree, number: int) -> None:
    for at in range(number // 5):
        for below in range(5):
            directory(tree, f"t{at}/implied/{below}")
    for at in range(number // 5):
        file(tree, f"t{at}")


@pytest.mark.parametrize(
    "write", [files_twice, files_after_whiteouts, files_after_directories, files_after_trees]
)
def test_what_is_replaced_costs_the_same_however_much_there_is(
    tmp_path: Path, write: Callable[[Tree, int], None]
) -> None:
    def calls(number: int) -> int:
        root = tmp_path / str(number)
        root.mkdir()
        count = 0

        def profile(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(profile)
        try:
            write(Tree(str(root)), number)
        finally:
            sys.setprofile(None)
        return count

    assert calls(800) < 4.4 * calls(200)


def test_times_of_a_removed_directory_are_not_set(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    for name in ("a", "a/b", "a/b/c", "ab"):
        directory(tree, name)
    file(tree, "a")
    tree.set_times()
    assert (tmp_path / "ab").stat().st_mtime == 1
    assert (tmp_path / "a").stat().st_mtime != 1


def test_a_name_that_led_through_a_removed_link_leads_elsewhere_now(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    directory(tree, "real")
    tree.make("/link", lambda real: Path(real).symlink_to("real"))
    file(tree, "link/before")
    directory(tree, "link")
    file(tree, "link/after")
    assert (tmp_path / "real/before").exists()
    assert (tmp_path / "link/after").exists()
    assert not (tmp_path / "real/after").exists()


def test_a_directory_in_place_of_a_whiteout_below_a_removed_one_is_not_opaque(
    tmp_path: Path,
) -> None:
    tree = Tree(str(tmp_path))
    tree.white_out(tree.place(["a", "gone"]))
    file(tree, "a")  # takes the whiteout along
    directory(tree, "a")
    directory(tree, "a/gone")
    assert os.listxattr(tmp_path / "a/gone") == []
