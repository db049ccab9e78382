"""A layer blob as the uncompressed bytes of its tar, hashed while they are read.

A thread decompresses and hashes a few chunks ahead of the reader. The kind of compression is
detected from the first bytes; the media type is not trusted.
"""

import hashlib
import queue
import threading
from collections.abc import Iterator
from typing import BinaryIO

from isal import igzip_lib

from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.recipe import Writer

CHUNK = 1 << 20  # bytes in one item of the queue: with smaller ones the threads change too often
_AHEAD = 3  # chunks the thread may be ahead
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = bytes(range(0x50, 0x60))  # first byte of a skippable frame: 5x 2a 4d 18
_ZSTD_WINDOW = 1 << 27  # bytes: the zstd program's own default limit


def decompress(blob: BinaryIO) -> Iterator[bytes]:
    """Yield the uncompressed chunks of a gzip, zstd or plain file; BadLayer if it is damaged."""
    head = blob.read(4)
    blob.seek(0)
    if head[:2] == _GZIP:
        return _gunzip(blob)
    if head == _ZSTD or (head[1:] == b"\x2a\x4d\x18" and head[0] in _ZSTD_SKIPPABLE):
        return _unzstd(blob)
    return iter(lambda: blob.read(CHUNK), b"")


def _gunzip(blob: BinaryIO) -> Iterator[bytes]:
    data = blob.read(CHUNK)
    while data:
        # A layer may be many gzip members, one after the other.
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        while not member.eof:
            if not data and member.needs_input:
                data = blob.read(CHUNK)
                if not data:
                    raise BadLayer("the gzip stream ends in its middle")
            try:
                yield member.decompress(data, CHUNK)
            except igzip_lib.error as e:  # type: ignore[misc]
                raise BadLayer(f"the gzip stream is damaged: {e}") from e
            data = b""
        data = (member.unused_data or blob.read(CHUNK)).lstrip(b"\0")


def _unzstd(blob: BinaryIO) -> Iterator[bytes]:
    import zstandard  # not at the top: the import is slow, and most layers are gzip

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    reader = decompressor.stream_reader(blob, read_size=CHUNK, read_across_frames=True)
    try:
        while chunk := reader.read(CHUNK):
            yield chunk
    except zstandard.ZstdError as e:
        raise BadLayer(f"the zstd stream is damaged: {e}") from e


class LayerStream:
    """A forward-only file of the uncompressed tar; everything read is also written to `recipe`."""

    def __init__(self, blob: BinaryIO, recipe: Writer | None = None) -> None:
        self._recipe = recipe
        self._hash = hashlib.sha256()
        self._queue: queue.Queue[bytes | Exception] = queue.Queue(_AHEAD)
        self._chunk = memoryview(b"")
        self._position = 0
        self._ended = False
        threading.Thread(target=self._produce, args=(blob,), daemon=True).start()

    def _produce(self, blob: BinaryIO) -> None:
        try:
            for chunk in decompress(blob):
                if chunk:
                    self._hash.update(chunk)
                    self._queue.put(chunk)
            self._queue.put(b"")
        except Exception as e:
            self._queue.put(e)

    def _refill(self) -> bool:
        if self._ended:
            return False
        chunk = self._queue.get()
        if isinstance(chunk, Exception):
            raise chunk
        self._ended = not chunk
        self._chunk = memoryview(chunk)
        return not self._ended

    def content(self, size: int, path: str, offset: int = 0) -> Iterator[memoryview]:
        """Yield the next `size` bytes in pieces, without a copy; BadLayer if the layer ends before.

        They become the content of the file at `path`, from `offset` on.
        """
        if self._recipe is not None:
            self._recipe.content(path, offset, size)
        return self._pieces(size)

    def _pieces(self, size: int) -> Iterator[memoryview]:
        while size:
            if not self._chunk and not self._refill():
                raise BadLayer("the archive ends in the middle of a file")
            piece = self._chunk[:size]
            self._chunk = self._chunk[size:]
            self._position += len(piece)
            size -= len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        data = self._read(size)
        if self._recipe is not None:
            self._recipe.rest(data)
        return data

    def _read(self, size: int) -> bytes:
        if len(self._chunk) >= size:
            data = bytes(self._chunk[:size])
            self._chunk = self._chunk[size:]
            self._position += size
            return data
        parts: list[memoryview] = []
        while size and (self._chunk or self._refill()):
            parts.append(self._chunk[:size])
            self._chunk = self._chunk[size:]
            self._position += len(parts[-1])
            size -= len(parts[-1])
        return b"".join(parts)

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Skip forward."""
        distance = position - self._position
        if whence or distance < 0:
            raise BadLayer("the archive points backwards")
        if distance <= len(self._chunk):  # the padding of a file, nearly always
            self.read(distance)
            return position
        for piece in self._pieces(distance):
            if self._recipe is not None:
                self._recipe.rest(piece)
        return position

    def finish(self) -> str:
        """Read to the end; return the diff-id, sha256:..., of all bytes."""
        while self._chunk or self._refill():
            if self._recipe is not None:
                self._recipe.rest(self._chunk)
            self._position += len(self._chunk)
            self._chunk = memoryview(b"")
        if self._recipe is not None:
            self._recipe.finish()
        return "sha256:" + self._hash.hexdigest()
