"""Records with more text than one message can hold."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from cri_shim.errors import ResourceExhausted
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc import message_size
from cri_shim.rpc.stub import RUNTIME, Stub
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon

PODS, NOTE = 40, "x" * 500_000  # 20 MB together


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


async def large_pod(cri: Cri) -> str:
    linux = api.LinuxPodSandboxConfig()
    linux.security_context.namespace_options.network = api.NODE
    linux.security_context.namespace_options.pid = api.CONTAINER
    return await cri.run_pod(pod_config(cri.daemon, annotations={"note": NOTE}, linux=linux))


@pytest.fixture
async def pods(rig: Rig) -> AsyncIterator[list[str]]:
    made = await asyncio.gather(*(large_pod(rig.cri) for _ in range(PODS)))
    yield made
    for pod in made:
        await rig.cri.remove_pod(pod)


async def listed(daemon: Daemon, *metadata: tuple[str, str]) -> api.ListPodSandboxResponse:
    """List by a client that accepts messages of any size."""
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"unix:{daemon.socket}", options=options) as channel:
        call: Any = Stub(channel, RUNTIME).ListPodSandbox
        answer = await call(api.ListPodSandboxRequest(), metadata=metadata)
    return cast(api.ListPodSandboxResponse, answer)


async def test_long_lists_are_refused_unless_streamed_or_the_client_accepts_them(
    rig: Rig, pods: list[str]
) -> None:
    parts = rig.cri.runtime.StreamPodSandboxes(api.StreamPodSandboxesRequest())
    streamed = [pod async for part in parts for pod in part.pod_sandboxes]
    assert sum(pod.ByteSize() for pod in streamed) > message_size.MAX_BYTES
    with pytest.raises(ResourceExhausted, match=r"ListPodSandbox: .*call StreamPodSandboxes"):
        await rig.cri.pods()
    with pytest.raises(grpc.aio.AioRpcError, match="call StreamPodSandboxes"):
        await listed(rig.daemon)
    everything = await listed(rig.daemon, (message_size.ALLOWANCE, str(64 << 20)))
    assert {pod.id for pod in streamed} == {*pods}
    assert list(everything.items) == streamed


async def test_filtered_lists_are_answered(rig: Rig, pods: list[str]) -> None:
    assert await rig.cri.pods(id=pods[0]) == [pods[0]]
    assert (await rig.cri.pod_status(pods[0])).annotations["note"] == NOTE
