"""Who follows the registry sees every change, and can break nothing."""

import pytest

from cri_shim.pb import state_pb2 as state
from cri_shim.registry import Record, Registry, changed
from cri_shim.state.memory import MemoryStore

Change = tuple[Record | None, Record | None]


@pytest.fixture
def registry() -> Registry:
    return Registry(MemoryStore())


@pytest.fixture
def seen(registry: Registry) -> list[Change]:
    changes: list[Change] = []
    registry.follow(lambda before, after: changes.append((before, after)))
    return changes


def test_put_observe_and_forget_are_told_with_before_and_after(
    registry: Registry, seen: list[Change]
) -> None:
    pod = registry.put(state.PodRecord(id="p"))
    ready = registry.observe(changed(pod, phase=state.POD_READY))
    registry.forget(ready)
    container = registry.put(state.ContainerRecord(id="c", pod_id="p"))
    registry.forget(container)
    assert seen == [(None, pod), (pod, ready), (ready, None), (None, container), (container, None)]


def test_what_is_not_there_is_not_forgotten_twice(registry: Registry, seen: list[Change]) -> None:
    pod = registry.put(state.PodRecord(id="p"))
    registry.forget(pod)
    registry.forget(pod)
    assert len(seen) == 2


def test_a_follower_that_fails_keeps_neither_the_change_nor_the_others(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    others: list[Change] = []

    def fails(_before: Record | None, _after: Record | None) -> None:
        raise RuntimeError("a bug")

    registry.follow(fails)
    registry.follow(lambda before, after: others.append((before, after)))
    pod = registry.put(state.PodRecord(id="p"))
    assert registry.find_pod("p") is pod
    assert others == [(None, pod)]
    assert "a follower failed" in caplog.text


def test_who_does_not_follow_any_more_is_not_told(registry: Registry) -> None:
    seen: list[Change] = []

    def follower(before: Record | None, after: Record | None) -> None:
        seen.append((before, after))

    registry.follow(follower)
    registry.unfollow(follower)
    registry.put(state.PodRecord(id="p"))
    assert seen == []


def test_a_walk_gives_each_object_as_it_is_at_its_turn(registry: Registry) -> None:
    for id in "abc":
        registry.put(state.PodRecord(id=id))
        registry.put(state.ContainerRecord(id=id, pod_id=id))
    pods, containers = registry.each_pod(), registry.each_container()
    assert (next(pods).id, next(containers).id) == ("a", "a")
    registry.put(state.PodRecord(id="b", phase=state.POD_READY))
    registry.forget(state.PodRecord(id="c"))
    registry.forget(state.ContainerRecord(id="b", pod_id="b"))
    registry.put(state.PodRecord(id="d"))
    assert [(pod.id, pod.phase) for pod in pods] == [("b", state.POD_READY)]
    assert [container.id for container in containers] == ["c"]
