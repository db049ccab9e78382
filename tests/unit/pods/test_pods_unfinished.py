"""Unfinished work: each intent with what comes next, and which of it makes no progress."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.objects import ObjectStore
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import unfinished
from cri_shim.state.memory import MemoryStore
from cri_shim.work import Work
from tests.fixtures.objects import put


@pytest.fixture
async def engine() -> AsyncIterator[Any]:
    """What the module needs of an engine: objects and work."""
    work = Work()
    objects = ObjectStore(MemoryStore())
    yield SimpleNamespace(objects=objects, work=work)
    await work.drain(0)
    await objects.close()


def pod(engine: Any, phase: "state.PodPhase.ValueType", id: str = "p", **fields: Any) -> None:
    metadata = api.PodSandboxMetadata(namespace="shop", name="web")
    record = state.PodRecord(id=id, phase=phase, created_at=5_000_000_000, **fields)
    record.config.metadata.CopyFrom(metadata)
    put(engine.objects, record)


def found(engine: Any) -> list[tuple[str, str, bool]]:
    return [(one.kind, str(one.subject), one.leaks) for one in unfinished.unfinished(engine)]


async def test_objects_at_rest_have_no_unfinished_work(engine: Any) -> None:
    pod(engine, state.POD_READY)
    put(engine.objects, state.ContainerRecord(id="c", pod_id="p", phase=state.CONTAINER_RUNNING))

    assert found(engine) == []
    assert unfinished.counts(engine) == {}


async def test_an_intent_that_nothing_works_on_leaks(engine: Any) -> None:
    pod(engine, state.POD_CREATING)

    (one,) = unfinished.leaks(engine)

    assert (one.kind, one.since, one.next) == ("creation", 5.0, unfinished.NOBODY)
    assert str(one.subject) == "pod shop/web (p)"


async def test_an_intent_in_hand_does_not_leak(engine: Any) -> None:
    pod(engine, state.POD_REMOVING)

    with engine.work.operations.doing("RemovePodSandbox", engine.objects.pod_subject("p")):
        assert found(engine) == [("removal", "pod shop/web (p)", False)]


async def test_work_that_has_failed_leaks_until_it_succeeds(engine: Any) -> None:
    pod(engine, state.POD_NOTREADY, stopping=True)
    subject = engine.objects.pod_subject("p")

    async def fail() -> None:
        raise ToolFailed("busy")

    with pytest.raises(ToolFailed):
        await engine.work.retrier.ensure("stop it", fail, subject)
    (one,) = unfinished.leaks(engine)

    assert (one.kind, one.next) == ("stop", "next try in 1 s: busy")
    assert unfinished.counts(engine) == {"stop": 1}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"phase": state.CONTAINER_CREATING}, "creation"),
        ({"phase": state.CONTAINER_STARTING}, "start"),
        ({"phase": state.CONTAINER_REMOVING}, "removal"),
        ({"phase": state.CONTAINER_RUNNING, "stop": state.Stop(kill_at=1)}, "stop"),
        ({"phase": state.CONTAINER_RUNNING, "updating": api.LinuxContainerResources()}, "update"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_intent_of_a_container_has_its_class(
    engine: Any, fields: dict[str, Any], kind: str
) -> None:
    put(engine.objects, state.ContainerRecord(id="c", pod_id="p", **fields))

    assert [one[0] for one in found(engine)] == [kind]


async def test_a_stopped_pod_that_is_still_attached_waits_for_its_network(engine: Any) -> None:
    attached = state.PodNetwork(attachments=[state.NetworkAttachment(network="n")])
    pod(engine, state.POD_NOTREADY, network=attached)

    assert [one[0] for one in found(engine)] == ["network"]


async def test_work_without_a_record_is_shown_and_leaks_when_it_has_failed(engine: Any) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await go_on.wait()
        raise ToolFailed("no plugin")

    engine.work.retrier.add("network gc", work, now=True)
    await begun.wait()
    first = found(engine)
    go_on.set()
    async with asyncio.timeout(5):
        while not (leaks := unfinished.leaks(engine)):  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert first == [("work", "network gc", False)]
    assert leaks[0].next == "next try in 1 s: no plugin"


async def test_the_counts_have_the_leftovers_of_the_last_look(engine: Any) -> None:
    pod(engine, state.POD_CREATING)
    engine.work.leftovers = {"mount": 2}

    assert unfinished.counts(engine) == {"creation": 1, "mount": 2}


async def test_every_class_is_listed(engine: Any) -> None:
    pod(engine, state.POD_CREATING)

    (one,) = unfinished.unfinished(engine)

    assert one.kind in unfinished.KINDS
    assert one.facts()["leaks"] is True
