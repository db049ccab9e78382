"""Cuts received bytes into control frames and pieces of data frames.

A data frame may have 16 MiB, so it is never buffered: the reader returns what has arrived as views
of the received buffer. It buffers only heads and control frames that arrive in parts.
"""

from dataclasses import dataclass

from cri_shim.wire.spdy import frames

# The largest accepted control frame. Real ones are below 200 bytes; header blocks have own limits.
MAX_CONTROL = 64 * 1024

_NOTHING = memoryview(b"")


class BadFrame(ValueError):
    """Bytes that are not SPDY/3.1; the connection cannot continue."""


@dataclass(frozen=True, slots=True)
class Control:
    kind: int
    flags: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Data:
    """Some bytes of a data frame; only the last of them can have `fin`."""

    stream: int
    piece: memoryview
    fin: bool


class FrameReader:
    def __init__(self) -> None:
        self._view = _NOTHING
        self._position = 0
        self._held = bytearray()  # the beginning of a head or payload that arrived in parts
        self._control: tuple[int, int, int] | None = None  # kind, flags, length
        self._stream = 0  # stream of the data frame of which `_left` bytes have not arrived yet
        self._left = 0
        self._fin = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; the caller must have read all earlier ones with `next`."""
        self._view, self._position = memoryview(data), 0

    def next(self) -> Control | Data | None:
        """Return the next frame or a piece of it; None if bytes are missing. Raises BadFrame."""
        part = self._next()
        if part is None:
            self._view = _NOTHING
        return part

    def _next(self) -> Control | Data | None:
        if self._left:
            return self._data()
        if self._control is None:
            head = self._gather(frames.HEAD_SIZE)
            if head is None:
                return None
            first, second = frames.HEAD.unpack(head)
            if not first & frames.CONTROL_BIT:
                return self._begin_data(first, second >> 24, second & frames.LENGTH_MASK)
            self._control = _checked(first, second)
        kind, flags, length = self._control
        payload = self._gather(length)
        if payload is None:
            return None
        self._control = None
        return Control(kind, flags, payload)

    def _begin_data(self, stream: int, flags: int, length: int) -> Data | None:
        self._stream, self._left = stream, length
        self._fin = bool(flags & frames.FLAG_FIN)
        return self._data() if length else Data(stream, _NOTHING, self._fin)

    def _data(self) -> Data | None:
        piece = self._view[self._position : self._position + self._left]
        if not piece:
            return None
        self._position += len(piece)
        self._left -= len(piece)
        return Data(self._stream, piece, self._fin and not self._left)

    def _gather(self, size: int) -> memoryview | None:
        """Return the next `size` bytes in one piece; None until all of them have arrived."""
        view, start = self._view, self._position
        if not self._held and len(view) - start >= size:
            self._position = start + size
            return view[start : start + size]
        piece = view[start : start + size - len(self._held)]
        self._held += piece
        self._position += len(piece)
        if len(self._held) < size:
            return None
        whole, self._held = memoryview(self._held), bytearray()
        return whole


def _checked(first: int, second: int) -> tuple[int, int, int]:
    version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
    length = second & frames.LENGTH_MASK
    if version != frames.VERSION:
        raise BadFrame(f"a control frame of SPDY version {version}, only 3 is spoken")
    if length > MAX_CONTROL:
        raise BadFrame(f"a control frame of {length} bytes, at most {MAX_CONTROL} are taken")
    return kind, second >> 24, length
