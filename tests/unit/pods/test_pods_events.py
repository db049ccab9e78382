"""Events are the lines that records cross."""

from typing import Any

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.objects import ObjectStore, changed
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.events import Events
from cri_shim.state.memory import MemoryStore
from tests.fixtures.objects import put

CREATED, STARTED = api.CONTAINER_CREATED_EVENT, api.CONTAINER_STARTED_EVENT
STOPPED, DELETED = api.CONTAINER_STOPPED_EVENT, api.CONTAINER_DELETED_EVENT


@pytest.fixture
def objects() -> ObjectStore:
    return ObjectStore(MemoryStore())


def _pod(phase: Any = state.POD_CREATING) -> state.PodRecord:
    config = api.PodSandboxConfig(metadata=api.PodSandboxMetadata(name="web"))
    return state.PodRecord(version=1, id="p", phase=phase, config=config, created_at=1)


def _container(phase: Any = state.CONTAINER_CREATING) -> state.ContainerRecord:
    return state.ContainerRecord(version=1, id="c", pod_id="p", phase=phase, created_at=1)


async def _told(objects: ObjectStore, *steps: Any) -> list[api.ContainerEventResponse]:
    """The events of records put in turn; a record in a list is forgotten."""
    events = Events(objects)
    events.start()
    subscription = events.subscribe()
    for step in steps:
        objects.forget(step[0]) if isinstance(step, list) else objects.put(step)
    events.close()
    return [event async for event in subscription]


def _kinds(events: list[api.ContainerEventResponse]) -> list[tuple[str, int]]:
    return [(event.container_id, event.container_event_type) for event in events]


async def test_a_pods_whole_life_has_events(objects: ObjectStore) -> None:
    pod = _pod()
    ready = changed(pod, phase=state.POD_READY)
    stopped = changed(pod, phase=state.POD_NOTREADY)
    removing = changed(pod, phase=state.POD_REMOVING)
    events = await _told(objects, pod, ready, stopped, removing, [removing])
    assert _kinds(events) == [("p", CREATED), ("p", STARTED), ("p", STOPPED), ("p", DELETED)]
    assert [e.pod_sandbox_status.state for e in events] == [0, 0, 1, 1]
    assert all(e.pod_sandbox_status.metadata.name == "web" for e in events)


async def test_the_events_of_a_containers_whole_life_have_its_pod(objects: ObjectStore) -> None:
    put(objects, _pod(state.POD_READY))
    created = _container(state.CONTAINER_CREATED)
    starting = changed(created, phase=state.CONTAINER_STARTING)
    running = changed(starting, phase=state.CONTAINER_RUNNING, started_at=2)
    ended = changed(running, phase=state.CONTAINER_EXITED, finished_at=3)
    removing = changed(ended, phase=state.CONTAINER_REMOVING)
    events = await _told(
        objects, _container(), created, starting, running, ended, removing, [removing]
    )
    assert _kinds(events) == [("c", CREATED), ("c", STARTED), ("c", STOPPED), ("c", DELETED)]
    assert all(e.pod_sandbox_status.id == "p" for e in events)
    states = [[s.state for s in e.containers_statuses] for e in events]
    assert states == [
        [api.CONTAINER_CREATED],
        [api.CONTAINER_RUNNING],
        [api.CONTAINER_EXITED],
        [],
    ]


async def test_a_failed_create_has_no_event(objects: ObjectStore) -> None:
    pod, container = _pod(), _container()
    events = await _told(
        objects,
        container,
        changed(container, phase=state.CONTAINER_REMOVING),
        [container],
        pod,
        changed(pod, phase=state.POD_REMOVING),
        [pod],
    )
    assert events == []


async def test_a_start_that_fails_is_an_end_without_a_beginning(objects: ObjectStore) -> None:
    created = _container(state.CONTAINER_CREATED)
    starting = changed(created, phase=state.CONTAINER_STARTING)
    failed = changed(
        starting,
        phase=state.CONTAINER_EXITED,
        started_at=2,
        finished_at=3,
        reason="StartError",
    )
    put(objects, created)
    assert _kinds(await _told(objects, starting, failed)) == [("c", STOPPED)]


async def test_an_end_before_the_start_was_recorded_is_both(objects: ObjectStore) -> None:
    starting = put(objects, changed(_container(state.CONTAINER_STARTING), started_at=2))
    ended = changed(starting, phase=state.CONTAINER_EXITED, finished_at=3, reason="Completed")
    assert _kinds(await _told(objects, ended)) == [("c", STARTED), ("c", STOPPED)]


async def test_a_forced_removal_has_the_stop_event_first(objects: ObjectStore) -> None:
    running = put(objects, _container(state.CONTAINER_RUNNING))
    removing = changed(running, phase=state.CONTAINER_REMOVING, started_at=2)
    assert _kinds(await _told(objects, removing, [removing])) == [("c", STOPPED), ("c", DELETED)]


async def test_a_change_within_a_phase_is_no_event(objects: ObjectStore) -> None:
    running = put(objects, _container(state.CONTAINER_RUNNING))
    assert await _told(objects, changed(running, reason="resized")) == []


async def test_times_never_go_back(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([500, 400, 600, 700])
    monkeypatch.setattr("cri_shim.pods.events.time.time_ns", lambda: next(clock))
    pod = _pod()
    ready = changed(pod, phase=state.POD_READY)
    events = await _told(objects, pod, ready, changed(pod, phase=state.POD_NOTREADY), [pod])
    assert [event.created_at for event in events] == [500, 500, 600, 700]


async def test_a_slow_subscriber_is_dropped_with_an_error(objects: ObjectStore) -> None:
    events = Events(objects, limit=1)
    events.start()
    slow = events.subscribe()
    objects.put(_pod())
    objects.put(_pod(state.POD_READY))  # two events
    assert (await anext(slow)).container_event_type == CREATED
    with pytest.raises(ResourceExhausted):
        await anext(slow)
    events.close()


async def test_objects_of_another_state_namespace_have_no_events() -> None:
    objects = ObjectStore(MemoryStore(), "mine")
    events = await _told(objects, _pod(), _pod(state.POD_READY))
    assert events == []
