"""Clients that flood the server with small frames: the size of a turn, and the limit."""

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from wsproto.connection import Connection as WsConnection
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection

from cri_shim.oci.command import Streams
from cri_shim.streaming import spdy_forward as module
from cri_shim.streaming.flood import BURST, REASON
from cri_shim.streaming.link import Session
from cri_shim.streaming.memory import Pool
from cri_shim.streaming.resources import Resources
from cri_shim.streaming.spdy_forward import SpdyForward
from cri_shim.streaming.spdy_session import SpdyCommand
from cri_shim.streaming.ws_forward import WebSocketChannels, WebSocketTunnel
from cri_shim.streaming.ws_session import WebSocketCommand
from cri_shim.wire.spdy import Connection, DataReceived, GoneAway, Role, StreamReset
from cri_shim.wire.spdy.frames import control, data_head
from tests.fixtures.sessions import Unbounded, handle

ALL = Streams(stdin=True, stdout=True, stderr=True, tty=True)
MANY = 2 * BURST


class InteractiveSession:
    """A command that reads all input and never ends by itself."""

    def __init__(self) -> None:
        self.fed = 0
        self.closed = False

    def feed(self, data: bytes | memoryview) -> int:
        self.fed += len(data)
        return 0

    def feed_end(self) -> None:
        """Nothing to do."""

    def resize(self, width: int, height: int) -> None:
        """Nothing to do."""

    def pause(self) -> None:
        """Nothing to do."""

    resume = pause

    async def wait(self) -> int | None:
        await asyncio.Event().wait()
        return 0

    async def close(self) -> None:
        self.closed = True


