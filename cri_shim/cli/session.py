"""The client of an exec session: WebSocket, v5.channel.k8s.io, to the URL that Exec returns."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto import events as ws
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.wire import channels
from cri_shim.wire.negotiation import V5
from cri_shim.wire.remotecommand import Outcome, Stream, decode_status

_CHUNK = 1 << 18  # bytes that are read at once

Output = Callable[[int, bytes | memoryview], None]


class Session:
    """`async with await Session.open(url)`: `send` sends input, `receive` reads until the end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._protocol = protocol
        self._channels = channels.Channels(protocol)
        self._events = self._received()

    @classmethod
    async def open(cls, url: str, certificate: Path | None = None, *, protocol: str = V5) -> Self:
        """Connect. For https, trust only `certificate`, or the system's authorities if it is None.

        Unavailable: the server cannot be reached. ToolFailed: the server refuses.
        """
        parts = urlsplit(url)
        context = _trusting(certificate) if parts.scheme == "https" else None
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
        except OSError as e:
            raise Unavailable(f"cannot reach the streaming server at {parts.netloc}: {e}") from e
        session = cls(reader, writer, protocol)
        try:
            await session._upgrade(parts.netloc, parts.path)
        except BaseException:
            writer.close()
            raise
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._events.aclose()

    async def _upgrade(self, host: str, path: str) -> None:
        self._send(ws.Request(host=host, target=path, subprotocols=[self._protocol]))
        refusal = b""
        async for event in self._events:
            match event:
                case ws.AcceptConnection():
                    return
                case ws.RejectConnection():
                    refusal = f"HTTP status {event.status_code} ".encode()
                case ws.RejectData():
                    refusal += event.data
                    if event.body_finished:
                        break
        text = refusal.decode(errors="replace").strip()
        raise ToolFailed(f"the streaming server refuses: {text}")

    async def send(self, data: bytes) -> None:
        """Send input to the command; return when there is room for more."""
        await self.send_on(Stream.STDIN, data)

    async def send_on(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel; return when there is room for more."""
        self._send(ws.BytesMessage(bytes((channel,)) + data))
        await self._writer.drain()

    def end_input(self) -> None:
        self._send(ws.BytesMessage(self._channels.encode_close(Stream.STDIN)))

    def resize(self, columns: int, lines: int) -> None:
        """Send the new size of the terminal."""
        text = json.dumps({"Width": columns, "Height": lines}).encode()
        self._send(ws.BytesMessage(bytes((Stream.RESIZE,)) + text))

    async def receive(self, output: Output) -> Outcome:
        """Pass on output (1 is stdout, 2 stderr) until the command ends; return its outcome.

        Unavailable if the connection ends before the outcome arrives.
        """
        status = b""
        async for event in self.events():
            if isinstance(event, ws.BytesMessage):
                status += self._pass_on(event, output)
        return decode_status(status)

    async def events(self) -> AsyncGenerator[ws.Event, None]:
        """Yield the events until the server closes the session. Unavailable: it was cut off."""
        async for event in self._events:
            match event:
                case ws.Ping():
                    self._send(event.response())
                case ws.CloseConnection():
                    self._send(event.response())
                    return
                case _:
                    yield event

    def pieces(self, message: ws.BytesMessage) -> list[channels.ChannelEvent]:
        """Return the pieces of a message, by their channels."""
        return self._channels.decode(message.data, finished=message.message_finished)

    def _pass_on(self, message: ws.BytesMessage, output: Output) -> bytes:
        """Pass on output; return the bytes of the status."""
        status = b""
        for event in self.pieces(message):
            match event:
                case channels.ChannelData(Stream.STDOUT | Stream.STDERR as stream, data):
                    output(stream, data)
                case channels.ChannelData(Stream.ERROR, data):
                    status += data
        return status

    async def _received(self) -> AsyncGenerator[ws.Event, None]:
        """Yield the events of the server; raise at the end of the connection."""
        try:
            while data := await self._reader.read(_CHUNK):
                self._ws.receive_data(data)
                for event in self._ws.events():  # lazily: a pong cannot follow a close
                    yield event
        except RemoteProtocolError as e:
            raise ToolFailed(f"the streaming server does not speak WebSocket: {e}") from e
        except OSError as e:
            raise Unavailable(f"the session was cut off: {e}") from e
        raise Unavailable("the session was cut off before its end was told")

    def _send(self, event: ws.Event) -> None:
        """Send an event; drop it after the end of the session."""
        with suppress(LocalProtocolError):
            self._writer.write(self._ws.send(event))


def _trusting(certificate: Path | None) -> ssl.SSLContext:
    if certificate is None:
        return ssl.create_default_context()
    # The daemon's own certificate, from its configuration: trust only this one, under any name.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context
