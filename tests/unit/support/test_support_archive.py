"""The archive: for its owner alone, never over another file, with the end of what is long."""

import tarfile
from pathlib import Path

import pytest

from cri_shim.errors import StateError
from cri_shim.support import archive


def test_parts_are_in_a_directory_of_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "r.tar.gz"
    size = archive.write(file, "r", {"a.txt": "x", "b/c.txt": "\udcff"})
    assert size == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["r/a.txt", "r/b/c.txt"]


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "r.tar.gz"
    file.write_text("mine")
    with pytest.raises(StateError, match="File exists; choose another -o"):
        archive.write(file, "r", {})
    assert file.read_text() == "mine"


def test_of_a_long_part_the_end_is_kept(tmp_path: Path) -> None:
    archive.write(tmp_path / "r", "r", {"log": "x" * archive.MAX_PART + "end"})
    with tarfile.open(tmp_path / "r") as tar:
        member = tar.extractfile("r/log")
        assert member is not None
        data = member.read()
    assert (len(data), data[-3:]) == (archive.MAX_PART, b"end")
