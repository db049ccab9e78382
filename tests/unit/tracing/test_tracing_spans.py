"""The spans of calls, operations and steps, and who is whose parent."""

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import StatusCode

from cri_shim.activity import Operations, Step, Subject, caller, observing
from cri_shim.activity.caller import Caller
from cri_shim.activity.joining import task_of, waiting_for
from cri_shim.tracing.spans import Spans

POD = Subject("pod", "default/web", "4f0c1b2a3d4e5f")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Made:
    """The spans that were made, by their names."""

    def __init__(self, ratio: float = 0) -> None:
        self._exporter = InMemorySpanExporter()
        sampler = ParentBased(TraceIdRatioBased(ratio))
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = Spans(provider.get_tracer("test"), always=ratio > 0)

    def all(self) -> Mapping[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def made() -> Iterator[Made]:
    made = Made()
    stop = observing.observe(made.observer)
    yield made
    stop()


def began(verb: str, traceparent: str = SAMPLED) -> Caller:
    call = Caller(verb, "request-1", traceparent)
    caller.enter(call)
    for observer in observing.observers:
        observer.call_began(call)
    return call


def ended(call: Caller, code: str = "OK") -> None:
    for observer in observing.observers:
        observer.call_ended(call, code)
    caller.enter(None)


def parent_id(span: ReadableSpan) -> int:
    assert span.parent is not None
    return int(span.parent.span_id)


def own_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_call_operation_and_steps_are_one_trace(made: Made) -> None:
    operations = Operations()
    call = began("RunPodSandbox")
    with operations.doing("RunPodSandbox pod", POD), Step("network"), Step("CNI bridge ADD"):
        pass
    ended(call)
    operations.close()

    spans = made.all()
    assert parent_id(spans["RunPodSandbox"]) == int(PARENT, 16)
    assert parent_id(spans["RunPodSandbox pod"]) == own_id(spans["RunPodSandbox"])
    assert parent_id(spans["network"]) == own_id(spans["RunPodSandbox pod"])
    assert parent_id(spans["CNI bridge ADD"]) == own_id(spans["network"])
    assert {span.context.trace_id for span in spans.values() if span.context} == {int(TRACE, 16)}


async def test_spans_have_the_object_and_the_id_of_the_request(made: Made) -> None:
    operations = Operations()
    call = began("RunPodSandbox")
    with operations.doing("run", POD):
        pass
    ended(call, "NOT_FOUND")
    operations.close()

    of_call, of_operation = made.all()["RunPodSandbox"], made.all()["run"]
    assert of_call.attributes is not None
    assert of_operation.attributes is not None
    assert of_call.attributes["cri_shim.request_id"] == "request-1"
    assert of_call.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert of_call.status.status_code is StatusCode.ERROR
    assert of_operation.attributes["cri_shim.object"] == "pod default/web (4f0c1b2a3d4e)"


async def test_a_call_that_is_not_sampled_has_no_spans(made: Made) -> None:
    operations = Operations()
    for traceparent in (NOT_SAMPLED, ""):
        call = began("RunPodSandbox", traceparent)
        with operations.doing("run", POD), Step("network"):
            pass
        ended(call)
    operations.close()

    assert made.all() == {}


async def test_with_a_rate_a_call_without_a_trace_begins_one() -> None:
    made, operations = Made(ratio=1.0), Operations()
    stop = observing.observe(made.observer)
    call = began("RunPodSandbox", "")
    with operations.doing("run", POD):
        pass
    ended(call)
    with operations.doing("retry", POD):
        pass
    stop()
    operations.close()

    spans = made.all()
    assert spans["RunPodSandbox"].parent is None
    assert parent_id(spans["run"]) == own_id(spans["RunPodSandbox"])
    assert spans["retry"].parent is None


async def test_an_operation_outlives_its_call_and_a_later_call_has_a_link(made: Made) -> None:
    operations, go = Operations(), asyncio.Event()
    first = began("RunPodSandbox")
    operation = operations.begin("run", POD)
    task = task_of(operations, operation, go.wait(), "run")
    ended(first, "DEADLINE_EXCEEDED")
    second = began("RunPodSandbox again")
    with waiting_for(operation):
        go.set()
        await task
    ended(second)
    operations.close()

    spans = made.all()
    assert parent_id(spans["run"]) == own_id(spans["RunPodSandbox"])
    assert [link.context.span_id for link in spans["RunPodSandbox again"].links] == [
        own_id(spans["run"])
    ]
    assert not spans["RunPodSandbox"].links


async def test_an_operation_within_an_operation_belongs_to_it(made: Made) -> None:
    operations = Operations()
    call = began("StopPodSandbox")
    with operations.doing("stop pod", POD), Step("containers"):
        caller.enter(None)  # as a task of an operation does
        with operations.doing("stop container", Subject("container", "c")):
            pass
    ended(call)
    operations.close()

    spans = made.all()
    assert parent_id(spans["stop container"]) == own_id(spans["containers"])


async def test_a_step_without_an_operation_belongs_to_the_call(made: Made) -> None:
    call = began("UpdateContainerResources")
    with Step("crun update"):
        pass
    ended(call)

    spans = made.all()
    assert parent_id(spans["crun update"]) == own_id(spans["UpdateContainerResources"])


async def test_a_failure_is_seen_with_its_error(made: Made) -> None:
    operations = Operations()
    call = began("RunPodSandbox")
    with pytest.raises(OSError, match="full"):
        with operations.doing("run", POD), Step("network"):
            raise OSError("the disk is\nfull")
    ended(call, "UNAVAILABLE")
    operations.close()

    spans = made.all()
    assert spans["network"].status.status_code is StatusCode.ERROR
    assert spans["run"].status.description == "the disk is | full"


async def test_a_failure_of_the_tracing_fails_nothing(made: Made, monkeypatch, caplog) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(made.observer, "_started", broken)
    for _ in range(3):
        ended(began("Version"))

    assert caplog.text.count("a span could not be made") == 1
