"""One SPDY/3.1 connection, either end.

Bytes in, events out:  connection.feed(data); events = connection.take(frames)
Bytes out:             transport.write(b"".join(connection.outgoing())), after any call.

The connection answers pings and refuses violations itself: it resets a wrong stream, and it ends a
connection that cannot continue with ProtocolError. A frame may be a few bytes long, so the caller
limits how many frames are handled at once, and checks `idle_frames` to find a peer that only
wastes CPU time.
"""

import sys
from collections.abc import Mapping
from enum import Enum

from cri_shim.wire.spdy import frames
from cri_shim.wire.spdy.events import (
    DataReceived,
    Event,
    GoneAway,
    HeadersReceived,
    Ponged,
    ProtocolError,
    StreamOpened,
    StreamReplied,
    StreamReset,
)
from cri_shim.wire.spdy.frames import Goaway, Kind, Reset
from cri_shim.wire.spdy.headers import BadHeaders, Deflater, Inflater
from cri_shim.wire.spdy.reader import BadFrame, Control, Data, FrameReader
from cri_shim.wire.spdy.state import Move, State
from cri_shim.wire.spdy.streams import StreamTable

Buffer = bytes | bytearray | memoryview

# Streams open at once. A forwarded connection needs two; streams above the limit are refused.
MAX_STREAMS = 2048


class Role(Enum):
    """The end of the connection. The value is the first stream id and ping id it uses."""

    CLIENT = 1
    SERVER = 2


