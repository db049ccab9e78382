"""Own times: what no inner stage has; overlapping stages count once."""

import pytest

from cri_shim.timeline.entry import Entry, Stage, pod_name, union
from tests.unit.timeline.made import entry


def test_the_own_time_of_a_stage_is_without_its_inner_ones() -> None:
    made = entry(
        "RunPodSandbox",
        0.0,
        3.0,
        Stage("network", "", -1, 0.5, 2.25),
        Stage("CNI slow ADD", "", 0, 0.5, 2.0),
        Stage("CNI fast ADD", "", 0, 2.5, 0.25),
    )
    assert made.own_seconds() == pytest.approx([0.75, 0.0, 2.0, 0.25])


def test_stages_side_by_side_count_once_for_the_one_around_them() -> None:
    made = entry(
        "RemovePodSandbox",
        0.0,
        2.0,
        Stage("container a", "", -1, 0.0, 1.5),
        Stage("container b", "", -1, 0.5, 1.5),
    )
    assert made.own_seconds() == pytest.approx([0.0, 1.5, 1.5])


def test_spans_that_overlap_are_covered_once() -> None:
    assert union([(3, 4), (0, 2), (1, 2.5), (1, 1)]) == 3.5
    assert union([]) == 0


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([entry()], "default/web"),
        ([entry(kind="image", name="x/y"), entry(kind="container", name="a/b/c")], "a/b"),
        ([entry(kind="image", name="x/y")], ""),
        ([], ""),
    ],
)
def test_the_name_of_the_pod_is_that_of_its_first_entry(entries: list[Entry], name: str) -> None:
    assert pod_name(entries) == name
