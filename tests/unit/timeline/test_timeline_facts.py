"""The JSON of a timeline, and how long the start of a pod took."""

import json

import pytest

from cri_shim.timeline import Stage, facts
from tests.unit.timeline.made import POD_ID, entry

MAIN, SIDE = "default/web/main", "default/web/side"
START = [
    entry("RunPodSandbox", 0.0, 2.0, Stage("CNI slow ADD", "", -1, 0.1, 1.8)),
    entry("PullImage", 3.0, 4.0, kind="image", name="busybox"),
    entry("CreateContainer", 7.0, 1.0, kind="container", name=MAIN),
    entry("StartContainer", 8.0, 0.5, kind="container", name=MAIN),
]


def test_the_start_is_the_time_of_the_runtime_not_that_between_its_operations() -> None:
    assert facts.start_seconds(START) == pytest.approx(7.5)


def test_later_starts_and_stops_do_not_count() -> None:
    later = [
        entry("StopContainer", 20.0, 30.0, kind="container", name=MAIN),
        entry("PullImage", 60.0, 10.0, kind="image", name="busybox"),
        entry("CreateContainer", 70.0, 9.0, kind="container", name=MAIN),
        entry("StartContainer", 80.0, 9.0, kind="container", name=MAIN),
    ]
    assert facts.start_seconds([*later, *START]) == pytest.approx(7.5)


def test_two_containers_and_their_pulls_count() -> None:
    more = [
        entry("PullImage", 7.5, 2.0, kind="image", name="other"),
        entry("CreateContainer", 9.5, 1.0, kind="container", name=SIDE),
        entry("StartContainer", 10.5, 1.0, kind="container", name=SIDE),
    ]
    assert facts.start_seconds([*START, *more]) == pytest.approx(10.5)


def test_a_pod_that_was_only_stopped_has_no_start() -> None:
    assert facts.start_seconds([entry("StopPodSandbox", 0.0, 9.0)]) == 0


def test_a_timeline_is_json_in_the_order_of_the_begins() -> None:
    found = json.loads(json.dumps(facts.timeline(POD_ID, "default/web", START[::-1])))
    assert (found["id"], found["name"], found["startSeconds"]) == (POD_ID, "default/web", 7.5)
    assert [each["verb"] for each in found["operations"]] == [each.verb for each in START]
    first = found["operations"][0]
    assert first["begin"] == "1970-01-01T00:00:00.000000Z"
    assert (first["seconds"], first["ownSeconds"]) == (2.0, pytest.approx(0.2))
    assert first["stages"] == [
        {
            "name": "CNI slow ADD",
            "waitedFor": "",
            "depth": 1,
            "begin": 0.1,
            "seconds": 1.8,
            "ownSeconds": 1.8,
            "failed": False,
            "open": False,
        }
    ]


def test_a_row_of_the_slowest_names_the_longest_stage() -> None:
    found = facts.row(POD_ID, "default/web", START[:1])
    assert (found["longestStage"], found["longestSeconds"]) == ("CNI slow ADD", 1.8)
    assert (found["failed"], found["begin"]) == (False, "1970-01-01T00:00:00.000000Z")


def test_a_row_names_an_operation_whose_time_no_stage_has() -> None:
    found = facts.row(POD_ID, "default/web", START)
    assert (found["longestStage"], found["longestSeconds"]) == ("PullImage", 4.0)


def test_a_pod_whose_start_failed_says_so() -> None:
    assert facts.row(POD_ID, "x", [entry(failure="no address is free")])["failed"]