class Connection:
    def __init__(self, role: Role = Role.SERVER, *, max_streams: int = MAX_STREAMS) -> None:
        self._parity = role.value & 1
        self._max_streams = max_streams
        self._next_ping = role.value
        self._invalid = -1  # the last stream that was reset because it had never been opened
        self._streams = StreamTable(role.value)
        self._reader = FrameReader()
        self._inflater = Inflater()
        self._deflater = Deflater()
        self._out: list[Buffer] = []
        self._going_away = False
        self._failed = False
        self.frames = 0  # frames handled so far; a piece of a data frame counts as one
        self.idle_frames = 0  # those of them without data

    # Commands of the caller. -----------------------------------------------------------------

    def open(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Open a stream and return its id. StreamReplied or StreamReset follows."""
        stream = self._streams.begin_ours(State.OPENING_DONE if fin else State.OPENING)
        block = self._deflater.block(headers)
        self._out.append(frames.syn_stream(stream, block, frames.FLAG_FIN if fin else 0))
        return stream

    def accept(self, stream: int, headers: Mapping[str, str] | None = None) -> bool:
        """Accept a stream of the peer (SYN_REPLY). False: the peer has reset it meanwhile.

        Raises WrongState if it was accepted already, or if the peer never opened it.
        """
        if stream not in self._streams and self._streams.was(stream):
            return False
        self._streams.ours(stream, Move.ACCEPT)
        block = self._deflater.block(headers or {})
        self._out.append(frames.with_headers(Kind.SYN_REPLY, stream, block, 0))
        return True

    def send_headers(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> None:
        """Send more headers on an open stream. Raises WrongState if nothing may be sent."""
        self._streams.ours(stream, Move.SEND_FIN if fin else Move.SEND)
        block = self._deflater.block(headers)
        flags = frames.FLAG_FIN if fin else 0
        self._out.append(frames.with_headers(Kind.HEADERS, stream, block, flags))

    def send(self, stream: int, data: Buffer, *, fin: bool = False) -> None:
        """Queue bytes without a copy; do not change them until they are written.

        `fin` ends this side of the stream after them. Raises WrongState if nothing may be sent:
        check writable() where the peer may have reset the stream meanwhile.
        """
        self._streams.ours(stream, Move.SEND_FIN if fin else Move.SEND)
        size = len(data)
        if size > frames.MAX_LENGTH:
            view = memoryview(data)
            while len(view) > frames.MAX_LENGTH:
                self._data(stream, view[: frames.MAX_LENGTH], 0)
                view = view[frames.MAX_LENGTH :]
            data = view
        if size or fin:
            self._data(stream, data, frames.FLAG_FIN if fin else 0)

    def reset(self, stream: int, status: Reset = Reset.CANCEL) -> None:
        """End a stream at once, in both directions. A stream that has ended is left alone."""
        if self._streams.drop(stream):
            self._out.append(frames.rst_stream(stream, status))

    def ping(self) -> int:
        """Send a ping and return its number, which Ponged will carry."""
        number, self._next_ping = self._next_ping, self._next_ping + 2
        self._out.append(frames.ping(number))
        return number

    def goaway(self, status: Goaway = Goaway.OK) -> None:
        """Accept no more streams: later ones are ignored. Open streams continue, but Go's clients
        read nothing after a GOAWAY: send it last.
        """
        if not self._going_away:
            self._going_away = True
            self._out.append(frames.goaway(self._streams.last_theirs, status))

    def outgoing(self) -> list[Buffer]:
        """Take the queued bytes, in order; the caller must send them."""
        out, self._out = self._out, []
        return out

    # Questions of the caller. ----------------------------------------------------------------

    def writable(self, stream: int) -> bool:
        """Whether send() may be called."""
        return self._streams.may(stream, Move.SEND)

    @property
    def open_streams(self) -> list[int]:
        return self._streams.ids()

    @property
    def failed(self) -> bool:
        """Whether a ProtocolError was returned; the connection reads no more bytes then."""
        return self._failed

    # Bytes of the peer. ----------------------------------------------------------------------

    def receive(self, data: Buffer) -> list[Event]:
        """Take bytes from a trusted peer and return the events of all of them."""
        self.feed(data)
        return self.take()

    def feed(self, data: Buffer) -> None:
        """Take bytes from the peer; `take` handles them and must have handled all earlier ones."""
        if not self._failed:
            self._reader.feed(data)

    def take(self, frames: int = sys.maxsize) -> list[Event]:
        """Handle up to `frames` frames and return their events; never raises.

        If `self.frames` grew by less, all frames were handled. ProtocolError is the last event.
        """
        events: list[Event] = []
        last = self.frames + frames
        try:
            while self.frames < last and not self._failed:
                part = self._reader.next()
                if part is None:
                    break
                self.frames += 1
                if isinstance(part, Data):
                    self.idle_frames += not part.piece
                    self._on_data(part, events)
                else:
                    self.idle_frames += 1
                    self._on_control(part, events)
        except (BadFrame, BadHeaders) as error:
            self._failed = True
            self.goaway(Goaway.PROTOCOL_ERROR)
            self._streams.clear()
            events.append(ProtocolError(str(error)))
        return events

    def _on_data(self, data: Data, events: list[Event]) -> None:
        if not self._exists(data.stream):
            return
        if not data.fin and not data.piece:
            return
        if self._peer_may(data.stream, Move.RECEIVE_FIN if data.fin else Move.RECEIVE, events):
            events.append(DataReceived(data.stream, data.piece, data.fin))

    def _on_control(self, frame: Control, events: list[Event]) -> None:
        match frame.kind:
            case Kind.SYN_STREAM:
                self._on_syn_stream(frame, events)
            case Kind.SYN_REPLY | Kind.HEADERS:
                self._on_headers(frame, events)
            case Kind.RST_STREAM:
                stream, status = _two_integers(frame)
                if self._streams.drop(stream):
                    events.append(StreamReset(stream, status))
            case Kind.PING:
                self._on_ping(frame, events)
            case Kind.GOAWAY:
                last_good, status = _two_integers(frame)
                events.append(GoneAway(last_good, status))
            case Kind.WINDOW_UPDATE:
                _two_integers(frame)  # only checks its form: there is no flow control
            case _:
                pass  # SETTINGS have no effect here; SPDY says to ignore unknown kinds

    def _on_syn_stream(self, frame: Control, events: list[Event]) -> None:
        fixed = frames.SYN_STREAM_FIXED
        if len(frame.payload) < fixed.size:
            raise BadFrame("SYN_STREAM is too short")
        stream = fixed.unpack_from(frame.payload)[0] & frames.STREAM_MASK
        headers = self._inflater.block(frame.payload[fixed.size :])
        if not self._streams.may_begin_theirs(stream):
            raise BadFrame(f"stream id {stream} is of the wrong side, or does not rise")
        self._streams.last_theirs = stream
        if self._going_away:
            return
        if frame.flags & frames.FLAG_UNIDIRECTIONAL or len(self._streams) >= self._max_streams:
            self._out.append(frames.rst_stream(stream, Reset.REFUSED_STREAM))
            return
        fin = bool(frame.flags & frames.FLAG_FIN)
        self._streams.begin_theirs(stream, State.OPENED_DONE if fin else State.OPENED)
        events.append(StreamOpened(stream, headers, fin))

    def _on_headers(self, frame: Control, events: list[Event]) -> None:
        if len(frame.payload) < frames.U32.size:
            raise BadFrame(f"{Kind(frame.kind).name} is too short")
        stream = frames.U32.unpack_from(frame.payload)[0] & frames.STREAM_MASK
        headers = self._inflater.block(frame.payload[frames.U32.size :])
        fin = bool(frame.flags & frames.FLAG_FIN)
        if not self._exists(stream):
            return
        if frame.kind == Kind.SYN_REPLY:
            if not self._peer_may(stream, Move.REPLIED, events):
                return
            events.append(StreamReplied(stream, headers, fin))
            if fin:
                self._peer_may(stream, Move.RECEIVE_FIN, events)
        elif self._peer_may(stream, Move.RECEIVE_FIN if fin else Move.RECEIVE, events):
            events.append(HeadersReceived(stream, headers, fin))

    def _on_ping(self, frame: Control, events: list[Event]) -> None:
        if len(frame.payload) != frames.U32.size:
            raise BadFrame("PING is not 4 bytes long")
        number: int = frames.U32.unpack(frame.payload)[0]
        if number & 1 != self._parity:
            self._out.append(frames.ping(number))
        elif number < self._next_ping:
            events.append(Ponged(number))

    def _exists(self, stream: int) -> bool:
        """False: ignore the frame; the peer may not know yet that the stream has ended."""
        if stream in self._streams:
            return True
        if not self._streams.was(stream) and stream != self._invalid:
            self._invalid = stream
            self._out.append(frames.rst_stream(stream, Reset.INVALID_STREAM))
        return False

    def _peer_may(self, stream: int, move: Move, events: list[Event]) -> bool:
        """Record what the peer did. If it is not allowed, reset the stream and return False."""
        problem = self._streams.theirs(stream, move)
        if problem is None:
            return True
        self.reset(stream, problem)
        events.append(StreamReset(stream, problem))
        return False

    def _data(self, stream: int, data: Buffer, flags: int) -> None:
        self._out.append(frames.data_head(stream, len(data), flags))
        if len(data):
            self._out.append(data)


def _two_integers(frame: Control) -> tuple[int, int]:
    if len(frame.payload) != frames.TWO_U32.size:
        raise BadFrame(f"{Kind(frame.kind).name} is not 8 bytes long")
    first, second = frames.TWO_U32.unpack(frame.payload)
    return first & frames.STREAM_MASK, second
