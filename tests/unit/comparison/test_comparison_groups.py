"""Control groups: which are ours, and which of these no record needs."""

from pathlib import Path

import pytest

from cri_shim.comparison import groups
from cri_shim.comparison.difference import Difference
from cri_shim.comparison.place import Place
from cri_shim.isolation.cgroups import Cgroups
from cri_shim.isolation.hierarchies import Hierarchies, Hierarchy
from cri_shim.pb import state_pb2 as state
from tests.unit.comparison.conftest import CONTAINER, POD, STRANGER, Instance


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only tree of control groups, an empty directory."""
    top = tmp_path / "cgroup"
    top.mkdir()
    hierarchy = Hierarchy(top, "/", frozenset(), True)
    monkeypatch.setattr(Hierarchies, "all", lambda self: (hierarchy,))
    return top


def found(instance: Instance, driver: str = "cgroupfs") -> list[Difference]:
    cgroups = Cgroups("systemd" if driver == "systemd" else "cgroupfs", name="cri-shim-test")
    base = instance.place()
    place = Place(base.config, base.paths, cgroups, base.mounted, base.evidence)
    return list(groups.find(place, instance.records()))


def group(tree: Path, relative: str, *pids: int) -> None:
    (tree / relative).mkdir(parents=True)
    (tree / relative / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


def test_groups_of_pods_and_containers_with_a_record_are_no_difference(
    instance: Instance, tree: Path
) -> None:
    instance.pod()
    instance.container()
    for parent in ("cri-shim-test", "cri-shim-test-conmon"):
        group(tree, f"{parent}/{POD}")
        group(tree, f"{parent}/{CONTAINER}")
    group(tree, "cri-shim-test/of-somebody")

    assert found(instance) == []


def test_groups_below_our_own_parents_without_a_record_are_leftovers(
    instance: Instance, tree: Path
) -> None:
    group(tree, f"cri-shim-test/{STRANGER}", 4711)
    group(tree, f"cri-shim-test-conmon/{STRANGER}")

    by_key = {difference.key: difference for difference in found(instance)}

    assert by_key.keys() == {f"cri-shim-test/{STRANGER}", f"cri-shim-test-conmon/{STRANGER}"}
    assert {difference.repair for difference in by_key.values()} == {groups.REMOVE}
    assert "1 processes" in by_key[f"cri-shim-test/{STRANGER}"].sentence


def test_a_group_beside_those_of_a_pod_is_ours_only_while_it_is_empty(
    instance: Instance, tree: Path
) -> None:
    instance.pod()
    instance.pods[POD].cgroup_parent = "/kubepods/pod1"
    group(tree, f"kubepods/pod1/{STRANGER}")
    group(tree, f"kubepods/pod1/{'d' * 64}", 4711)
    group(tree, f"kubepods/pod2/{'e' * 64}")

    (difference,) = found(instance)

    assert (difference.id, difference.repair) == (STRANGER, groups.REMOVE_EMPTY)


def test_the_slice_that_instances_share_needs_evidence(instance: Instance, tree: Path) -> None:
    instance.pod()
    group(tree, f"cri.slice/cri-shim.slice/cri-shim-{STRANGER}.scope")
    assert found(instance, "systemd") == []

    instance.paths.bundle(STRANGER).mkdir(parents=True)
    (difference,) = found(instance, "systemd")
    assert difference.id == STRANGER


def test_the_group_of_an_ended_container_is_a_leftover(instance: Instance, tree: Path) -> None:
    instance.pod()
    instance.container(state.CONTAINER_EXITED)
    (tree / "cri-shim-test" / CONTAINER / "inner").mkdir(parents=True)

    (difference,) = found(instance)

    assert difference.repair == groups.REMOVE
    groups.remove(difference.key)
    groups.remove(difference.key)
    assert groups.pids(difference.key) == set()
