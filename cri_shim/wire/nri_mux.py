"""The multiplexer of NRI: several connections over one socket, without I/O.

frame   u32 connection · u32 length of the payload · payload

There is neither a handshake, nor an end of a single connection, nor flow control. The frames of
unknown connections are dropped. The published definition is pkg/net/multiplex of
github.com/containerd/nri.
"""

import struct
from collections.abc import Collection, Iterator

HEAD = struct.Struct(">II")
MAX_PAYLOAD = 10 + (4 << 20)  # bytes: the longest frame of ttrpc

PLUGIN = 1  # the connection on which the runtime calls the plugin
RUNTIME = 2  # the connection on which the plugin calls the runtime

# The reader of the published library reads the beginning of a message into a buffer of 4096 bytes,
# and the rest at once; it fails on a frame that is longer than what it reads. It also fails if more
# than 256 frames of a connection wait, so the rest is not cut into small frames.
_BEGINNING = 4096


class BadFrame(ValueError):
    """Bytes that are not a frame of the multiplexer; the socket cannot be used any more."""


def frames(connection: int, message: bytes) -> bytes:
    """Return one message of a connection, of at most MAX_PAYLOAD bytes, as one or two frames."""
    beginning, rest = message[:_BEGINNING], message[_BEGINNING:]
    packed = HEAD.pack(connection, len(beginning)) + beginning
    return packed + HEAD.pack(connection, len(rest)) + rest if rest else packed


class Splitter:
    """Cuts received bytes into pieces of connections. It holds at most a part of a head."""

    def __init__(self, connections: Collection[int]) -> None:
        self._known = frozenset(connections)
        self._held = b""  # the beginning of a head
        self._connection = 0
        self._left = 0  # bytes of the current payload that have not arrived yet

    def receive(self, data: bytes) -> Iterator[tuple[int, memoryview]]:
        """Yield each piece with its connection; the iterator must be read to its end.

        Raises BadFrame.
        """
        view, at = memoryview(data), 0
        while at < len(view):
            if not self._left:
                taken = view[at : at + HEAD.size - len(self._held)]
                at += len(taken)
                self._begin(self._held + bytes(taken))
                continue
            piece = view[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._connection in self._known:
                yield self._connection, piece

    def _begin(self, head: bytes) -> None:
        if len(head) < HEAD.size:
            self._held = head
            return
        self._held = b""
        self._connection, self._left = HEAD.unpack(head)
        if self._left > MAX_PAYLOAD:
            length, self._left = self._left, 0
            raise BadFrame(f"a frame of {length} bytes, at most {MAX_PAYLOAD} are allowed")
