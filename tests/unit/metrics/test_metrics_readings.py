"""What a scrape reads from the other parts."""

import pytest

from cri_shim.activity import Step, Subject
from cri_shim.errors import ResourceExhausted
from cri_shim.metrics.declared import METRICS
from cri_shim.metrics.lag import Lag
from cri_shim.metrics.readings import Sources, Summary, Value, read
from cri_shim.metrics.recorder import Recorder
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from tests.fixtures.objects import put
from tests.unit.metrics.sources import sources


def reading(of: Sources, name: str) -> dict[tuple[str, ...], Value]:
    return read(of, Recorder(lambda container: "pod"), Lag())[name]


async def test_every_declared_metric_is_read() -> None:
    found = read(sources(), Recorder(lambda container: "pod"), Lag())
    elsewhere = {name for name in METRICS if name.startswith("process_")}

    assert set(found) == set(METRICS) - elsewhere - {"cri_shim_scrapes_total"}


async def test_the_labels_of_every_value_are_those_that_are_declared() -> None:
    found = read(sources(), Recorder(lambda container: "pod"), Lag())

    for name, values in found.items():
        assert {len(labels) for labels in values} <= {len(METRICS[name].labels)}, name


async def test_objects_are_counted_by_phase() -> None:
    of = sources()
    put(of.engine.objects, state.PodRecord(id="a", phase=state.POD_READY))
    put(of.engine.objects, state.ContainerRecord(id="b", phase=state.CONTAINER_RUNNING))

    assert reading(of, "cri_shim_pods")["ready",] == 1
    assert reading(of, "cri_shim_pods")["removing",] == 0
    assert reading(of, "cri_shim_containers")["running",] == 1


async def test_an_intent_that_is_not_worked_on_is_unfinished() -> None:
    of = sources()
    put(of.engine.objects, state.PodRecord(id="a", phase=state.POD_REMOVING))
    put(of.engine.objects, state.ContainerRecord(id="b", phase=state.CONTAINER_CREATING))
    with of.engine.work.operations.doing("CreateContainer", Subject("container", "", "b")):
        assert reading(of, "cri_shim_unfinished_intents") == {
            ("pod", "creating"): 0,
            ("pod", "removing"): 1,
            ("container", "creating"): 0,
            ("container", "removing"): 0,
        }
    of.engine.work.operations.close()


async def test_leaks_are_those_of_the_list_with_the_leftovers_of_the_last_look() -> None:
    of = sources()
    put(of.engine.objects, state.PodRecord(id="a", phase=state.POD_REMOVING))
    of.engine.work.leftovers = {"mount": 2}

    found = reading(of, "cri_shim_leaks")

    assert {labels: value for labels, value in found.items() if value} == {
        ("removal",): 1,
        ("mount",): 2,
    }
    assert found["creation",] == 0


async def test_operations_are_counted_and_those_in_a_queue() -> None:
    of = sources()
    with of.engine.work.operations.doing("StopContainer", Subject("container", "", "b")):
        with Step("queue"):
            assert reading(of, "cri_shim_operations") == {("StopContainer",): 1}
            assert reading(of, "cri_shim_operations_queued") == {(): 1}
        assert reading(of, "cri_shim_operations_queued") == {(): 0}
    of.engine.work.operations.close()
    assert reading(of, "cri_shim_oldest_operation_seconds") == {(): 0}


async def test_pulls_are_those_of_the_counters() -> None:
    of = sources()
    of.engine.images.pulls.counters.ended("ok", 2.5, bytes=100, fetched=3, here=1)

    assert reading(of, "cri_shim_image_pull_duration_seconds")["ok",] == Summary(1, 2.5)
    assert reading(of, "cri_shim_image_pull_bytes_total") == {(): 100}
    assert reading(of, "cri_shim_image_pull_layers_total") == {("registry",): 3, ("local",): 1}


async def test_subscribers_that_are_dropped_are_counted() -> None:
    of = sources()
    of.events.subscribe()
    assert reading(of, "cri_shim_event_subscribers") == {(): 1}
    of.events.publish(api.ContainerEventResponse(container_id="b"))
    assert reading(of, "cri_shim_events_queued_bytes") == {(): 3}
    for _ in range(4):
        of.events.publish(api.ContainerEventResponse(container_id="b"))

    assert reading(of, "cri_shim_event_subscribers_dropped_total") == {(): 1}
    assert reading(of, "cri_shim_event_subscribers") == {(): 0}


async def test_sessions_are_counted_by_purpose_and_refusals() -> None:
    of = sources()
    slots = [of.sessions.take("pod", "exec") for _ in range(5)]
    with pytest.raises(ResourceExhausted):
        of.sessions.take("pod", "exec")
    slots[0].free()

    assert reading(of, "cri_shim_streaming_sessions") == {
        ("exec",): 4,
        ("attach",): 0,
        ("portforward",): 0,
    }
    assert reading(of, "cri_shim_streaming_sessions_refused_total") == {(): 1}


async def test_the_conditions_and_problems_are_those_of_the_daemon() -> None:
    of = sources()

    assert reading(of, "cri_shim_ready") == {("runtime",): 0, ("network",): 1}
    assert reading(of, "cri_shim_problems")["warning",] == 1
    assert reading(of, "cri_shim_server_restarts_total") == {(): 2}
