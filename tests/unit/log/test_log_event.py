"""The object of an event: of its message, else of the operation that logs it."""

import logging

import pytest

from cri_shim.activity import Operation, Operations, Subject, caller
from cri_shim.activity.caller import Caller
from cri_shim.log.event import Event, name_objects

ID = "4f0c1b2a3d4e5f60" * 4
CONTAINER = Subject("container", "default/web/app", ID, "b" * 64)


def event(text: str) -> Event:
    return Event.of(logging.LogRecord("cri_shim.x", logging.INFO, __file__, 1, text, (), None))


async def test_the_object_is_that_of_the_operation() -> None:
    operations = Operations()
    with operations.doing("StartContainer", CONTAINER):
        made = event("started")
    operations.close()

    assert made.object() == {
        "namespace": "default",
        "pod": "web",
        "container": "app",
        "container_id": ID,
        "pod_id": "b" * 64,
    }


async def test_an_object_that_the_message_names_comes_first() -> None:
    operations = Operations()
    stop = name_objects(lambda kind, id: Subject(kind, "kube-system/dns", id))
    with operations.doing("StartContainer", CONTAINER):
        made = event(f"pod {ID}: gone")
    operations.close()
    stop()

    assert made.message == "pod kube-system/dns (4f0c1b2a3d4e): gone"
    assert made.object() == {"namespace": "kube-system", "pod": "dns", "pod_id": ID}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (Subject("image", "docker.io/library/busybox"), {}),
        (Subject("pod", "", ID), {"pod_id": ID}),
        (Subject("container", "app", ID), {"container": "app", "container_id": ID}),
        (Subject("pod", "a/b\nc"), {"namespace": "a", "pod": "b | c"}),
    ],
)
async def test_only_known_parts_of_an_object_are_there(subject: Subject, expected) -> None:
    operations = Operations()
    with operations.doing("verb", subject):
        made = event("x")
    operations.close()

    assert made.object() == expected


async def test_the_object_of_a_call_is_that_of_its_operation_else_of_its_request() -> None:
    call = Caller("StopContainer", subject=Subject("container", "default/web/app", ID))
    caller.enter(call)
    before = event("call StopContainer")
    call.operation = Operation("StopPodSandbox", Subject("pod", "default/web"))
    after = event("call StopContainer")
    caller.enter(None)

    assert before.object()["container"] == "app"
    assert after.object() == {"namespace": "default", "pod": "web"}


def test_an_event_of_nothing_has_no_object() -> None:
    assert event("x").object() == {}
