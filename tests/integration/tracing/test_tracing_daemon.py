"""The traces of a real daemon in a real receiver of OTLP."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import grpc.aio
import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, Setting, private_daemon
from tests.fixtures.host import until
from tests.fixtures.otlp import Receiver, attributes, receiving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
METADATA = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "kubelet-7"))
VERSION = "/runtime.v1.RuntimeService/Version"
RUN = "/runtime.v1.RuntimeService/RunPodSandbox"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def daemon(receiver: Receiver) -> Iterator[Daemon]:
    settings: dict[str, Setting] = {"tracing.endpoint": receiver.address}
    with private_daemon(0, **settings) as started:
        asyncio.run(connect(started, receiver))
        yield started


async def connect(daemon: Daemon, receiver: Receiver) -> None:
    """Let the daemon connect to the receiver: the connection is no leak of the first test."""
    async with grpc.aio.insecure_channel(f"unix://{daemon.socket}") as channel:
        await channel.unary_unary(VERSION, None, None)(b"", metadata=METADATA)
    await until(lambda: receiver.spans)


@pytest.fixture
async def channel(daemon: Daemon) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"unix://{daemon.socket}") as channel:
        yield channel


async def run_pod(cri: Cri, channel: grpc.aio.Channel) -> None:
    request = api.RunPodSandboxRequest(config=pod_config(cri.daemon))
    await channel.unary_unary(RUN, None, None)(request.SerializeToString(), metadata=METADATA)


async def test_the_trace_of_a_client_goes_down_to_the_plugins(
    cri: Cri, channel: grpc.aio.Channel, receiver: Receiver
) -> None:
    receiver.spans.clear()
    await run_pod(cri, channel)
    await until(lambda: sum(span.name == "RunPodSandbox" for span in receiver.spans) == 2)
    by_id = {span.span_id: span for span in receiver.spans}

    def way(name: str) -> list[str]:
        """Return the names of a span and of those around it."""
        span, names = receiver.named(name), [name]
        while span.parent_span_id in by_id:
            span = by_id[span.parent_span_id]
            names.append(span.name)
        assert span.parent_span_id.hex() == PARENT
        return names

    assert way("CNI bridge ADD") == [
        "CNI bridge ADD", "network", "RunPodSandbox", "RunPodSandbox",
    ]  # fmt: skip
    assert way("namespaces")[1:] == ["RunPodSandbox", "RunPodSandbox"]
    assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in receiver.spans)


async def test_the_id_of_the_request_is_in_the_trace_and_in_the_log(
    cri: Cri, channel: grpc.aio.Channel, receiver: Receiver
) -> None:
    receiver.spans.clear()
    await run_pod(cri, channel)
    await until(lambda: sum(span.name == "RunPodSandbox" for span in receiver.spans) == 2)

    ids = [
        attributes(s)["cri_shim.request_id"] for s in receiver.spans if s.name == "RunPodSandbox"
    ]
    assert ids == ["kubelet-7", "kubelet-7"]
    log = cri.daemon.log.read_text()
    assert re.search(r"rpc call RunPodSandbox .*: OK \S+ request=kubelet-7$", log, re.MULTILINE)
    assert re.search(r"CNI bridge ADD \d+ ms request=kubelet-7$", log, re.MULTILINE)


async def test_calls_without_a_trace_have_none(cri: Cri, receiver: Receiver) -> None:
    receiver.spans.clear()
    await cri.run_pod()
    await cri.runtime.Version(api.VersionRequest())
    await cri.remove_all()

    assert receiver.spans == []


async def test_a_receiver_that_fails_fails_no_call(
    cri: Cri, channel: grpc.aio.Channel, receiver: Receiver
) -> None:
    receiver.refusing = True
    try:
        await run_pod(cri, channel)
        await until(lambda: "traces cannot be sent to" in cri.daemon.log.read_text())
        await run_pod(cri, channel)
    finally:
        receiver.refusing = False
    await run_pod(cri, channel)
    await until(lambda: "traces are taken by" in cri.daemon.log.read_text())
