"""One call: when it is answered early, and what its line says."""

from collections.abc import Iterator

import pytest

from cri_shim.activity import Operation, Step, Subject, caller
from cri_shim.activity.request import request_id
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import call as calls
from cri_shim.rpc.call import Call

POD = Subject("pod", "default/web", "4f0c1b2a3d4e5f")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Later tests in this context belong to no call."""
    yield
    caller.enter(None)
    request_id.set("")


class Context:
    def __init__(self, remaining: float | None = None, *received: tuple[str, str]) -> None:
        self._remaining = remaining
        self.received = received
        self.sent: tuple[tuple[str, str], ...] = ()

    def time_remaining(self) -> float | None:
        return self._remaining

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.received

    def set_trailing_metadata(self, sent: tuple[tuple[str, str], ...]) -> None:
        self.sent = sent


def made(name: str = "RunPodSandbox", remaining: float | None = None) -> Call:
    return Call(name, Context(remaining), lambda kind, id: Subject(kind, "default/web", id))


def test_a_call_with_time_is_answered_a_moment_before_its_deadline() -> None:
    assert made(remaining=4).time_to_answer() == pytest.approx(3.9)


@pytest.mark.parametrize("remaining", [None, 0.5])
def test_a_call_without_a_deadline_or_without_time_is_not(remaining: float | None) -> None:
    assert made(remaining=remaining).time_to_answer() is None


def test_a_slow_call_has_its_parts(caplog, monkeypatch) -> None:
    caplog.set_level("INFO", calls.log.name)
    call = made()
    call.caller.operation = Operation("RunPodSandbox", POD)
    call.caller.operation.parts["CNI flaky ADD"] = 3.031
    call.succeeded()
    monkeypatch.setattr(calls, "SLOW_S", 0)
    call.succeeded()
    assert [line.partition(" ms: ")[2] for line in caplog.messages] == [
        "OK",
        "OK (CNI flaky ADD 3031)",
    ]


def test_a_line_names_the_object_of_an_id(caplog) -> None:
    caplog.set_level("INFO", calls.log.name)
    call = made("StopContainer")
    call.parsed(api.StopContainerRequest(container_id="8cd3f7760b4f99"))
    call.succeeded()
    assert "StopContainer container default/web (8cd3f7760b4f) " in caplog.text


def test_a_deadline_tells_the_caller_what_is_waited_for(caplog) -> None:
    call = made(remaining=0.15)
    operation = call.caller.operation = Operation("RunPodSandbox", POD)
    operation.steps.append(Step("CNI", "CNI plugin flaky"))
    text = call.late()
    assert text.startswith("RunPodSandbox of pod default/web (4f0c1b2a3d4e): in progress since ")
    assert "waiting for CNI plugin flaky (" in text
    assert text.endswith("; the work continues")
    assert "(its deadline); the work continues: CNI plugin flaky" in caplog.text


def test_work_that_ends_with_its_call_is_told_as_such() -> None:
    call = made("PullImage", remaining=0.15)
    call.caller.operation = Operation("PullImage", Subject("image", "busybox"))
    call.caller.operation.abandoned = True
    assert call.late().endswith("; the work ends with this call")


def test_a_call_without_an_operation_names_the_deadline() -> None:
    text = made("Exec", remaining=2).late()
    assert text == "Exec did not end within 2 s, the caller's deadline"


def test_a_stream_with_responses_ends_when_the_caller_has_enough(caplog) -> None:
    caplog.set_level("INFO", calls.log.name)
    call = made("RunPod")
    call.streaming = True
    call.cancelled(stopping=False)
    assert caplog.messages[0].endswith(" ms: ended by the caller")


def test_a_shutdown_is_no_caller_that_gave_up(caplog) -> None:
    caplog.set_level("INFO", calls.log.name)
    made().cancelled(stopping=True)
    made().cancelled(stopping=False)
    first, second = caplog.messages
    assert first.endswith("ended by the shutdown of the daemon")
    assert (
        "the caller gave up after 0 s (it cancelled the call, or its connection closed)" in second
    )


def test_a_good_probe_is_not_logged_at_info(caplog) -> None:
    caplog.set_level("INFO", calls.log.name)
    made("ExecSync").succeeded()
    made("ExecSync").failed("UNKNOWN", "no such command", usual=False)
    assert caplog.messages == []


def test_the_client_gets_the_id_of_its_call_back() -> None:
    context = Context(None, ("x-request-id", "kubelet-7"))
    call = Call("Version", context, None)

    assert (call.id, call.caller.id, request_id.get()) == ("kubelet-7",) * 3
    assert context.sent == (("x-request-id", "kubelet-7"),)


def test_the_trace_of_a_client_is_that_of_the_call() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    call = Call("Version", Context(None, ("traceparent", trace), ("tracestate", "a=b")), None)

    assert (call.caller.traceparent, call.caller.tracestate) == (trace, "a=b")


def test_the_object_of_a_request_is_that_of_the_call(caplog) -> None:
    caplog.set_level("INFO", calls.log.name)
    call = made("StopContainer")
    call.parsed(api.StopContainerRequest(container_id="8cd3f7760b4f99"))

    assert call.caller.object() == Subject("container", "default/web", "8cd3f7760b4f99")
