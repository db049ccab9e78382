"""What is a leak: intents of a daemon that ended, and leftovers; lost things are none."""

from cri_shim.activity import Subject
from cri_shim.comparison import leaks
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.comparison.look import Look
from cri_shim.pb import state_pb2 as state
from tests.unit.comparison.conftest import CONTAINER, POD, STRANGER, Instance


def test_the_intents_of_a_daemon_that_ended_are_left_to_the_next_start(instance: Instance) -> None:
    instance.pod(state.POD_REMOVING)
    instance.container(state.CONTAINER_CREATING)
    instance.containers[CONTAINER].created_at = 5_000_000_000
    instance.container(state.CONTAINER_RUNNING, id="d" * 64)

    found = leaks.offline(instance.records(), Look())["leaks"]

    assert [(leak["class"], leak["id"], leak["since"]) for leak in found] == [
        ("removal", POD, 0.0),
        ("creation", CONTAINER, 5.0),
    ]
    assert {leak["next"] for leak in found} == {leaks.BY_START}
    assert found[1]["object"] == "container shop/web/main (bbbbbbbbbbbb)"


def test_leftovers_are_leaks_and_lost_things_are_not(instance: Instance) -> None:
    subject = Subject("pod", "", STRANGER, STRANGER)
    safe = Difference("mount", Sort.LEFTOVER, subject, "/a", "text", "unmounts it", 7.0)
    unsafe = Difference("mount", Sort.LEFTOVER, subject, "/b", "text")
    lost = Difference("mount", Sort.LOST, subject, "/c", "text")
    look = Look((safe, unsafe, lost), ("addresses could not be compared",))

    facts = leaks.offline(instance.records(), look)

    assert [(leak["path"], leak["next"]) for leak in facts["leaks"]] == [
        ("/a", leaks.BY_REPAIR),
        ("/b", leaks.BY_HAND),
    ]
    assert facts["problems"] == ["addresses could not be compared"]
