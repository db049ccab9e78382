"""WebSocket messages over a Link: the part that all sub-protocols share."""

from collections.abc import Iterator

from cri_shim.streaming.link import Buffer, Link
from cri_shim.wire import websocket as wire
from cri_shim.wire.channels import Channels
from cri_shim.wire.websocket import BadFrame, CloseCode, FrameReader, Opcode, Piece


class WebSocket:
    """Answers pings and closes itself. A close also closes the link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reader = FrameReader()
        self._closed = False
        self.frames = 0  # frames handled so far; a piece of a frame counts as one
        self.idle_frames = 0  # those of them without data

    def feed(self, data: bytes | bytearray) -> None:
        """Take bytes of the client; `next` handles them and must have handled all earlier ones."""
        self._reader.feed(data)

    def take(self, frames: int) -> Iterator[Piece]:
        """Handle up to `frames` frames and yield the pieces of messages among them.

        If `self.frames` grew by less, all frames were handled.
        """
        last = self.frames + frames
        while (before := self.frames) < last:
            if (piece := self.next()) is not None:
                yield piece
            elif self.frames == before:
                return

    def next(self) -> Piece | None:
        """Handle one frame, if there is one; return it if it belongs to a message."""
        if self._closed:
            return None
        try:
            frame = self._reader.next()
        except BadFrame as error:
            self.close(error.code, str(error))
            return None
        if frame is None:
            return None
        self.frames += 1
        if isinstance(frame, Piece):
            self.idle_frames += not frame.data
            return frame
        self.idle_frames += 1
        if frame.opcode is Opcode.PING:
            self._send(Opcode.PONG, frame.payload)
        elif frame.opcode is Opcode.CLOSE:
            self.close(frame.code)
        return None

    def send_text(self, text: str) -> None:
        """Send one text message."""
        self._send(Opcode.TEXT, text.encode())

    def send(self, *pieces: Buffer) -> None:
        """Send one binary message of these pieces, without a copy."""
        self._send(Opcode.BINARY, *pieces)

    def _send(self, opcode: Opcode, *pieces: Buffer) -> None:
        if not self._closed:
            self._link.write((wire.head(opcode, sum(map(len, pieces))), *pieces))

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send Close and end the connection. Go clients report an error without a Close."""
        if self._closed:
            return
        self._closed = True
        self._reader.feed(b"")
        self._link.write((wire.close(code, reason),))
        self._link.close()


def send(socket: WebSocket, channels: Channels, channel: int, data: bytes) -> None:
    """Send one message on a channel, in the form of its sub-protocol."""
    if not channels.text:
        socket.send(bytes((channel,)), data)
    elif isinstance(message := channels.encode(channel, data), str):
        socket.send_text(message)
