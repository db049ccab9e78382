"""WebSocket messages over a Link: what all our sub-protocols have in common."""

from collections.abc import Iterator
from contextlib import suppress

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from cri_shim.streaming.link import Link

Payload = bytes | bytearray | str


class WebSocket:
    """Pings are answered here, and a close is: then the link is closed too."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ws = Connection(ConnectionType.SERVER)
        self._closed = False

    def receive(self, data: bytes) -> Iterator[tuple[Payload, bool]]:
        """Messages as they come: a piece, and whether it is the last of its message."""
        if not self._closed:
            self._ws.receive_data(data)
        try:
            while not self._closed and (event := next(self._ws.events(), None)) is not None:
                if isinstance(event, BytesMessage | TextMessage):
                    yield event.data, event.message_finished
                elif isinstance(event, Ping):
                    self._send(self._ws.send(event.response()))
                elif isinstance(event, CloseConnection):
                    self.close(event.code)
        except RemoteProtocolError as error:
            hint = error.event_hint
            code = hint.code if isinstance(hint, CloseConnection) else CloseReason.PROTOCOL_ERROR
            self.close(code)

    def send(self, payload: Payload) -> None:
        """One message: binary, or text if `payload` is."""
        if self._closed:
            return
        if isinstance(payload, str):
            self._send(self._ws.send(TextMessage(payload)))
        else:
            self._send(self._ws.send(BytesMessage(payload)))

    def close(self, code: int = CloseReason.NORMAL_CLOSURE) -> None:
        """Send Close, without which the Go clients report an error, and end the connection."""
        if self._closed:
            return
        self._closed = True
        with suppress(LocalProtocolError):  # the client's own close was answered already
            self._send(self._ws.send(CloseConnection(code=code)))
        self._link.close()

    def _send(self, data: bytes) -> None:
        self._link.write((data,))
