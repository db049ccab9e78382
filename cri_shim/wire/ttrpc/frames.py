"""Frames of ttrpc as bytes.

frame   u32 length of the data · u32 stream · u8 kind · u8 flags · data

Unary calls have a REQUEST and a RESPONSE, both without flags.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

HEAD = struct.Struct(">IIBB")
MAX_DATA = 4 << 20  # bytes of data in a frame, by the specification
_RESERVED = 0xFF000000  # of the length: "the first frame byte should always be zero"


class Kind(IntEnum):
    REQUEST = 1
    RESPONSE = 2
    DATA = 3


REMOTE_CLOSED = 0x01  # flag: the sender sends nothing more on this stream
REMOTE_OPEN = 0x02  # flag of a request: data frames follow
NO_DATA = 0x04  # flag: a data frame without data


class BadFrame(ValueError):
    """Bytes that are not ttrpc; the connection cannot continue."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, or only its head if its data is too large: `oversize` is the length of that data."""

    stream: int
    kind: int  # perhaps not of Kind: unknown kinds are ignored, by the specification
    flags: int
    data: bytes
    oversize: int = 0


def frame(stream: int, kind: int, data: bytes, flags: int = 0) -> bytes:
    """Return a frame as bytes. ValueError if `data` is longer than MAX_DATA."""
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} bytes in a ttrpc frame, at most {MAX_DATA} are allowed")
    return HEAD.pack(len(data), stream, kind, flags) + data


class FrameReader:
    """Cuts received bytes into frames. It holds at most one frame, so at most MAX_DATA bytes."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0  # bytes of data that is too large, which have not arrived yet

    def receive(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take the next bytes; return the frames that are complete now. Raises BadFrame."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._held += memoryview(data)[skipped:]
        found: list[Frame] = []
        while (one := self._next()) is not None:
            found.append(one)
        return found

    def _next(self) -> Frame | None:
        if len(self._held) < HEAD.size:
            return None
        length, stream, kind, flags = HEAD.unpack_from(self._held)
        if length & _RESERVED:
            raise BadFrame(f"a frame of {length} bytes: the first byte of a head must be zero")
        size = HEAD.size + length
        if length > MAX_DATA:
            self._skip = size - min(size, len(self._held))
            del self._held[:size]
            return Frame(stream, kind, flags, b"", oversize=length)
        if len(self._held) < size:
            return None
        whole = bytes(memoryview(self._held)[HEAD.size : size])
        del self._held[:size]
        return Frame(stream, kind, flags, whole)