class World:
    """A link, a command, and a pod whose ports never answer."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.closed = False
        self.talk = InteractiveSession()
        self.tasks: list[asyncio.Task[None]] = []
        self.complaints: list[str] = []
        self.connections = Unbounded()
        self.resources = Resources(
            self.spawn, Pool(1 << 30), self.connections, self.complaints.append, lambda *_: None
        )

    def spawn(self, name: str, work: Any) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def begin(self, handler: Any) -> Any:
        return self.talk

    async def connect(self, port: int) -> Any:
        await asyncio.Event().wait()

    def write(self, pieces: Any) -> None:
        if not self.closed:
            self.sent += b"".join(pieces)

    def backlog(self) -> int:
        return 0

    def throttle(self, on: bool) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self.closed = True

    abort = close


def opened(*streams: dict[str, str]) -> bytes:
    client = Connection(Role.CLIENT)
    for headers in streams:
        client.open(headers)
    return b"".join(client.outgoing())


PAIR = [{"streamtype": kind, "port": "1", "requestid": "1"} for kind in ("error", "data")]
COMMAND = [{"streamtype": kind} for kind in ("error", "stdin", "stdout", "resize")]
STDIN = DATA = 3  # the second stream of each


def message(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """A WebSocket frame of a client, whose mask changes nothing."""
    return bytes([fin << 7 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def tunnelled(data: bytes) -> bytes:
    return b"".join(message(2, data[at : at + 100]) for at in range(0, len(data), 100))


# Each kind of session, and what its client begins with.
SESSIONS: dict[str, tuple[Callable[[World], Session], bytes]] = {
    "exec over SPDY": (
        lambda w: SpdyCommand(w, "v4.channel.k8s.io", ALL, w.begin, w.resources),
        opened(*COMMAND),
    ),
    "forward over SPDY": (lambda w: SpdyForward(w, w.connect, w.resources), opened(*PAIR)),
    "exec over WebSocket": (
        lambda w: WebSocketCommand(w, "v5.channel.k8s.io", ALL, w.begin, w.resources),
        b"",
    ),
    "channels": (
        lambda w: WebSocketChannels(w, "v4.channel.k8s.io", [1], w.connect, w.resources),
        b"",
    ),
    "tunnel": (lambda w: WebSocketTunnel(w, w.connect, w.resources), tunnelled(opened(*PAIR))),
}


def churn(count: int, words: bytes = b"") -> bytes:
    """Return frames of stream pairs that carry data, or none, and are reset."""
    client = Connection(Role.CLIENT)
    for number in range(count):
        pair = [client.open({**headers, "requestid": str(number)}) for headers in PAIR]
        if words:
            client.send(pair[1], words)
        for stream in pair:
            client.reset(stream)
    return b"".join(client.outgoing())


SPDY = {
    "empty data": data_head(STDIN, 0, 0) * MANY,
    "pings": control(6, struct.pack(">I", 1)) * MANY,
    "settings": control(4, struct.pack(">I", 0)) * MANY,
    "window updates": control(9, struct.pack(">II", 1, 1)) * MANY,
    "resets of nothing": control(3, struct.pack(">II", 99, 5)) * MANY,
    "unknown frames": control(77, b"") * MANY,
    "goaways": control(7, struct.pack(">II", 0, 0)) * MANY,
}
WEBSOCKET = {
    "empty messages": message(2) * MANY,
    "empty fragments": message(2, b"\0", fin=False) + message(0, fin=False) * MANY,
    "pings": message(9) * MANY,
    "pongs": message(10, b"x") * MANY,
}
CHANNELS = {
    "messages of a channel alone": message(2, b"\0") * MANY,
    "messages to nobody": message(2, b"\x09x") * MANY,
}
COMMANDS = {
    "resizes": message(2, b'\x04{"Width":80,"Height":24}') * MANY,
    "ends of a channel": message(2, b"\xff\x00") * MANY,
}
FLOODS = {
    "exec over SPDY": SPDY,
    "forward over SPDY": SPDY,
    "exec over WebSocket": WEBSOCKET | CHANNELS | COMMANDS,
    "channels": WEBSOCKET | CHANNELS,
    "tunnel": WEBSOCKET | {f"SPDY's {name}": tunnelled(flood) for name, flood in SPDY.items()},
}


def begun(kind: str, world: World) -> Session:
    make, first = SESSIONS[kind]
    session = make(world)
    handle(session, first)
    return session


async def settle(world: World, session: Session) -> None:
    """End the connection and wait for the tasks of the session."""
    session.gone()
    async with asyncio.timeout(5):
        await asyncio.gather(*world.tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("kind", "flood"),
    [(kind, flood) for kind, floods in FLOODS.items() for flood in floods],
)
async def test_a_client_that_floods_the_server_is_ended(kind: str, flood: str) -> None:
    world = World()
    session = begun(kind, world)
    await asyncio.sleep(0)
    handle(session, FLOODS[kind][flood])
    assert world.closed
    assert world.complaints == [REASON]
    await settle(world, session)
    assert world.talk.closed == kind.startswith("exec")
    assert world.connections.taken == 0


@pytest.mark.parametrize("kind", ["forward over SPDY", "tunnel"])
async def test_streams_that_are_opened_and_reset_end_the_session(kind: str) -> None:
    world = World()
    session = SESSIONS[kind][0](world)
    flood = churn(MANY // 4 + 1)
    handle(session, tunnelled(flood) if kind == "tunnel" else flood)
    assert world.closed
    assert world.complaints[-1] == REASON
    await settle(world, session)
    assert world.connections.taken == 0


@pytest.mark.large
@pytest.mark.parametrize("kind", ["forward over SPDY", "tunnel"])
async def test_connections_with_data_may_come_and_go_without_a_limit(kind: str) -> None:
    world = World()
    session = SESSIONS[kind][0](world)
    flood = churn(2 * BURST, b"GET /")
    flood = tunnelled(flood) if kind == "tunnel" else flood
    for at in range(0, len(flood), 5000):
        handle(session, flood[at : at + 5000])
        for _ in range(3):  # then the reset connections have ended
            await asyncio.sleep(0)
    assert not world.closed
    assert world.complaints == []
    await settle(world, session)


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("exec over SPDY", data_head(STDIN, 1, 0) + b"x"),
        ("exec over WebSocket", message(2, b"\0x")),
        ("forward over SPDY", data_head(DATA, 1, 0) + b"x"),
        ("channels", message(2, b"\0x")),
        ("tunnel", message(2, data_head(DATA, 1, 0) + b"x")),
    ],
)
async def test_small_input_does_not_end_the_session(kind: str, frame: bytes) -> None:
    world = World()
    session = begun(kind, world)
    await asyncio.sleep(0)
    handle(session, frame * 10 * BURST)
    assert not world.closed
    await settle(world, session)


@pytest.mark.parametrize("kind", SESSIONS)
async def test_the_frames_of_a_turn_are_bounded(kind: str) -> None:
    world = World()
    session = begun(kind, world)
    flood = next(iter(FLOODS[kind].values()))
    session.received(flood[: len(flood) // 4])
    assert [session.work(16) for _ in range(5)] == [16] * 5
    assert not world.closed
    await settle(world, session)


async def test_the_status_of_a_command_has_the_reason() -> None:
    world = World()
    session = begun("exec over SPDY", world)
    client = Connection(Role.CLIENT)
    for headers in COMMAND:
        client.open(headers)
    handle(session, SPDY["pings"])
    events = client.receive(bytes(world.sent))
    status = b"".join(bytes(e.data) for e in events if isinstance(e, DataReceived) if e.stream == 1)
    assert REASON in json.loads(status)["message"]
    assert [event.status for event in events if isinstance(event, GoneAway)] == [1]
    await settle(world, session)


@pytest.mark.parametrize("kind", ["exec over WebSocket", "channels", "tunnel"])
async def test_the_close_of_a_websocket_has_the_reason(kind: str) -> None:
    world = World()
    session = begun(kind, world)
    handle(session, WEBSOCKET["empty messages"])
    client = WsConnection(ConnectionType.CLIENT)
    client.receive_data(bytes(world.sent))
    closes = [event for event in client.events() if isinstance(event, CloseConnection)]
    assert [(close.code, close.reason) for close in closes] == [(1002, REASON)]
    await settle(world, session)


async def test_the_close_of_a_tunnel_has_the_reason_of_a_spdy_flood() -> None:
    world = World()
    session = begun("tunnel", world)
    handle(session, FLOODS["tunnel"]["SPDY's pings"])
    client = WsConnection(ConnectionType.CLIENT)
    client.receive_data(bytes(world.sent))
    said = list(client.events())
    assert (said[-1].code, said[-1].reason) == (1002, REASON)  # type: ignore[attr-defined]
    text = b"".join(bytes(event.data) for event in said if isinstance(event, BytesMessage))
    assert REASON.encode() in text  # on the error stream of the existing connection
    await settle(world, session)


async def test_connections_above_the_bound_are_reset_and_the_session_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    world = World()
    session = SpdyForward(world, world.connect, world.resources)
    client = Connection(Role.CLIENT)
    pairs = [
        [client.open({**headers, "requestid": str(number)}) for headers in PAIR]
        for number in range(5)
    ]
    handle(session, b"".join(client.outgoing()))
    events = client.receive(bytes(world.sent))
    resets = {event.stream for event in events if isinstance(event, StreamReset)}
    assert resets == {stream for pair in pairs[3:] for stream in pair}
    assert not world.closed
    assert world.connections.taken == 3
    assert world.complaints == ["its new connections are refused: it has 3, and no more are taken"]
    await settle(world, session)
    assert world.connections.taken == 0


async def test_a_connection_counts_until_the_attempt_to_make_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a client that resets at once could have any number of attempts."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    world, ended = World(), asyncio.Event()

    async def connect(port: int) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            await ended.wait()  # like a thread that must end first

    session = SpdyForward(world, connect, world.resources)
    client = Connection(Role.CLIENT)

    def come_and_go(count: int) -> None:
        for number in range(count):
            pair = [client.open({**headers, "requestid": str(number)}) for headers in PAIR]
            handle(session, b"".join(client.outgoing()))
            for stream in pair:
                client.reset(stream)
        handle(session, b"".join(client.outgoing()))

    come_and_go(3)
    await asyncio.sleep(0)
    come_and_go(3)
    assert world.connections.taken == 3
    ended.set()
    await settle(world, session)
    assert world.connections.taken == 0
