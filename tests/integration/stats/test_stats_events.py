"""GetContainerEvents: the life of pods and containers, as a kubelet that follows it sees it."""

import time

import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.events import following

CREATED, STARTED = api.CONTAINER_CREATED_EVENT, api.CONTAINER_STARTED_EVENT
STOPPED, DELETED = api.CONTAINER_STOPPED_EVENT, api.CONTAINER_DELETED_EVENT


def _kinds(events: list[api.ContainerEventResponse]) -> list[tuple[str, int]]:
    return [(event.container_id, event.container_event_type) for event in events]


async def test_events_come_in_order_with_the_pod_and_all_its_containers(cri: Cri) -> None:
    await cri.load_busybox()
    async with following(cri) as follower:
        begin = time.time_ns()
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sleep", "1000"])
        await cri.stop(container)
        await cri.remove(container)
        await cri.stop_pod(pod)
        await cri.remove_pod(pod)
        events = await follower.take(8)
    assert _kinds(events) == [
        (pod, CREATED),
        (pod, STARTED),
        (container, CREATED),
        (container, STARTED),
        (container, STOPPED),
        (container, DELETED),
        (pod, STOPPED),
        (pod, DELETED),
    ]
    times = [event.created_at for event in events]
    assert times == sorted(times)
    assert begin <= times[0] <= time.time_ns()
    assert all(event.pod_sandbox_status.id == pod for event in events)
    assert [len(event.containers_statuses) for event in events] == [0, 0, 1, 1, 1, 0, 0, 0]
    assert events[4].containers_statuses[0].exit_code == 137


async def test_an_exit_without_a_stop_has_an_event(cri: Cri) -> None:
    await cri.load_busybox()
    async with following(cri) as follower:
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sh", "-c", "exit 3"])
        events = await follower.take(5)
    assert _kinds(events)[2:] == [
        (container, CREATED),
        (container, STARTED),
        (container, STOPPED),
    ]
    assert events[-1].containers_statuses[0].exit_code == 3


async def test_a_forced_removal_of_a_pod_has_all_events(cri: Cri) -> None:
    await cri.load_busybox()
    async with following(cri) as follower:
        pod = await cri.run_pod()
        container = await cri.run(pod, ["sleep", "1000"])
        await follower.take(4)
        await cri.remove_pod(pod)
        events = _kinds(await follower.take(4))
    assert events[0] == (pod, STOPPED)
    assert events[1:] == [(container, STOPPED), (container, DELETED), (pod, DELETED)]


async def test_every_subscriber_gets_all_events_even_after_another_leaves(
    cri: Cri,
) -> None:
    async with following(cri) as one:
        async with following(cri) as two:
            await one.take(4)  # those of the second's beginning
            pod = await cri.run_pod()
            expected = [(pod, CREATED), (pod, STARTED)]
            told = _kinds(await two.take(2))
        later = await cri.run_pod()
        seen: list[tuple[str, int]] = []
        while (later, STARTED) not in seen:
            seen += _kinds(await one.take(1))
    assert told == expected
    assert all(event in seen for event in [*expected, (later, CREATED)])


async def test_a_subscriber_that_does_not_read_is_dropped_and_the_others_get_all_events(
    cri: Cri,
) -> None:
    text = {"note": "x" * 500_000}  # a few of these are more than anybody may be behind
    async with following(cri) as deaf:
        async with following(cri) as other:
            for _ in range(20):
                pod = await cri.run_pod(pod_config(cri.daemon, annotations=text))
                told = _kinds(await other.take(2))
                assert told == [(pod, CREATED), (pod, STARTED)]
        with pytest.raises(ResourceExhausted, match="too far behind and was dropped"):
            await deaf.take(100)


async def test_a_pods_status_has_no_time_so_that_the_kubelet_asks_for_its_containers(
    cri: Cri,
) -> None:
    await cri.load_busybox()
    async with following(cri) as follower:
        pod = await cri.run_pod()
        container = await cri.create(pod, container_config(["sleep", "1000"]))
        told = (await follower.take(3))[-1]
        request = api.PodSandboxStatusRequest(pod_sandbox_id=pod)
        answer = await cri.runtime.PodSandboxStatus(request)
    assert [status.id for status in told.containers_statuses] == [container]
    assert answer.status == told.pod_sandbox_status
    assert answer.containers_statuses == told.containers_statuses
    assert answer.timestamp == 0
