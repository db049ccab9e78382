"""A small server on the wire modules alone, to prove that their bytes fit the real clients.

The path says what to serve, the query how: /exec?stdin=1&tty=1&sizes=2&repeat=3&code=7&error=...
answers stdin, after its end, `repeat` times on stdout, "to stderr" on stderr, or the sizes of the
terminal once `sizes` of them came. /forward sends back what came on each connection, in upper
case; port 1 cannot be reached.
"""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from wsproto.connection import Connection as WebSocketConnection
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from cri_shim.wire import channels, forward, negotiation, remotecommand, spdy
from cri_shim.wire.remotecommand import Outcome, Size, Stream

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Pipe(Protocol):
    async def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...


@dataclass
class Plain:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    recorded: bytearray = field(default_factory=bytearray)

    async def read(self) -> bytes:
        data = await self.reader.read(1 << 16)
        self.recorded += data
        return data

    def write(self, data: bytes) -> None:
        self.writer.write(data)


@dataclass
class Messages:
    """WebSocket: `messages` for the channels, read() and write() for the tunnel."""

    below: Plain
    ws: WebSocketConnection = field(
        default_factory=lambda: WebSocketConnection(ConnectionType.SERVER)
    )

    def __post_init__(self) -> None:
        self.messages = self._messages()

    async def _messages(self) -> AsyncIterator[tuple[bytes | str, bool]]:
        while data := await self.below.read():
            self.ws.receive_data(data)
            for event in self.ws.events():
                if isinstance(event, BytesMessage | TextMessage):
                    yield event.data, event.message_finished  # type: ignore[misc]
                elif isinstance(event, Ping):
                    self.below.write(self.ws.send(event.response()))
                elif isinstance(event, CloseConnection):
                    return

    async def read(self) -> bytes:
        async for message, _ in self.messages:
            if message:
                return bytes(message)  # type: ignore[arg-type]
        return b""

    def write(self, data: bytes) -> None:
        self.below.write(self.ws.send(BytesMessage(data)))

    def send(self, message: bytes | str) -> None:
        text = isinstance(message, str)
        self.below.write(
            self.ws.send(TextMessage(message) if text else BytesMessage(message))  # type: ignore[arg-type]
        )

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.below.write(self.ws.send(CloseConnection(code=1000)))


@dataclass
class Command:
    """The request of the query, and the data received so far."""

    query: dict[str, str]
    stdin: bytearray = field(default_factory=bytearray)
    stdin_ended: bool = False
    resizes: remotecommand.ResizeDecoder = field(default_factory=remotecommand.ResizeDecoder)
    sizes: list[Size] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        return name in self.query

    @property
    def ready(self) -> bool:
        enough = len(self.sizes) >= int(self.query.get("sizes", 0))
        return enough and (self.stdin_ended or not self.wants("stdin"))

    @property
    def output(self) -> bytes:
        shown = " ".join(f"{size.width}x{size.height}" for size in self.sizes).encode()
        return bytes(self.stdin) * int(self.query.get("repeat", 1)) + shown

    @property
    def outcome(self) -> Outcome:
        return Outcome(int(self.query.get("code", 0)), self.query.get("error", ""))


