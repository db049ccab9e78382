"""Frames of SPDY/3.1 as bytes: numbers, layouts, and one function for each frame that is sent.

control frame   u16 0x8003 · u16 type · u8 flags · u24 length · payload
data frame      u32 stream (top bit 0) · u8 flags · u24 length · payload
"""

import struct
from enum import IntEnum

HEAD = struct.Struct(">II")  # the head of every frame; the second word is flags and length
HEAD_SIZE = HEAD.size
U32 = struct.Struct(">I")
TWO_U32 = struct.Struct(">II")
SYN_STREAM_FIXED = struct.Struct(">IIBB")  # stream, associated stream, priority << 5, slot

CONTROL_BIT = 0x8000_0000
VERSION = 3
STREAM_MASK = 0x7FFF_FFFF
LENGTH_MASK = 0xFF_FFFF
MAX_LENGTH = LENGTH_MASK

FLAG_FIN = 0x01
FLAG_UNIDIRECTIONAL = 0x02


class Kind(IntEnum):
    """Types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reset(IntEnum):
    """Why a stream ends at once (RST_STREAM)."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    UNSUPPORTED_VERSION = 4
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9
    INVALID_CREDENTIALS = 10
    FRAME_TOO_LARGE = 11


class Goaway(IntEnum):
    """Why a connection ends (GOAWAY)."""

    OK = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    first = CONTROL_BIT | VERSION << 16 | kind
    return HEAD.pack(first, flags << 24 | len(payload)) + payload


def syn_stream(stream: int, block: bytes, flags: int) -> bytes:
    return control(Kind.SYN_STREAM, SYN_STREAM_FIXED.pack(stream, 0, 0, 0) + block, flags)


def with_headers(kind: Kind, stream: int, block: bytes, flags: int) -> bytes:
    """Return a SYN_REPLY or HEADERS frame; both have the same layout."""
    return control(kind, U32.pack(stream) + block, flags)


def rst_stream(stream: int, status: int) -> bytes:
    return control(Kind.RST_STREAM, TWO_U32.pack(stream, status))


def ping(number: int) -> bytes:
    return control(Kind.PING, U32.pack(number))


def goaway(last_good: int, status: int) -> bytes:
    return control(Kind.GOAWAY, TWO_U32.pack(last_good, status))


def data_head(stream: int, length: int, flags: int) -> bytes:
    return HEAD.pack(stream, flags << 24 | length)
