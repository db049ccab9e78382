"""Whatever a client sends to a session of any kind: no exception, and nothing is left of it."""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cri_shim.errors import Unavailable
from cri_shim.oci.command import Streams
from cri_shim.streaming.link import Session
from cri_shim.streaming.spdy_forward import SpdyForward
from cri_shim.streaming.spdy_session import SpdyCommand
from cri_shim.streaming.ws_forward import WebSocketChannels, WebSocketTunnel
from cri_shim.streaming.ws_session import WebSocketCommand
from cri_shim.wire.spdy import Connection, Role
from cri_shim.wire.spdy.frames import control, data_head
from tests.fixtures.sessions import handle, means


class World:
    """A link, a command and a pod that take everything; `tasks` are the session's."""

    def __init__(self) -> None:
        self.closed = False
        self.tasks: list[asyncio.Task[None]] = []
        self.means = means(self.spawn)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def begin(self, hearer: Any) -> Any:
        return Talk()

    async def connect(self, port: int) -> socket.socket:
        if port % 2:
            raise Unavailable("nobody listens")
        await asyncio.Event().wait()
        raise AssertionError

    # -- Link ---------------------------------------------------------------------------------

    def write(self, pieces: Any) -> None:
        b"".join(pieces)

    def backlog(self) -> int:
        return 0

    def throttle(self, on: bool) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close


class Talk:
    """Never ends by itself."""

    def feed(self, data: bytes | memoryview) -> int:
        return len(data)

    def feed_end(self) -> None:
        pass

    def resize(self, width: int, height: int) -> None:
        struct.pack("HH", width, height)

    def pause(self) -> None:
        pass

    resume = pause

    async def wait(self) -> int | None:
        await asyncio.Event().wait()
        return 0

    async def close(self) -> None:
        pass


ALL = Streams(stdin=True, stdout=True, stderr=True, tty=False)
TERMINAL = Streams(stdin=True, stdout=True, stderr=False, tty=True)

KINDS: dict[str, Callable[[World], Session]] = {
    "exec over SPDY": lambda w: SpdyCommand(w, "v4.channel.k8s.io", ALL, w.begin, w.means),
    "terminal over SPDY": lambda w: SpdyCommand(w, "v4.channel.k8s.io", TERMINAL, w.begin, w.means),
    "exec over v5": lambda w: WebSocketCommand(w, "v5.channel.k8s.io", ALL, w.begin, w.means),
    "terminal over base64": lambda w: WebSocketCommand(
        w, "v4.base64.channel.k8s.io", TERMINAL, w.begin, w.means
    ),
    "port-forward": lambda w: SpdyForward(w, w.connect, w.means),
    "tunnel": lambda w: WebSocketTunnel(w, w.connect, w.means),
    "channels": lambda w: WebSocketChannels(w, "v4.channel.k8s.io", [1, 2], w.connect, w.means),
    "text channels": lambda w: WebSocketChannels(
        w, "v4.base64.channel.k8s.io", [1, 2], w.connect, w.means
    ),
}


def opened() -> bytes:
    """Streams 1 to 9 of a client, with the headers of both purposes."""
    client = Connection(Role.CLIENT)
    for number, kind in enumerate(["error", "stdin", "stdout", "stderr", "resize"]):
        client.open({"streamtype": kind if number else "error", "port": "80", "requestid": "1"})
    client.open({"streamtype": "data", "port": "80", "requestid": "1"})
    return b"".join(client.outgoing())


streams = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 11, 13])
payloads = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b'{"Width":80,"Height":24}', b"\x00in", b"\xff\x00", b"0aGVsbG8=", b"4e30="]),
)
spdy = st.one_of(
    st.just(opened()),
    st.builds(
        lambda stream, data, flags: data_head(stream, len(data), flags) + data,
        streams,
        payloads,
        st.integers(0, 1),
    ),
    st.builds(
        lambda kind, one, two: control(kind, struct.pack(">II", one, two)),
        st.sampled_from([3, 7, 9]),
        streams,
        streams,
    ),
    st.builds(lambda kind, payload: control(kind, payload), st.integers(1, 10), payloads),
)


def message(payload: bytes, opcode: int, fin: bool, masked: bool) -> bytes:
    """A WebSocket frame of a client, whose mask changes nothing."""
    head = bytes([fin << 7 | opcode, masked << 7 | min(len(payload), 126)])
    longer = struct.pack(">H", len(payload)) if len(payload) > 125 else b""
    return head + longer + bytes(4 * masked) + payload


websocket = st.builds(
    message,
    st.one_of(payloads, spdy),
    st.sampled_from([0, 1, 1, 2, 2, 2, 8, 9, 10, 11]),
    st.booleans(),
    st.sampled_from([True] * 9 + [False]),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=st.lists(st.one_of(spdy, websocket, websocket, st.binary(max_size=20)), max_size=12))
def test_no_bytes_of_a_client_raise_and_nothing_is_left(kind: str, sent: list[bytes]) -> None:
    async def attempt() -> list[asyncio.Task[None]]:
        world = World()
        session = KINDS[kind](world)
        for piece in sent:
            handle(session, piece)
            await asyncio.sleep(0)
        session.pause()
        session.resume()
        session.gone()
        await asyncio.sleep(0)
        await asyncio.gather(*world.tasks, return_exceptions=True)
        return world.tasks

    for task in asyncio.run(attempt()):
        assert task.cancelled() or task.exception() is None
