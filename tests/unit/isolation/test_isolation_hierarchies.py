"""The control group trees of machines of every kind."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.isolation import hierarchies
from cri_shim.linux import mounts
from cri_shim.linux.mounts import Mount, parse_mountinfo

V1 = """\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
36 31 0:30 / /var/lib/other/memory rw - cgroup cgroup rw,memory
37 31 0:33 / /sys/fs/cgroup rw - tmpfs tmpfs rw
"""
V1_OWN = """\
9:name=systemd:/system.slice/cri-shim.service
4:memory:/
1:cpu,cpuacct:/daemon:with:colons
0::/unified
"""
V2 = "32 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
NAMES = {"cpu", "cpuacct", "memory", "name=systemd"}


class Machine:
    """Stands for /proc/self/{cgroup,mountinfo}; counts how often the latter is read."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mountinfo: str, own: str
    ) -> None:
        self.mountinfo, self.reads = mountinfo, 0
        self._own = tmp_path / "own"
        self._own.write_text(own)
        monkeypatch.setattr(hierarchies, "OWN_GROUPS", self._own)
        monkeypatch.setattr(mounts, "mountinfo", self._mountinfo)

    def _mountinfo(self) -> Iterator[Mount]:
        self.reads += 1
        return parse_mountinfo(self.mountinfo)

    def now(self, mountinfo: str, own: str) -> None:
        self.mountinfo = mountinfo
        self._own.write_text(own)


def test_each_tree_is_found_once_with_its_controllers() -> None:
    trees = hierarchies.parse(parse_mountinfo(V1), NAMES)
    assert [(t.mount.name, set(t.controllers), t.v2) for t in trees] == [
        ("cpu,cpuacct", {"cpu", "cpuacct"}, False),
        ("memory", {"memory"}, False),
        ("systemd", {"name=systemd"}, False),
        ("unified", set(), True),
    ]


def test_the_daemons_own_groups_are_found_by_the_trees_names() -> None:
    own = hierarchies.parse_own(V1_OWN)
    trees = hierarchies.parse(parse_mountinfo(V1), NAMES)
    assert [own[t.named()] for t in trees] == [
        "/daemon:with:colons",
        "/",
        "/system.slice/cri-shim.service",
        "/unified",
    ]


def test_controllers_of_their_own_trees_are_version_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Machine(monkeypatch, tmp_path, V1, V1_OWN)
    trees = hierarchies.Hierarchies()
    memory = trees.holding("memory")
    assert not trees.v2_only()
    assert memory is not None
    assert memory.mount == Path("/sys/fs/cgroup/memory")
    assert trees.holding("hugetlb") is None


def test_one_tree_for_all_is_version_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Machine(monkeypatch, tmp_path, V2, "0::/x\n")
    trees = hierarchies.Hierarchies()
    memory = trees.holding("memory")
    assert trees.v2_only()
    assert memory is not None
    assert memory.v2


def test_mounts_are_read_once_while_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, V1, V1_OWN)
    trees = hierarchies.Hierarchies()
    assert trees.all() == trees.all()
    assert machine.reads == 1


def test_a_tree_mounted_later_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, tmp_path, V1, V1_OWN)
    trees = hierarchies.Hierarchies()
    before = trees.holding("hugetlb")
    later = "40 31 0:50 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n"
    machine.now(V1 + later, V1_OWN + "10:hugetlb:/\n")
    assert before is None
    assert trees.holding("hugetlb") is not None


def test_a_tree_that_exists_before_its_mount_is_found_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, tmp_path, V1, V1_OWN + "10:hugetlb:/\n")
    trees = hierarchies.Hierarchies()
    before = trees.holding("hugetlb")
    later = "40 31 0:50 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n"
    machine.mountinfo = V1 + later
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    assert before is None
    assert trees.holding("hugetlb") is not None


def test_a_tree_of_groups_is_listed_deepest_first(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/file").touch()
    assert hierarchies.tree(tmp_path / "a") == [
        tmp_path / "a/b/c",
        tmp_path / "a/b",
        tmp_path / "a",
    ]


def test_a_missing_group_has_no_processes(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert hierarchies.tree(gone) == []
    assert hierarchies.processes(gone) == set()
    hierarchies.remove(gone)


def test_a_group_in_use_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def busy(self: Path) -> None:
        raise OSError(16, "Device or resource busy", str(self))

    monkeypatch.setattr(Path, "rmdir", busy)
    with pytest.raises(OSError, match="busy"):
        hierarchies.remove(tmp_path)
