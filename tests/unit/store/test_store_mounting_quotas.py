"""Project ids of writable layers: each has its own, and a start finds them again."""

import os
from pathlib import Path

import pytest

from cri_shim.linux import project_quota
from cri_shim.store.mounting.quotas import FIRST, Quotas


class Disk:
    """Replaces the file system: projects of directories, and limits of projects."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.projects: dict[int, int] = {}  # by inode
        self.limits: dict[int, int] = {}
        monkeypatch.setattr(project_quota, "project_of", self.project_of)
        monkeypatch.setattr(project_quota, "set_project", self.set_project)
        monkeypatch.setattr(project_quota, "set_limit", self.set_limit)

    def project_of(self, fd: int) -> int:
        return self.projects.get(os.fstat(fd).st_ino, 0)

    def set_project(self, fd: int, id: int) -> None:
        self.projects[os.fstat(fd).st_ino] = id

    def set_limit(self, fd: int, id: int, size: int) -> None:
        self.limits[id] = size


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def made(containers: Path, name: str) -> Path:
    (containers / name).mkdir()
    return containers / name


def test_each_layer_has_a_project_and_a_limit_of_its_own(disk: Disk, tmp_path: Path) -> None:
    quotas = Quotas(tmp_path)
    for name in "ab":
        quotas.limit(made(tmp_path, name), 5 << 20)
    assert disk.limits == {FIRST: 5 << 20, FIRST + 1: 5 << 20}


def test_a_start_finds_the_projects_again(disk: Disk, tmp_path: Path) -> None:
    Quotas(tmp_path).limit(made(tmp_path, "a"), 1)
    again = Quotas(tmp_path)
    again.limit(made(tmp_path, "b"), 2)
    again.forget(tmp_path / "a")
    assert disk.limits == {FIRST: 0, FIRST + 1: 2}


def test_a_layer_that_is_being_deleted_keeps_its_project(disk: Disk, tmp_path: Path) -> None:
    Quotas(tmp_path).limit(made(tmp_path, "a"), 1)
    (tmp_path / "a").rename(tmp_path / ".a-1234")
    Quotas(tmp_path).limit(made(tmp_path, "b"), 2)
    assert disk.limits == {FIRST: 1, FIRST + 1: 2}


def test_a_removed_layer_frees_its_project_for_later(disk: Disk, tmp_path: Path) -> None:
    quotas = Quotas(tmp_path)
    quotas.limit(made(tmp_path, "a"), 1)
    quotas.forget(tmp_path / "a")
    quotas.forget(tmp_path / "a")
    quotas.limit(made(tmp_path, "b"), 2)
    assert disk.limits == {FIRST: 0, FIRST + 1: 2}


def test_a_layer_without_a_limit_is_nothing_to_forget(disk: Disk, tmp_path: Path) -> None:
    Quotas(tmp_path).forget(tmp_path / "a")
    assert disk.limits == {}


def test_projects_of_other_programs_are_left_alone(disk: Disk, tmp_path: Path) -> None:
    other = made(tmp_path, "a")
    disk.projects[other.stat().st_ino] = 42
    quotas = Quotas(tmp_path)
    quotas.limit(made(tmp_path, "b"), 2)
    quotas.forget(other)
    assert disk.limits == {FIRST: 2}


def test_a_link_is_not_followed(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(OSError, match="link"):
        Quotas(tmp_path).limit(tmp_path / "link", 1)
