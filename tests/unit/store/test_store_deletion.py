"""Deleting trees of any shape, in a thread or in a child process."""

from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.linux.remove import remove_tree
from cri_shim.store import deletion
from cri_shim.store.deletion import delete
from tests.fixtures.trees import make_deep, make_wide


@pytest.mark.large
async def test_files_and_trees_go_and_what_is_not_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    make_deep(tmp_path / "deep", 1500)
    await delete(tmp_path / "file", tmp_path / "none", tmp_path / "deep")
    assert list(tmp_path.iterdir()) == []


async def test_what_is_left_of_a_large_tree_goes_in_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "MOST_IN_A_THREAD", 10)
    make_wide(tmp_path / "wide", 100)
    await delete(tmp_path / "wide")
    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_deleted_is_named_and_the_rest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def guarded(path: Path, most: int) -> bool:
        if path.name == "stays":
            raise PermissionError(1, "Operation not permitted")
        return remove_tree(path, most)

    monkeypatch.setattr(deletion, "remove_tree", guarded)
    for name in ("stays", "goes"):
        (tmp_path / name).mkdir()
    with pytest.raises(ToolFailed, match=r"cannot delete .*/stays: .*not permitted"):
        await delete(tmp_path / "stays", tmp_path / "goes")
    assert [path.name for path in tmp_path.iterdir()] == ["stays"]
