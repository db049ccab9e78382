"""Places: space and inodes of the directories, without making them."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cri_shim.config import Config
from cri_shim.problems import Level, places


def _config(root: Path) -> Config:
    config = Config()
    server = replace(config.server, root=root / "a" / "root", run_root=root / "run")
    return replace(config, server=server)


class _Disk:
    """The part of os.statvfs that is used: a disk of 100 GiB."""

    f_frsize = 1
    f_blocks = 100 << 30
    f_files = 1_000_000

    def __init__(self, free: int, files: int) -> None:
        self.f_bavail, self.f_favail = free, files


def test_directories_that_are_not_there_are_looked_at_and_not_made(tmp_path: Path) -> None:
    found = places.look(_config(tmp_path))

    assert next(each.what for each in found) == f"space of {tmp_path}/a/root"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "files", "expected"),
    [
        (50 << 30, 900_000, [Level.OK]),
        (500 << 20, 900_000, [Level.WARNING]),
        (0, 900_000, [Level.FAILS]),
        (50 << 30, 1000, [Level.OK, Level.WARNING]),
        (50 << 30, 0, [Level.OK, Level.FAILS]),
    ],
)
def test_little_space_is_a_problem_with_the_number_of_free_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    files: int,
    expected: list[Level],
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: _Disk(free, files))

    found = [each for each in places.look(_config(tmp_path)) if each.what.endswith("/root")]

    assert [each.level for each in found] == expected
    assert (found[0].sentence == f"no space left in {tmp_path}/a/root: 0 B free of 100.0 GiB") is (
        free == 0
    )
