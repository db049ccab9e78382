"""Port-forward sessions of every sub-protocol, with sockets in place of a pod."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from wsproto.connection import Connection as WsConnection
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from cri_shim.errors import Unavailable
from cri_shim.streaming.link import Session
from cri_shim.streaming.spdy_forward import SpdyForward
from cri_shim.streaming.ws_forward import WebSocketChannels, WebSocketTunnel
from cri_shim.wire.spdy import Connection, DataReceived, GoneAway, Role, StreamReset
from tests.fixtures.sessions import handle, resources

LIMIT_S = 5
REFUSED = 9  # a port without a listener
SILENT = 10  # a port that does not answer


class Link:
    """A link that keeps the session's output until the test takes it."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.closed = False
        self.throttled = False
        self.changed = asyncio.Event()

    def write(self, pieces: Any) -> None:
        for piece in pieces:
            self.sent += piece
        self.changed.set()

    def backlog(self) -> int:
        return 0

    def throttle(self, on: bool) -> None:
        self.throttled = on
        self.changed.set()

    def close(self) -> None:
        self.closed = True
        self.changed.set()

    abort = close

    def take(self) -> bytes:
        sent, self.sent = bytes(self.sent), bytearray()
        return sent

    async def until(self, reached: Callable[[], Any]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not reached():
                self.changed.clear()
                await self.changed.wait()


class Pod:
    """The pod's ends of the connections, by port, and the tasks of the session."""

    def __init__(self) -> None:
        self.link = Link()
        self.arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self.arrived = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.resources = resources(self.spawn)

    async def connect(self, port: int) -> socket.socket:
        if port == REFUSED:
            raise Unavailable(f"cannot connect to port {port}")
        if port == SILENT:
            await asyncio.Event().wait()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=theirs)
        self.writers.append(writer)
        self.arrived.put_nowait((reader, writer))
        return ours

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def accept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(LIMIT_S):
            return await self.arrived.get()


@pytest.fixture
async def pod() -> AsyncIterator[Pod]:
    made = Pod()
    yield made
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*made.tasks, return_exceptions=True)
    for writer in made.writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


class Client:
    """A client over SPDY, plain or in a tunnel of small messages."""

    def __init__(self, pod: Pod, transport: str) -> None:
        made = SpdyForward if transport == "spdy" else WebSocketTunnel
        self.link = pod.link
        self.session: Session = made(pod.link, pod.connect, pod.resources)
        self.spdy = Connection(Role.CLIENT)
        self.ws = WsConnection(ConnectionType.CLIENT) if transport == "tunnel" else None
        self.heard: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.resets: set[int] = set()
        self.goaway = False
        self.close_code = 0

    def push(self) -> None:
        for piece in self.spdy.outgoing():
            for part in self._parts(bytes(piece)):
                handle(self.session, part)

    def _parts(self, piece: bytes) -> list[bytes]:
        """Send messages of 0, 1, 2 and 4 bytes, like the Go writer, which sends single fields."""
        if self.ws is None:
            return [piece]
        bounds = [0, 0, 1, 3, 7, len(piece)]
        cuts = [piece[a:b] for a, b in pairwise(bounds)]
        return [self.ws.send(BytesMessage(cut)) for cut in cuts]

    def _pull(self) -> None:
        data = self.link.take()
        if self.ws is not None:
            self.ws.receive_data(data)
            data = b""
            for message in self.ws.events():
                match message:
                    case BytesMessage():
                        data += message.data
                    case CloseConnection():
                        self.close_code = message.code
        for event in self.spdy.receive(data):
            match event:
                case DataReceived():
                    self.heard[event.stream] = self.heard.get(event.stream, b"") + bytes(event.data)
                    if event.fin:
                        self.ended.add(event.stream)
                case StreamReset():
                    self.resets.add(event.stream)
                case GoneAway():
                    self.goaway = True

    async def until(self, reached: Callable[[], Any]) -> None:
        def look() -> Any:
            self._pull()
            return reached()

        await self.link.until(look)

    def connect(self, port: int, request: str = "0") -> tuple[int, int]:
        """Error and data stream of a new connection."""
        headers = {"port": str(port), "requestid": request}
        error = self.spdy.open({"streamtype": "error", **headers}, fin=True)
        data = self.spdy.open({"streamtype": "data", **headers})
        self.push()
        return error, data

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        self.spdy.send(stream, data, fin=fin)
        self.push()

    def leave(self) -> None:
        self.session.gone()


