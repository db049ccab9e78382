"""A client that sends small frames for ever: others are served, and it is ended where it may be."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.streaming.flood import REASON
from cri_shim.wire.spdy import Connection, Role
from cri_shim.wire.spdy.frames import control, data_head
from tests.fixtures.cri import Cri
from tests.fixtures.streams import Spdy, Talker, Tunnel, Wire

LIMIT_S = 60.0  # the machine may have other things to do
TIMES = 3000
STDIN = 3  # of a SPDY client that opens error and stdin first


def message(opcode: int, payload: bytes) -> bytes:
    """A WebSocket frame of a client, whose mask changes nothing."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def churn(first: int) -> bytes:
    """Pairs of streams opened and reset, by a client that has opened none."""
    client = Connection(Role.CLIENT)
    for number in range(TIMES):
        for kind in ("error", "data"):
            headers = {"streamtype": kind, "port": str(first), "requestid": str(number)}
            client.reset(client.open(headers))
    return b"".join(client.outgoing())


async def exec_by(transport: str, cri: Cri, container: str) -> Wire:
    asked = api.ExecRequest(container_id=container, cmd=["cat"], stdin=True, stdout=True)
    url = (await cri.runtime.Exec(asked)).url
    return (await Talker.open(transport, url, "stdin", "stdout")).wire


async def forward_by(transport: str, cri: Cri, pod: str) -> Wire:
    url = (await cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod))).url
    opener = Tunnel.open_tunnel if transport == "tunnel" else Spdy.open
    return await opener(url, "portforward.k8s.io")


USELESS: dict[str, tuple[str, str, bytes]] = {
    "empty messages": ("exec", "websocket", message(2, b"") * TIMES),
    "messages of a channel alone": ("exec", "websocket", message(2, b"\0") * TIMES),
    "WebSocket pings": ("exec", "websocket", message(9, bytes(125)) * TIMES),
    "empty data": ("exec", "spdy", data_head(STDIN, 0, 0) * TIMES),
    "SPDY pings": ("exec", "spdy", control(6, struct.pack(">I", 1)) * TIMES),
    "settings": ("exec", "spdy", control(4, struct.pack(">I", 0)) * TIMES),
    "streams opened and reset": ("forward", "spdy", churn(9)),
    "empty messages in a tunnel": ("forward", "tunnel", message(2, b"") * TIMES),
}
INPUT = {
    "messages of a byte": ("exec", "websocket", message(2, b"\0x") * TIMES),
    "frames of a byte": ("exec", "spdy", (data_head(STDIN, 1, 0) + b"x") * TIMES),
}

Flood = Callable[[str, str], Coroutine[Any, Any, socket.socket]]


@pytest.fixture
async def pod(cri: Cri) -> str:
    return await cri.run_pod()


@pytest.fixture
async def container(cri: Cri, pod: str) -> str:
    return await cri.run(pod, ["sleep", "1000"])


@pytest.fixture
async def sockets() -> AsyncIterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    yield opened
    for sock in opened:
        sock.close()


@pytest.fixture
def begin(cri: Cri, pod: str, container: str, sockets: list[socket.socket]) -> Flood:
    """A new session, by its socket."""

    async def begin(purpose: str, transport: str) -> socket.socket:
        if purpose == "exec":
            wire = await exec_by(transport, cri, container)
        else:
            wire = await forward_by(transport, cri, pod)
        sockets.append(wire.sock)
        return wire.sock

    return begin


async def pour(sock: socket.socket, flood: bytes) -> None:
    """Send repeatedly, until the connection ends."""
    with suppress(ConnectionError):
        while True:
            await asyncio.get_running_loop().sock_sendall(sock, flood)


async def read(sock: socket.socket) -> bytes:
    """Return the last data of the server before the end of the connection."""
    said = b""
    with suppress(ConnectionError):
        while data := await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
            said = (said + data)[-4096:]
    return said


async def talk(cri: Cri, container: str, sockets: list[socket.socket]) -> None:
    """A session beside the flood, from its beginning to its end."""
    asked = api.ExecRequest(container_id=container, cmd=["cat"], stdin=True, stdout=True)
    talker = await Talker.open("spdy", (await cri.runtime.Exec(asked)).url, "stdin", "stdout")
    sockets.append(talker.wire.sock)
    for number in range(10):
        await talker.send(f"line {number}\n".encode())
        await talker.until(f"line {number}\n".encode())
    await talker.end_input()
    assert await talker.code() == 0


@pytest.mark.parametrize(("purpose", "transport", "flood"), USELESS.values(), ids=USELESS)
async def test_a_client_that_sends_no_data_is_ended_and_others_are_served(
    cri: Cri, pod: str, container: str, sockets: list[socket.socket], begin: Flood,
    purpose: str, transport: str, flood: bytes,
) -> None:  # fmt: skip
    before = cri.daemon.log.read_text().count(REASON)
    sock = await begin(purpose, transport)
    pouring = asyncio.create_task(pour(sock, flood))
    async with asyncio.timeout(LIMIT_S):
        await talk(cri, container, sockets)
        said = await read(sock)
    pouring.cancel()
    await asyncio.wait([pouring])
    log = cri.daemon.log.read_text()
    name = {"exec": "exec", "forward": "portforward"}[purpose]
    assert log.count(REASON) > before
    assert re.search(rf"{name} session of pod \S+ \({pod[:12]}\): {re.escape(REASON)}", log)
    assert REASON.encode() in said or (purpose, transport) == ("forward", "spdy")


@pytest.mark.parametrize(("purpose", "transport", "flood"), INPUT.values(), ids=INPUT)
async def test_clients_whose_input_is_small_are_served_in_turn_with_others(
    cri: Cri, container: str, sockets: list[socket.socket], begin: Flood,
    purpose: str, transport: str, flood: bytes,
) -> None:  # fmt: skip
    flooding = []
    for _ in range(5):
        sock = await begin(purpose, transport)
        flooding += [
            asyncio.create_task(pour(sock, flood)), asyncio.create_task(read(sock))
        ]  # fmt: skip
    async with asyncio.timeout(LIMIT_S):
        await talk(cri, container, sockets)
        await cri.status(container)
    assert not any(task.done() for task in flooding)
    for task in flooding:
        task.cancel()
    await asyncio.wait(flooding)


async def test_a_flood_of_sizes_leaves_no_work_for_the_daemon(
    cri: Cri, pod: str, sockets: list[socket.socket]
) -> None:
    terminal = await cri.run(pod, ["cat"], "terminal", tty=True, stdin=True)
    asked = api.AttachRequest(container_id=terminal, stdin=True, stdout=True, tty=True)
    url = (await cri.runtime.Attach(asked)).url
    talker = await Talker.open("websocket", url, "stdin", "stdout", "resize")
    sockets.append(talker.wire.sock)
    size = b'\x04{"Width":80,"Height":24}'
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LIMIT_S):
        await loop.sock_sendall(talker.wire.sock, message(2, size) * TIMES)
        await talker.send(b"still here\n")
        await talker.until(b"still here")
        await cri.stop(terminal)
