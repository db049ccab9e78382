"""The recipe to make a layer's tar again, byte for byte, from its unpacked files.

Blobs are normally not kept, and the order, headers and padding of an archive cannot be derived from
a directory. So the recipe has all bytes of the tar that are not file contents, with the places of
the contents. Compressed, it has about a tenth of a percent of the layer's size.

    "R" length bytes                 as they are in the tar
    "F" offset length length path    that much of a file's content
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from isal import isal_zlib

_REST, _FILE = b"R", b"F"
_REST_HEAD, _FILE_HEAD = struct.Struct(">cI"), struct.Struct(">cQQH")
_PIECE = 1 << 18  # bytes of steps that are written at once
_GZIP = 31  # wbits
_FASTEST = 1


class Writer:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pack = isal_zlib.compressobj(_FASTEST, wbits=_GZIP)
        self._rest = bytearray()  # of the tar, up to the next content
        self._steps = bytearray()  # that are not written yet

    def rest(self, data: "bytes | memoryview") -> None:
        """Add the next bytes of the tar."""
        self._rest += data
        if len(self._rest) >= _PIECE:
            self._flush()

    def content(self, path: str, offset: int, length: int) -> None:
        """Say that the next `length` bytes are in the file at `path`, from `offset` on."""
        if length:
            name = path.encode("utf-8", "surrogateescape")
            self._end_rest()
            self._steps += _FILE_HEAD.pack(_FILE, offset, length, len(name)) + name
            if len(self._steps) >= _PIECE:
                self._flush()

    def finish(self) -> None:
        """Write the end of the recipe."""
        self._flush()
        self._file.write(self._pack.flush())
        self._file.flush()

    def _end_rest(self) -> None:
        if self._rest:
            self._steps += _REST_HEAD.pack(_REST, len(self._rest))
            self._steps += self._rest
            self._rest.clear()

    def _flush(self) -> None:
        self._end_rest()
        self._file.write(self._pack.compress(self._steps))
        self._steps.clear()


def read(file: BinaryIO) -> Iterator["bytes | tuple[str, int, int]"]:
    """Yield bytes of the tar, or (path, offset, length); ValueError or EOFError if it is bad."""
    from isal import igzip  # not in the unpacking process: the import takes time

    unpacked = igzip.IGzipFile(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
    stream: BinaryIO
    with io.BufferedReader(unpacked) as stream:
        while kind := stream.read(1):
            if kind == _REST:
                (length,) = struct.unpack(">I", _exactly(stream, 4))
                yield _exactly(stream, length)
            elif kind == _FILE:
                offset, length, size = struct.unpack(">QQH", _exactly(stream, 18))
                name = _exactly(stream, size).decode("utf-8", "surrogateescape")
                yield name, offset, length
            else:
                raise ValueError(f"a step of the unknown kind {kind!r}")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the recipe ends in its middle")
    return data