@pytest.fixture(params=["spdy", "tunnel"])
async def client(request: pytest.FixtureRequest, pod: Pod) -> AsyncIterator[Client]:
    made = Client(pod, str(request.param))
    yield made
    made.leave()


async def test_a_connection_has_two_directions_that_end_separately(
    pod: Pod, client: Client
) -> None:
    error, data = client.connect(80)
    client.send(data, b"question", fin=True)
    reader, writer = await pod.accept()
    assert await reader.read() == b"question"
    writer.write(b"answer")
    writer.close()
    await client.until(lambda: {error, data} <= client.ended)
    assert (client.heard[data], client.heard[error]) == (b"answer", b"")
    assert not client.resets


async def test_a_pod_that_has_closed_its_side_still_gets_the_clients_data(
    pod: Pod, client: Client
) -> None:
    error, data = client.connect(80)
    reader, writer = await pod.accept()
    writer.write(b"all")
    writer.write_eof()
    await client.until(lambda: data in client.ended)
    client.send(data, b"still ")
    client.send(data, b"talking", fin=True)
    assert await reader.read() == b"still talking"
    await client.until(lambda: error in client.ended)
    assert client.heard[data] == b"all"


async def test_a_silent_client_is_dropped_after_the_pod_has_ended(
    pod: Pod, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cri_shim.streaming.forward.QUIET_S", 0.01)
    _, data = client.connect(80)
    reader, writer = await pod.accept()
    writer.write_eof()
    await client.until(lambda: data in client.resets)
    assert await reader.read() == b""


async def test_a_failed_connect_is_reported_on_the_error_stream_only(
    pod: Pod, client: Client
) -> None:
    error, data = client.connect(REFUSED)
    await client.until(lambda: {error, data} <= client.ended)
    assert client.heard[error] == b"cannot connect to port 9"
    assert client.heard[data] == b""


async def test_a_reset_by_the_client_ends_only_that_connection(pod: Pod, client: Client) -> None:
    _, first = client.connect(80, "0")
    reader, _ = await pod.accept()
    _, second = client.connect(80, "1")
    other, _ = await pod.accept()
    client.spdy.reset(first)
    client.push()
    assert await reader.read() == b""
    client.send(second, b"well", fin=True)
    assert await other.read() == b"well"


async def test_a_connect_that_gets_no_answer_ends_with_its_client(pod: Pod, client: Client) -> None:
    _, first = client.connect(SILENT, "0")
    client.connect(SILENT, "1")
    await asyncio.sleep(0)
    client.spdy.reset(first)
    client.push()
    client.leave()
    async with asyncio.timeout(LIMIT_S):
        await asyncio.wait(pod.tasks)
    assert [task.cancelled() for task in pod.tasks] == [True, True]


async def test_a_half_pair_is_reset_when_its_time_is_over(
    pod: Pod, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cri_shim.wire.forward.PAIR_TIMEOUT", 0.01)
    half = client.spdy.open({"streamtype": "data", "port": "80", "requestid": "7"})
    client.push()
    await client.until(lambda: half in client.resets)


async def test_a_pod_that_does_not_read_throttles_its_client(pod: Pod, client: Client) -> None:
    _, data = client.connect(80)
    reader, _ = await pod.accept()
    sent = 0
    while not pod.link.throttled:
        client.send(data, b"x" * 100_000)
        sent += 100_000
        await asyncio.sleep(0)
    client.send(data, b"", fin=True)
    assert len(await reader.read()) == sent
    assert not pod.link.throttled


@pytest.mark.large
async def test_many_pieces_of_input_arrive_complete_when_the_pod_reads(
    pod: Pod, client: Client
) -> None:
    _, data = client.connect(80)
    pieces = [bytes([number % 251]) for number in range(6_000)]
    for piece in pieces[:2_000]:  # before the connection is made
        client.spdy.send(data, piece)
    client.push()
    reader, _ = await pod.accept()
    for piece in pieces[2_000:]:  # more than the socket takes
        client.spdy.send(data, piece)
    client.spdy.send(data, b"", fin=True)
    client.push()
    assert await reader.read() == b"".join(pieces)


async def test_buffered_bytes_arrive_after_both_sides_have_ended(pod: Pod, client: Client) -> None:
    _, data = client.connect(80)
    reader, writer = await pod.accept()
    client.send(data, b"first")
    writer.write_eof()
    await client.until(lambda: data in client.ended)
    for _ in range(20):
        client.send(data, b"x" * 100_000)
    client.send(data, b"", fin=True)
    assert await reader.read() == b"first" + b"x" * 2_000_000


async def test_a_client_that_does_not_read_holds_the_pod_back(pod: Pod, client: Client) -> None:
    client.connect(80)
    _, writer = await pod.accept()
    client.session.pause()
    client.connect(80, "1")  # a new connection is paused, too
    _, other = await pod.accept()
    writer.write(b"held")
    other.write(b"back")
    for _ in range(20):
        await asyncio.sleep(0)
    client._pull()
    assert not any(client.heard.values())
    client.session.resume()
    await client.until(lambda: sorted(filter(None, client.heard.values())) == [b"back", b"held"])


async def test_the_end_of_the_session_ends_its_connections(pod: Pod, client: Client) -> None:
    client.connect(80)
    reader, _ = await pod.accept()
    client.session.end("the pod was stopped")
    await client.until(lambda: client.goaway)
    assert pod.link.closed
    assert await reader.read() == b""
    assert client.close_code == (1000 if client.ws else 0)


async def test_bytes_that_are_not_spdy_end_the_session_and_its_connections(
    pod: Pod, client: Client
) -> None:
    client.connect(80)
    reader, _ = await pod.accept()
    garbage = b"\x80\x09\x00\x01" + b"\xff" * 100
    handle(client.session, client.ws.send(BytesMessage(garbage)) if client.ws else garbage)
    await client.until(lambda: client.goaway)
    assert pod.link.closed
    assert await reader.read() == b""


async def test_text_in_a_tunnel_ends_it(pod: Pod) -> None:
    client = Client(pod, "tunnel")
    assert client.ws is not None
    handle(client.session, client.ws.send(TextMessage("hello")))
    await client.until(lambda: client.close_code)
    assert client.close_code == 1003
    client.leave()


class Old:
    """A client of the old channels, which preceded the tunnel."""

    def __init__(self, pod: Pod, protocol: str, *ports: int) -> None:
        self.text = "base64" in protocol
        self.link = pod.link
        self.session = WebSocketChannels(pod.link, protocol, ports, pod.connect, pod.resources)
        self.ws = WsConnection(ConnectionType.CLIENT)
        self.heard: dict[int, bytes] = {}
        self.close_code = 0

    def send(self, channel: int, data: bytes) -> None:
        text = TextMessage(f"{channel}{base64.b64encode(data).decode()}")
        plain = BytesMessage(bytes([channel]) + data)
        handle(self.session, self.ws.send(text if self.text else plain))

    async def until(self, reached: Callable[[], Any]) -> None:
        def look() -> Any:
            self.ws.receive_data(self.link.take())
            for event in self.ws.events():
                match event:
                    case BytesMessage():
                        self._hear(event.data[0], bytes(event.data[1:]))
                    case TextMessage():
                        self._hear(int(event.data[0]), base64.b64decode(event.data[1:]))
                    case CloseConnection():
                        self.close_code = event.code
            return reached()

        await self.link.until(look)

    def _hear(self, channel: int, data: bytes) -> None:
        self.heard[channel] = self.heard.get(channel, b"") + data


@pytest.fixture(params=["", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"])
async def old(request: pytest.FixtureRequest, pod: Pod) -> AsyncIterator[Callable[..., Old]]:
    made: list[Old] = []

    def begin(*ports: int) -> Old:
        made.append(Old(pod, str(request.param), *ports))
        return made[-1]

    yield begin
    for client in made:
        client.session.gone()


async def test_each_port_has_its_pair_of_channels(pod: Pod, old: Callable[..., Old]) -> None:
    client = old(80, 0x1234)
    await client.until(lambda: len(client.heard) == 4)
    assert [client.heard[n] for n in range(4)] == [b"\x50\x00"] * 2 + [b"\x34\x12"] * 2
    one, two = [await pod.accept() for _ in range(2)]
    client.send(0, b"to the first")
    client.send(2, b"to the second")
    assert await one[0].read(99) == b"to the first"
    assert await two[0].read(99) == b"to the second"
    two[1].write(b"back")
    await client.until(lambda: client.heard[2].endswith(b"back"))
    one[1].close()
    two[1].close()
    client.session.end("all was said")
    await client.until(lambda: client.close_code == 1000)


async def test_an_unreachable_port_is_reported_on_its_error_channel(
    pod: Pod, old: Callable[..., Old]
) -> None:
    client = old(REFUSED)
    await client.until(lambda: client.close_code == 1000)
    assert client.heard[1] == REFUSED.to_bytes(2, "little") + b"cannot connect to port 9"
    assert client.heard[0] == REFUSED.to_bytes(2, "little")
    assert pod.link.closed