class ThrowAway:
    """async with ThrowAway() as server: connect to server.url("exec", ...)."""

    def __init__(self) -> None:
        self.protocols: list[str] = []  # that were agreed on
        self.recorded: list[bytes] = []  # what each client sent after its request
        self.refuse_websocket = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ThrowAway":
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str, **query: object) -> str:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"http://127.0.0.1:{self._port}/{path}?{asked}"

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = Plain(reader, writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target = urlsplit(head.split()[1])
            headers = [line.partition(": ")[::2] for line in head.split("\r\n")[1:]]
            lines = {name.lower(): [v for n, v in headers if n == name] for name, _ in headers}
            await self._upgraded(plain, target.path, dict(parse_qsl(target.query)), lines)
            writer.write_eof()
            while await plain.read():
                pass  # what is unread at the close would cut what was written
        finally:
            self.recorded.append(bytes(plain.recorded))
            writer.close()

    async def _upgraded(
        self, plain: Plain, path: str, query: dict[str, str], lines: dict[str, list[str]]
    ) -> None:
        command = Command(query)
        serve, over_spdy, over_websocket = _SERVED[path]
        if "sec-websocket-key" not in lines:
            protocol = negotiation.choose(lines["x-stream-protocol-version"], over_spdy) or ""
            _switch(plain, "SPDY/3.1", f"X-Stream-Protocol-Version: {protocol}")
            self.protocols.append(protocol)
            await serve(plain, protocol, command)
            return
        if self.refuse_websocket:
            plain.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        protocol = negotiation.choose(lines["sec-websocket-protocol"], over_websocket) or ""
        digest = hashlib.sha1(lines["sec-websocket-key"][0].encode() + _ACCEPT).digest()
        accept = base64.b64encode(digest).decode()
        _switch(
            plain,
            "websocket",
            f"Sec-WebSocket-Accept: {accept}",
            f"Sec-WebSocket-Protocol: {protocol}",
        )
        self.protocols.append(protocol)
        socket = Messages(plain)
        if protocol == negotiation.PORT_FORWARD_TUNNEL:
            await serve(socket, protocol, command)
        else:
            await serve_channels(socket, protocol, command)
        socket.close()


def _switch(plain: Plain, to: str, *more: str) -> None:
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {to}", *more]
    plain.write("\r\n".join([*lines, "", ""]).encode())


async def serve_spdy_exec(pipe: Pipe, protocol: str, command: Command) -> None:
    connection = spdy.Connection()
    expected = remotecommand.expected_streams(
        protocol,
        stdin=command.wants("stdin"),
        stdout=True,
        stderr=True,
        tty=command.wants("tty"),
    )
    streams = remotecommand.StreamSet(expected)
    while not (streams.complete and command.ready):
        data = await pipe.read()
        for event in connection.receive(data):
            _exec_event(connection, streams, command, event)
        pipe.write(b"".join(connection.outgoing()))
        if not data:
            return
    connection.send(streams.streams[Stream.STDOUT], command.output, fin=True)
    if Stream.STDERR in streams.streams:
        connection.send(streams.streams[Stream.STDERR], b"to stderr", fin=True)
    status = remotecommand.encode_outcome(protocol, command.outcome)
    connection.send(streams.streams[Stream.ERROR], status, fin=True)
    connection.goaway()
    pipe.write(b"".join(connection.outgoing()))


def _exec_event(
    connection: spdy.Connection,
    streams: remotecommand.StreamSet,
    command: Command,
    event: spdy.Event,
) -> None:
    match event:
        case spdy.StreamOpened(stream, headers):
            assert streams.add(headers, stream) == ""
            connection.accept(stream)
        case spdy.DataReceived(stream, data, fin) if streams.kind(stream) is Stream.STDIN:
            command.stdin += data
            command.stdin_ended = fin
        case spdy.DataReceived(stream, data) if streams.kind(stream) is Stream.RESIZE:
            command.sizes += command.resizes.feed(data)


async def serve_channels(socket: Messages, protocol: str, command: Command) -> None:
    codec = channels.Channels(protocol)
    while not command.ready:
        message, finished = await anext(socket.messages)
        for event in codec.decode(message, finished=finished):
            match event:
                case channels.ChannelData(Stream.STDIN, data):
                    command.stdin += data
                case channels.ChannelData(Stream.RESIZE, data):
                    command.sizes += command.resizes.feed(data)
                case channels.ChannelClosed(Stream.STDIN):
                    command.stdin_ended = True
    output = memoryview(command.output)
    for start in range(0, len(output), 1 << 15):
        socket.send(codec.encode(Stream.STDOUT, output[start : start + (1 << 15)]))
    if not command.wants("tty"):
        socket.send(codec.encode(Stream.STDERR, b"to stderr"))
    status = remotecommand.encode_outcome(protocol, command.outcome)
    socket.send(codec.encode(Stream.ERROR, status))


async def serve_forward(pipe: Pipe, protocol: str, command: Command) -> None:
    connection, pairing = spdy.Connection(), forward.Pairing()
    errors: dict[int, int] = {}  # by their data stream
    while data := await pipe.read():
        for event in connection.receive(data):
            match event:
                case spdy.StreamOpened(stream, headers):
                    connection.accept(stream)
                    pair = pairing.add(stream, headers, 0.0)
                    assert not isinstance(pair, forward.RefusedStream), pair
                    if pair is not None and pair.port == 1:
                        connection.send(pair.error, b"nobody listens on port 1", fin=True)
                        connection.send(pair.data, b"", fin=True)
                    elif pair is not None:
                        errors[pair.data] = pair.error
                case spdy.DataReceived(stream, piece, fin) if stream in errors:
                    connection.send(stream, bytes(piece).upper(), fin=fin)
                    if fin:
                        connection.send(errors.pop(stream), b"", fin=True)
        pipe.write(b"".join(connection.outgoing()))


_Serve = Callable[[Pipe, str, Command], Awaitable[None]]
_SERVED: dict[str, tuple[_Serve, Sequence[str], Sequence[str]]] = {
    "/exec": (
        serve_spdy_exec,
        negotiation.SPDY_REMOTE_COMMAND,
        negotiation.WEBSOCKET_REMOTE_COMMAND,
    ),
    "/forward": (
        serve_forward,
        negotiation.SPDY_PORT_FORWARD,
        negotiation.WEBSOCKET_PORT_FORWARD,
    ),
}
