"""Whose limit was reached, from files of control groups."""

from pathlib import Path
from typing import cast

import pytest

from cri_shim.isolation.control_groups import ControlGroups
from cri_shim.metrics.oom_level import oom_level


class Groups:
    """Control groups of one pod and one container below `directory`."""

    def __init__(self, directory: Path, *, v2: bool) -> None:
        self.v2 = v2
        self._directory = directory

    def file(self, oci_path: str, controller: str, v1: str, v2: str) -> Path:
        return self._directory / "pod" / oci_path / (v2 if self.v2 else v1)

    def write(self, where: str, count: int) -> None:
        file = self._directory / where / ("memory.events.local" if self.v2 else "memory.failcnt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"low 0\nmax 3\noom {count}\noom_kill 1\n" if self.v2 else f"{count}\n")


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize(
    ("own", "of_pod", "expected"),
    [(1, 0, "container"), (1, 1, "container"), (0, 2, "pod"), (0, 0, "node")],
)
def test_the_lowest_level_whose_limit_was_reached(tmp_path, v2, own, of_pod, expected) -> None:
    groups = Groups(tmp_path, v2=v2)
    groups.write("pod/container", own)
    groups.write("pod", of_pod)

    assert oom_level(cast(ControlGroups, groups), "container") == expected


def test_a_group_that_has_gone_leaves_only_the_level_of_the_pod(tmp_path) -> None:
    groups = Groups(tmp_path, v2=True)
    groups.write("pod", 0)
    assert oom_level(cast(ControlGroups, groups), "container") == "unknown"
    groups.write("pod", 1)
    assert oom_level(cast(ControlGroups, groups), "container") == "pod"


def test_a_container_without_a_group_is_unknown(tmp_path) -> None:
    assert oom_level(cast(ControlGroups, Groups(tmp_path, v2=True)), "") == "unknown"
