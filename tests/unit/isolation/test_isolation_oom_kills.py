"""Kills for lack of memory, by the count of a slice that outlives the groups in it."""

import shutil
from pathlib import Path

import pytest

from cri_shim.isolation.oom_kills import OomKills


class Slice:
    """A pod's slice as the kernel shows it: its counts have those of the groups below in them."""

    def __init__(self, where: Path) -> None:
        self.where = where
        where.mkdir()
        self.kills = self.group_kills = 0
        self._show(where, 0)

    def group(self, name: str) -> Path:
        path = self.where / f"cri-shim-{name}.scope"
        path.mkdir()
        self._show(path, 0)
        return path

    def kill_in(self, group: Path, number: int = 1) -> None:
        self.kills += number
        self._show(group, number)
        self._show(self.where, self.kills)

    def kill_all(self, *groups: Path) -> None:
        """As the kernel does it for a slice with memory.oom.group."""
        self.group_kills += 1
        for group in groups:
            self.kill_in(group)

    def _show(self, group: Path, kills: int) -> None:
        (group / "memory.events").write_text(f"low 0\noom 9\noom_kill {kills}\n")
        (group / "memory.events.local").write_text(f"oom_group_kill {self.group_kills}\n")


@pytest.fixture
def pod(tmp_path: Path) -> Slice:
    return Slice(tmp_path / "kubepods-pod1.slice")


@pytest.fixture
def kills(tmp_path: Path) -> OomKills:
    return OomKills(tmp_path / "oom")


def begun(kills: OomKills, pod: Slice, name: str) -> Path:
    group = pod.group(name)
    kills.begin(group)
    return group


def test_a_kill_is_known_when_the_group_is_gone(pod: Slice, kills: OomKills) -> None:
    group = begun(kills, pod, "a")
    pod.kill_in(group)
    shutil.rmtree(group)
    assert kills.ended("a", group) is True
    assert kills.ended("a", group) is True


def test_a_kill_is_known_while_the_group_is_there(pod: Slice, kills: OomKills) -> None:
    group = begun(kills, pod, "a")
    pod.kill_in(group)
    assert kills.ended("a", group) is True
    shutil.rmtree(group)
    other = begun(kills, pod, "b")
    assert kills.ended("b", other) is False


def test_every_kill_is_accounted_to_one_container(pod: Slice, kills: OomKills) -> None:
    found = []
    for n in range(3):
        group = begun(kills, pod, f"a{n}")
        pod.kill_in(group, number=n)
        shutil.rmtree(group)
        found.append(kills.ended(f"a{n}", group))
    assert found == [False, True, True]


def test_the_kills_of_a_running_neighbour_are_not_accounted_to_others(
    pod: Slice, kills: OomKills
) -> None:
    neighbour, group = begun(kills, pod, "neighbour"), begun(kills, pod, "a")
    pod.kill_in(neighbour, number=3)
    shutil.rmtree(group)
    assert kills.ended("a", group) is False
    shutil.rmtree(neighbour)
    assert kills.ended("neighbour", neighbour) is True


def test_kills_before_the_first_container_are_not_accounted(pod: Slice, kills: OomKills) -> None:
    gone = pod.group("of-somebody-else")
    pod.kill_in(gone)
    shutil.rmtree(gone)
    group = begun(kills, pod, "a")
    shutil.rmtree(group)
    assert kills.ended("a", group) is False


def test_a_kill_of_the_whole_slice_is_accounted_to_all_its_containers(
    pod: Slice, kills: OomKills
) -> None:
    groups = [begun(kills, pod, name) for name in "ab"]
    pod.kill_all(*groups)
    for group in groups:
        shutil.rmtree(group)
    assert [kills.ended(name, group) for name, group in zip("ab", groups, strict=True)] == [
        True,
        True,
    ]


def test_the_next_daemon_has_the_accounts(pod: Slice, kills: OomKills, tmp_path: Path) -> None:
    killed, other = begun(kills, pod, "killed"), begun(kills, pod, "other")
    pod.kill_in(killed)
    shutil.rmtree(killed)
    kills.ended("killed", killed)
    later = OomKills(tmp_path / "oom")
    shutil.rmtree(other)
    assert later.ended("other", other) is False
    assert later.ended("killed", killed) is True


def test_the_next_daemon_finds_a_kill_from_while_no_daemon_ran(
    pod: Slice, kills: OomKills, tmp_path: Path
) -> None:
    group = begun(kills, pod, "a")
    pod.kill_in(group)
    shutil.rmtree(group)
    assert OomKills(tmp_path / "oom").ended("a", group) is True


def test_a_slice_without_a_counter_has_no_kills(tmp_path: Path, kills: OomKills) -> None:
    assert kills.ended("a", tmp_path / "none.slice" / "cri-shim-a.scope") is None


@pytest.mark.parametrize("written", ["", "{", "[]", '{"kills": 1}'])
def test_an_unreadable_account_is_replaced(
    pod: Slice, kills: OomKills, tmp_path: Path, written: str
) -> None:
    group = begun(kills, pod, "a")
    (tmp_path / "oom").mkdir()
    (tmp_path / "oom" / "kubepods-pod1.slice.json").write_text(written)
    pod.kill_in(group)
    assert OomKills(tmp_path / "oom").ended("a", group) is True


def test_a_new_slice_starts_with_new_counts(pod: Slice, kills: OomKills, tmp_path: Path) -> None:
    group = begun(kills, pod, "a")
    pod.kill_in(group, number=5)
    kills.ended("a", group)
    pod.where.rename(tmp_path / "old")  # so that the new one has another inode
    anew = Slice(pod.where)
    group = begun(kills, anew, "b")
    anew.kill_in(group)
    shutil.rmtree(group)
    assert kills.ended("b", group) is True


def test_accounts_of_slices_that_are_gone_are_dropped(
    pod: Slice, kills: OomKills, tmp_path: Path
) -> None:
    group = begun(kills, pod, "a")
    pod.kill_in(group)
    kills.ended("a", group)
    assert len(list((tmp_path / "oom").iterdir())) == 1
    shutil.rmtree(pod.where)
    begun(kills, Slice(tmp_path / "kubepods-pod2.slice"), "b")
    assert list((tmp_path / "oom").iterdir()) == []
