"""Port-forward over SPDY and the WebSocket tunnel: many connections, half-closes, resets."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.linux import nsenter
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import pod_config
from tests.fixtures.streams import WebSocket

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@contextlib.asynccontextmanager
async def serving(cri, pod, handle, family=socket.AF_INET, port=0) -> AsyncIterator[int]:
    """A server inside the pod's network namespace that handles connections; its port."""
    netns = Path((await cri.pod_info(pod))["netns"])

    def listen() -> socket.socket:
        made = socket.socket(family)
        made.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        made.listen(100)
        return made

    sock = nsenter.in_netns(netns, listen)
    tasks: set[asyncio.Task[Any] | None] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await handle(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handled, sock=sock)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        under_way = [task for task in tasks if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await asyncio.sleep(0.05)


async def echo(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def greet(reader: Reader, writer: Writer) -> None:
    writer.write(b"hello from the pod")
    await writer.drain()


async def swallow(reader: Reader, writer: Writer) -> None:
    """Say how much came, once the other side has ended."""
    count = 0
    while data := await reader.read(65536):
        count += len(data)
    writer.write(f"got {count}".encode())
    await writer.drain()


async def cut(reader: Reader, writer: Writer) -> None:
    """Break the connection off: what an abortive close sends is a reset."""
    await reader.read(1)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_bytes_are_forwarded_in_both_directions(cri, pod, forward):
    async with serving(cri, pod, echo) as port:
        session = await forward(pod)
        error, data = await session.connect(port)
        await session.wire.send(data, b"ping")
        await session.until(data, b"ping")
        await session.wire.send(data, b"", fin=True)
        await session.until_done(data, error)
    assert session.wire.received[error] == b""


async def test_data_that_the_pod_sends_before_it_closes_arrives(cri, pod, forward):
    async with serving(cri, pod, greet) as port:
        session = await forward(pod)
        _, data = await session.connect(port)
        await session.until_done(data)
        assert session.wire.received[data] == b"hello from the pod"


async def test_after_a_half_close_of_the_client_the_pod_can_answer(cri, pod, forward):
    async with serving(cri, pod, swallow) as port:
        session = await forward(pod)
        error, data = await session.connect(port)
        await session.wire.send(data, b"x" * 3_000_000, fin=True)
        await session.until_done(data, error)
    assert session.wire.received[data] == b"got 3000000"
    assert session.wire.received[error] == b""


async def test_many_connections_share_a_session(cri, pod, forward):
    async with serving(cri, pod, echo) as port:
        session = await forward(pod)
        pairs = [await session.connect(port) for _ in range(40)]
        for number, (_, data) in enumerate(pairs):
            await session.wire.send(data, f"number {number}".encode(), fin=True)
        await session.until_done(*(stream for pair in pairs for stream in pair))
    said = [session.wire.received[data].decode() for _, data in pairs]
    assert said == [f"number {number}" for number in range(40)]


async def test_a_reset_of_one_connection_does_not_affect_the_others(cri, pod, forward):
    async with serving(cri, pod, echo) as port, serving(cri, pod, cut) as cutting:
        session = await forward(pod)
        _, stays = await session.connect(port)
        _, resets = await session.connect(port)
        cut_error, cut_data = await session.connect(cutting)
        session.wire.spdy.reset(resets)
        await session.wire.send(cut_data, b"x")
        await session.until_done(cut_data, cut_error)
        await session.wire.send(stays, b"still here")
        await session.until(stays, b"still here")
    assert session.wire.received[cut_error] == b""


async def test_a_port_without_a_listener_is_reported_on_the_error_stream(cri, pod, forward):
    session = await forward(pod)
    error, data = await session.connect(9)
    await session.until_done(error, data)
    assert b"cannot connect to port 9 of pod" in session.wire.received[error]
    assert b"Connection refused" in session.wire.received[error]


async def test_ipv6_is_tried_where_ipv4_does_not_answer(cri, pod, forward):
    async with serving(cri, pod, greet, socket.AF_INET6) as port:
        session = await forward(pod)
        _, data = await session.connect(port)
        await session.until(data, b"hello")


async def test_ipv4_comes_first_where_both_answer(cri, pod, forward):
    async def greet_by_six(reader, writer):
        writer.write(b"this is IPv6")

    async with (
        serving(cri, pod, greet) as port,
        serving(cri, pod, greet_by_six, socket.AF_INET6, port),
    ):
        session = await forward(pod)
        _, data = await session.connect(port)
        await session.until_done(data)
    assert session.wire.received[data] == b"hello from the pod"


async def test_after_a_half_close_of_the_pod_the_client_can_send(cri, pod, forward):
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def speak_and_listen(reader, writer):
        writer.write(b"said all")
        writer.write_eof()
        heard.set_result(await reader.read())

    async with serving(cri, pod, speak_and_listen) as port:
        session = await forward(pod)
        error, data = await session.connect(port)
        await session.until_done(data)
        await session.wire.send(data, b"x" * 3_000_000)
        await session.wire.send(data, b"!", fin=True)
        await session.until_done(error)
        async with asyncio.timeout(5):
            assert await heard == b"x" * 3_000_000 + b"!"
    assert session.wire.received[data] == b"said all"


async def test_a_pod_on_the_host_network_is_reached_there(cri, forward):
    node = api.LinuxPodSandboxConfig()
    node.security_context.namespace_options.network = api.NODE
    node.security_context.namespace_options.pid = api.CONTAINER
    pod = await cri.run_pod(pod_config(cri.daemon, linux=node))
    server = await asyncio.start_server(greet_and_close, "127.0.0.1", 0)
    async with server:
        session = await forward(pod)
        _, data = await session.connect(server.sockets[0].getsockname()[1])
        await session.until(data, b"hello")


async def greet_and_close(reader: Reader, writer: Writer) -> None:
    await greet(reader, writer)
    writer.close()


async def test_an_invalid_port_is_refused_and_the_session_continues(cri, pod, forward):
    async with serving(cri, pod, greet) as port:
        session = await forward(pod)
        bad = await session.wire.stream(streamtype="error", port="70000", requestid="bad")
        assert bad in session.wire.resets
        _, data = await session.connect(port)
        await session.until(data, b"hello")


async def test_old_clients_without_request_ids_are_understood(cri, pod, forward):
    async with serving(cri, pod, greet) as port:
        session = await forward(pod)
        await session.wire.stream(streamtype="error", port=str(port))
        data = await session.wire.stream(streamtype="data", port=str(port))
        await session.until(data, b"hello")


async def test_large_data_is_forwarded_complete(cri, pod, forward):
    async with serving(cri, pod, pour) as port:
        session = await forward(pod)
        _, data = await session.connect(port)
        await session.wire.read_until(lambda: data in session.wire.done)
    assert len(session.wire.received[data]) == 50_000_000


async def pour(reader: Reader, writer: Writer) -> None:
    for _ in range(50):
        writer.write(b"z" * 1_000_000)
        await writer.drain()


async def test_a_client_that_disconnects_ends_its_connections(cri, pod, forward):
    ended = asyncio.Event()

    async def tell(reader, writer):
        writer.write(b"here")
        await reader.read()
        ended.set()

    async with serving(cri, pod, tell) as port:
        session = await forward(pod)
        _, data = await session.connect(port)
        await session.until(data, b"here")
        session.wire.close()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_stopped_pod_ends_the_session(cri, pod, forward):
    async with serving(cri, pod, echo) as port:
        session = await forward(pod)
        _, data = await session.connect(port)
        await session.wire.send(data, b"x")
        await session.until(data, b"x")
        await cri.stop_pod(pod)
        await session.wire.read_until(lambda: False)
        assert session.wire.ended


async def test_legacy_channels_carry_the_ports_of_the_request(cri, pod):
    async with serving(cri, pod, greet) as one, serving(cri, pod, echo) as two:
        asked = api.PortForwardRequest(pod_sandbox_id=pod, port=[one, two])
        url = (await cri.runtime.PortForward(asked)).url
        client = await WebSocket.open(url, "v4.channel.k8s.io")
        await client.send(2, b"to two")
        greeting = one.to_bytes(2, "little")
        await client.read_until(
            lambda: (
                client.received[0] == greeting + b"hello from the pod"
                and client.received[2].endswith(b"to two")
            )
        )
        assert client.received[1] == greeting
        assert client.received[3] == two.to_bytes(2, "little")
        client.close()


async def test_a_connection_that_the_pod_does_not_read_ends_with_its_client(cri, pod, forward):
    left, ended = asyncio.Event(), asyncio.Event()

    async def ignore(reader, writer):
        await left.wait()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass
        ended.set()

    async with serving(cri, pod, ignore) as port:
        session = await forward(pod)
        _, data = await session.connect(port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await session.wire.send(data, b"x" * 500_000)
        session.wire.close()
        left.set()
        async with asyncio.timeout(10):
            await ended.wait()
