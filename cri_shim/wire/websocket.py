"""WebSocket frames as a server reads and writes them (RFC 6455), without I/O.

A message may have any size, so it is never buffered: the reader returns what has arrived in pieces.
It buffers only heads and control frames that arrive in parts. Extensions are not supported.
"""

import codecs
import struct
from dataclasses import dataclass
from enum import IntEnum

FIN = 0x80
_RESERVED = 0x70
_MASKED = 0x80
_CONTROL = 0x08
_MAX_CONTROL = 125  # bytes of a control frame's payload
_HEAD = 14  # bytes of the longest frame head
_WINDOW = _HEAD + _MAX_CONTROL


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a connection ends."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005  # the frame had no code; this code is never sent
    INVALID_DATA = 1007
    TRY_AGAIN_LATER = 1013


_OPCODES = {int(opcode): opcode for opcode in Opcode}  # faster than Opcode(number)
_SIZES = {126: 8, 127: 14}  # sizes of heads by the short length; all other heads have 6
_KNOWN = {*range(1000, 1004), *range(1007, 1014)}  # the codes below 3000 that may be sent
_APPLICATION = range(3000, 5000)
_XOR = [bytes(a ^ b for a in range(256)) for b in range(256)]


class BadFrame(ValueError):
    """Bytes that a client must not send; `code` is the code for the close frame."""

    def __init__(self, problem: str, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(problem)
        self.code = code


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message, perhaps empty; `last` marks the end of the message."""

    data: bytes | bytearray | str
    last: bool


@dataclass(frozen=True, slots=True)
class Control:
    """PING, PONG, or CLOSE with `code`."""

    opcode: Opcode
    payload: bytes
    code: int = CloseCode.NO_STATUS


class FrameReader:
    """Reads the frames of a client; all of them are masked."""

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._position = 0
        self._held = b""  # the beginning of a head or control frame that arrived in parts
        self._left = 0  # bytes of a data frame that have not arrived yet
        self._mask = b""
        self._fin = False
        self._message: Opcode | None = None  # the kind of the message that is being read
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes; the caller must have read all earlier ones with `next`."""
        self._data, self._position = data, 0

    def next(self) -> Piece | Control | None:
        """Return the next frame or a piece of it; None if bytes are missing. Raises BadFrame."""
        if not self._left:
            found = self._head()
            if found is not None or not self._left:
                return found
        data = self._data[self._position : self._position + self._left]
        if not data:
            return None
        self._position += len(data)
        self._left -= len(data)
        return self._piece(self._unmasked(data), self._fin and not self._left)

    def _head(self) -> Piece | Control | None:
        """Begin the next frame. Return it if it has no payload or is a control frame."""
        fresh = self._data[self._position : self._position + _WINDOW]
        raw = self._held + fresh
        size = _head_size(raw)
        length = _length(raw) if size else 0
        whole = bool(size) and (raw[0] & _CONTROL == 0 or len(raw) >= size + length)
        if not whole:
            self._position += len(fresh)
            self._held = raw
            return None
        opcode, fin = _OPCODES[raw[0] & 0x0F], bool(raw[0] & FIN)
        control = length if opcode & _CONTROL else 0
        self._position += size + control - len(self._held)
        self._held = b""
        self._mask = raw[size - 4 : size]
        if opcode & _CONTROL:
            return _control(opcode, bytes(self._unmasked(raw[size : size + length])))
        self._begin(opcode)
        self._left, self._fin = length, fin
        return None if length else self._piece(b"", fin)

    def _begin(self, opcode: Opcode) -> None:
        if (opcode is Opcode.CONTINUATION) != (self._message is not None):
            raise BadFrame("a message begins within another, or continues without one")
        if opcode is not Opcode.CONTINUATION:
            self._message = opcode
        if opcode is Opcode.TEXT:
            self._decoder = codecs.getincrementaldecoder("utf-8")()

    def _piece(self, data: bytes | bytearray, last: bool) -> Piece:
        text: str | None = None
        if self._decoder is not None:
            try:
                text = self._decoder.decode(data, last)
            except UnicodeDecodeError as e:
                raise BadFrame("text that is not UTF-8", CloseCode.INVALID_DATA) from e
        if last:
            self._message, self._decoder = None, None
        return Piece(data if text is None else text, last)

    def _unmasked(self, data: bytes | bytearray) -> bytes | bytearray:
        if self._mask == bytes(4) or not data:
            return data
        plain = bytearray(data)
        for at in range(min(4, len(plain))):
            plain[at::4] = plain[at::4].translate(_XOR[self._mask[at]])
        turn = len(plain) % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        return plain


def _head_size(raw: bytes | bytearray) -> int:
    """Return the size of the head of `raw` with its mask; 0 if more bytes are needed."""
    if len(raw) < 2:
        return 0
    first, second = raw[0], raw[1]
    if first & _RESERVED:
        raise BadFrame("a reserved bit is set")
    if first & 0x0F not in _OPCODES:
        raise BadFrame(f"opcode {first & 0x0F} is unknown")
    if not second & _MASKED:
        raise BadFrame("a client's frame is not masked")
    short = second & 0x7F
    if first & _CONTROL and (short > _MAX_CONTROL or not first & FIN):
        raise BadFrame("a control frame is in parts, or too long")
    size = _SIZES.get(short, 6)
    return size if len(raw) >= size else 0


def _length(raw: bytes) -> int:
    """Return the length of the payload; `raw` must begin with a complete head."""
    short = raw[1] & 0x7F
    if short < 126:
        return short
    length: int
    if short == 126:
        (length,) = struct.unpack_from(">H", raw, 2)
        least = 126
    else:
        (length,) = struct.unpack_from(">Q", raw, 2)
        least = 1 << 16
    if length < least or length >> 63:
        raise BadFrame("a length that is not in its shortest form, or above 63 bits")
    return length


def _control(opcode: Opcode, payload: bytes) -> Control:
    if opcode is not Opcode.CLOSE or not payload:
        return Control(opcode, payload)
    if len(payload) == 1:
        raise BadFrame("a close with half a code")
    (code,) = struct.unpack_from(">H", payload)
    if code not in _KNOWN and code not in _APPLICATION:
        raise BadFrame(f"a close with code {code}, which is not for use")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as e:
        raise BadFrame("the reason of a close is not UTF-8", CloseCode.INVALID_DATA) from e
    return Control(opcode, payload, code)


def head(opcode: Opcode, length: int) -> bytes:
    """Return the head of a complete message or control frame from a server: without a mask."""
    first = FIN | opcode
    if length < 126:
        return struct.pack(">BB", first, length)
    if length < 1 << 16:
        return struct.pack(">BBH", first, 126, length)
    return struct.pack(">BBQ", first, 127, length)


def close(code: int, reason: str = "") -> bytes:
    """Return a complete close frame. NO_STATUS makes one without a code, to answer such a frame."""
    payload = b"" if code == CloseCode.NO_STATUS else struct.pack(">H", code)
    if payload:
        room = _MAX_CONTROL - len(payload)
        payload += reason.encode()[:room].decode(errors="ignore").encode()
    return head(Opcode.CLOSE, len(payload)) + payload
