"""Header blocks: name-value pairs in one zlib stream for each direction of the connection.

Every received block must be inflated in order, also those of refused streams, or the next block
cannot be read. So a block that cannot be inflated within the limits ends the connection.
"""

import struct
import zlib
from collections.abc import Mapping

from cri_shim.wire.spdy.dictionary import DICTIONARY

# The clients send three short headers, 200 bytes at most. A few dozen bytes can inflate to any
# size, and thousands of blocks may arrive at once.
MAX_HEADERS = 64
MAX_INFLATED = 4 * 1024

# Nearly all sent blocks are empty: use the smallest window and the least memory (9 KiB instead of
# 256 KiB for each session) that still hold the whole dictionary.
_WINDOW_BITS = 11
_MEMORY_LEVEL = 1


class BadHeaders(ValueError):
    """A header block that cannot be read; the connection cannot continue."""


class Deflater:
    """The sending side of a connection's header compression."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(
            1, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, DICTIONARY
        )

    def block(self, headers: Mapping[str, str]) -> bytes:
        """Compress a block. Names become lower case. A value may be several, joined by NUL."""
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower(), value):
                raw = text.encode("latin-1", "replace")
                parts += (struct.pack(">I", len(raw)), raw)
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Inflater:
    """The receiving side of a connection's header compression."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def block(self, compressed: bytes | memoryview) -> dict[str, str]:
        """Inflate and parse the next block; raises BadHeaders. Several values stay NUL-joined."""
        try:
            plain = self._zlib.decompress(compressed, MAX_INFLATED + 1)
        except zlib.error as error:
            raise BadHeaders(f"the header block does not inflate: {error}") from error
        if len(plain) > MAX_INFLATED:
            raise BadHeaders(f"the header block inflates to more than {MAX_INFLATED} bytes")
        return _parse(plain)


def _parse(plain: bytes) -> dict[str, str]:
    count, position = _integer(plain, 0)
    if count > MAX_HEADERS:
        raise BadHeaders(f"{count} headers in a block, at most {MAX_HEADERS} are taken")
    headers: dict[str, str] = {}
    for _ in range(count):
        name, position = _text(plain, position)
        value, position = _text(plain, position)
        if not name or name != name.lower() or name in headers:
            raise BadHeaders("a header name is empty, not lower case, or there twice")
        headers[name] = value
    if position != len(plain):
        raise BadHeaders("bytes are left over after the last header")
    return headers


def _integer(plain: bytes, position: int) -> tuple[int, int]:
    if len(plain) - position < 4:
        raise BadHeaders("the header block ends early")
    return int.from_bytes(plain[position : position + 4], "big"), position + 4


def _text(plain: bytes, position: int) -> tuple[str, int]:
    length, position = _integer(plain, position)
    end = position + length
    if end > len(plain):
        raise BadHeaders("the header block ends early")
    # Latin-1 as in HTTP/1: it decodes every byte string, so none is refused here.
    return plain[position:end].decode("latin-1"), end
