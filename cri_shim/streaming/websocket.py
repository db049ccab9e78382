"""WebSocket messages over a Link: what all our sub-protocols have in common."""

import struct
from collections.abc import Iterator
from contextlib import suppress

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from cri_shim.streaming.link import Buffer, Link
from cri_shim.wire.channels import Channels

Payload = bytes | bytearray | str

_FINAL_BINARY = 0x82
_SHORT = 126  # lengths below it fit the head's own byte


class WebSocket:
    """Pings are answered here, and a close is: then the link is closed too."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ws = Connection(ConnectionType.SERVER)
        self._closed = False

    def receive(self, data: bytes) -> Iterator[tuple[Payload, bool]]:
        """Messages as they come: a piece, and whether it is the last of its message."""
        if self._closed:
            return
        self._ws.receive_data(data)
        try:
            # Asked anew each time: whoever takes a piece may have closed this meanwhile.
            while not self._closed and (event := next(self._ws.events(), None)) is not None:
                if isinstance(event, BytesMessage | TextMessage):
                    yield event.data, event.message_finished
                elif isinstance(event, Ping):
                    self._link.write((self._ws.send(event.response()),))
                elif isinstance(event, CloseConnection):
                    self.close(event.code)
        except RemoteProtocolError as error:
            hint = error.event_hint
            code = hint.code if isinstance(hint, CloseConnection) else CloseReason.PROTOCOL_ERROR
            self.close(code)

    def send_text(self, text: str) -> None:
        """One text message."""
        if not self._closed:
            self._link.write((self._ws.send(TextMessage(text)),))

    def send(self, *pieces: Buffer) -> None:
        """One binary message of these pieces, none of which is copied here."""
        if not self._closed:
            self._link.write((_head(sum(map(len, pieces))), *pieces))

    def close(self, code: int = CloseReason.NORMAL_CLOSURE) -> None:
        """Send Close, without which the Go clients report an error, and end the connection."""
        if self._closed:
            return
        self._closed = True
        with suppress(LocalProtocolError):  # the client's own close was answered already
            self._link.write((self._ws.send(CloseConnection(code=code)),))
        self._link.close()


def _head(length: int) -> bytes:
    """Of a whole binary message from a server, which is not masked (RFC 6455, 5.2)."""
    if length < _SHORT:
        return struct.pack(">BB", _FINAL_BINARY, length)
    if length < 1 << 16:
        return struct.pack(">BBH", _FINAL_BINARY, _SHORT, length)
    return struct.pack(">BBQ", _FINAL_BINARY, _SHORT + 1, length)


def send(socket: WebSocket, channels: Channels, channel: int, data: bytes) -> None:
    """One message of a channel, in the form of its sub-protocol."""
    if not channels.text:
        socket.send(bytes((channel,)), data)
    elif isinstance(message := channels.encode(channel, data), str):
        socket.send_text(message)
