"""One client's connection as a session sees it, whatever is below: TCP, TLS, or a tunnel.

session -> Link:  write, backlog, throttle, close, abort
link -> Session:  received, work, gone, pause, resume
"""

from collections.abc import Sequence
from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Session(Protocol):
    """What a connection is used for once it was upgraded. Called on the loop; may not block."""

    def received(self, data: bytes | bytearray) -> None:
        """Bytes from the client, all before them have been worked on. They are for `work`."""

    def work(self, frames: int) -> int:
        """Handle at most so many frames of them; less than that means there are no more."""

    def gone(self) -> None:
        """The client has left, or was lost: nothing can be sent any more. Called once, always."""

    def pause(self) -> None:
        """What was written piles up: write no more output."""

    def resume(self) -> None:
        """It can be written again."""

    def end(self, reason: str) -> None:
        """The daemon wants the session to end; tell the client if there is a way, then close."""


class Link(Protocol):
    """The way back to the client."""

    def write(self, pieces: Sequence[Buffer]) -> None:
        """Send these in order, now or later; see `Session.pause`."""

    def backlog(self) -> int:
        """Bytes that were written and not taken by the kernel yet."""

    def throttle(self, on: bool) -> None:
        """Read nothing more from the client, or read again."""

    def close(self) -> None:
        """End well: all that was written arrives. The session's `gone` follows."""

    def abort(self) -> None:
        """End now."""
