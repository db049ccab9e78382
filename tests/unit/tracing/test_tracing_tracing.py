"""The traces from their start to their end, with a real receiver."""

from cri_shim.activity import Operations, Step, Subject, observing
from cri_shim.activity.caller import Caller
from cri_shim.tracing.tracing import Tracing
from tests.fixtures.otlp import attributes, receiving

POD = Subject("pod", "default/web", "4f0c1b2a3d4e5f")


async def test_the_last_spans_are_sent_before_the_end() -> None:
    operations = Operations()
    with receiving() as receiver:
        async with Tracing(receiver.address, per_million=1_000_000) as tracing:
            with operations.doing("RunPodSandbox", POD), Step("network"):
                pass
        assert tracing.counts() == {"exported": 2, "failed": 0, "dropped": 0}
    operations.close()

    outer, inner = receiver.named("RunPodSandbox"), receiver.named("network")
    assert inner.parent_span_id == outer.span_id
    assert attributes(outer)["cri_shim.object"] == "pod default/web (4f0c1b2a3d4e)"
    assert receiver.resource["service.name"] == "cri-shim"
    assert observing.observers == ()


async def test_without_a_rate_only_traces_of_clients_are_kept() -> None:
    with receiving() as receiver:
        async with Tracing(receiver.address) as tracing:
            for traceparent in ("", f"00-{'a' * 32}-{'b' * 16}-01"):
                call = Caller("Version", "id", traceparent)
                observing.observers[0].call_began(call)
                observing.observers[0].call_ended(call, "OK")
        assert tracing.counts()["exported"] == 1

    assert receiver.named("Version").trace_id == bytes([0xAA] * 16)
