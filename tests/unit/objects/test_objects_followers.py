"""Followers of the objects see every change, and their errors have no effect."""

import pytest

from cri_shim.objects import ObjectStore, Record, changed
from cri_shim.pb import state_pb2 as state
from cri_shim.state.memory import MemoryStore

Change = tuple[Record | None, Record | None]


@pytest.fixture
def objects() -> ObjectStore:
    return ObjectStore(MemoryStore())


@pytest.fixture
def seen(objects: ObjectStore) -> list[Change]:
    changes: list[Change] = []
    objects.follow(lambda before, after: changes.append((before, after)))
    return changes


def test_followers_get_the_record_before_and_after_a_change(
    objects: ObjectStore, seen: list[Change]
) -> None:
    pod = objects.put(state.PodRecord(id="p", phase=state.POD_CREATING))
    ready = objects.observe(changed(pod, phase=state.POD_READY))
    objects.forget(ready)
    container = objects.put(
        state.ContainerRecord(id="c", pod_id="p", phase=state.CONTAINER_CREATING)
    )
    objects.forget(container)
    assert seen == [(None, pod), (pod, ready), (ready, None), (None, container), (container, None)]


def test_forgetting_a_missing_object_calls_no_follower(
    objects: ObjectStore, seen: list[Change]
) -> None:
    pod = objects.put(state.PodRecord(id="p", phase=state.POD_CREATING))
    objects.forget(pod)
    objects.forget(pod)
    assert len(seen) == 2


def test_a_failing_follower_prevents_neither_the_change_nor_the_others(
    objects: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    others: list[Change] = []

    def fails(_before: Record | None, _after: Record | None) -> None:
        raise RuntimeError("a bug")

    objects.follow(fails)
    objects.follow(lambda before, after: others.append((before, after)))
    pod = objects.put(state.PodRecord(id="p", phase=state.POD_CREATING))
    assert objects.find_pod("p") is pod
    assert others == [(None, pod)]
    assert "a follower failed" in caplog.text


def test_a_removed_follower_is_not_called(objects: ObjectStore) -> None:
    seen: list[Change] = []

    def follower(before: Record | None, after: Record | None) -> None:
        seen.append((before, after))

    objects.follow(follower)
    objects.unfollow(follower)
    objects.put(state.PodRecord(id="p", phase=state.POD_CREATING))
    assert seen == []


def test_iteration_returns_each_object_in_its_current_state(objects: ObjectStore) -> None:
    for id in "abc":
        objects.put(state.PodRecord(id=id, phase=state.POD_CREATING))
        objects.put(state.ContainerRecord(id=id, pod_id=id, phase=state.CONTAINER_CREATING))
    pods, containers = objects.each_pod(), objects.each_container()
    assert (next(pods).id, next(containers).id) == ("a", "a")
    objects.put(state.PodRecord(id="b", phase=state.POD_READY))
    objects.forget(state.PodRecord(id="c", phase=state.POD_CREATING))
    objects.forget(state.ContainerRecord(id="b", pod_id="b", phase=state.CONTAINER_CREATING))
    objects.put(state.PodRecord(id="d", phase=state.POD_CREATING))
    assert [(pod.id, pod.phase) for pod in pods] == [("b", state.POD_READY)]
    assert [container.id for container in containers] == ["c"]
