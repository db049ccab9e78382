"""One client's connection as a session sees it, over TCP, TLS or a tunnel.

session -> Link:  write, backlog, throttle, close, abort
link -> Session:  received, work, gone, pause, resume
"""

from collections.abc import Sequence
from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Session(Protocol):
    """The use of a connection after its upgrade. Called on the loop; must not block."""

    def received(self, data: bytes | bytearray) -> None:
        """Take bytes of the client for `work`, which has handled all earlier ones."""

    def work(self, frames: int) -> int:
        """Handle up to `frames` frames and return their number; fewer means that none is left."""

    def gone(self) -> None:
        """The client has disconnected: nothing can be sent. Always called, once."""

    def pause(self) -> None:
        """The client reads too slowly: write no more output."""

    def resume(self) -> None:
        """Output may be written again."""

    def end(self, reason: str) -> None:
        """End the session: send `reason` to the client if the protocol can, then close."""


class Link(Protocol):
    """The connection to the client."""

    def write(self, pieces: Sequence[Buffer]) -> None:
        """Send the pieces in order, now or later; see `Session.pause`."""

    def backlog(self) -> int:
        """Return the number of written bytes that the kernel has not taken yet."""

    def throttle(self, on: bool) -> None:
        """Stop reading from the client (`on`), or read again."""

    def close(self) -> None:
        """Close after all written bytes have been sent. The session's `gone` follows."""

    def abort(self) -> None:
        """Close at once."""
