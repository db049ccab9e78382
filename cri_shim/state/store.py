"""The interface of a state store: bytes by (kind, id).

Kinds in use: "pod", "container", "image", "layer", "meta".
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

Write = tuple[str, str, bytes | None]  # kind, id, value; None: it is removed


class Store(Protocol):
    def get(self, kind: str, id: str) -> bytes | None:
        """The value, or None."""

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All (id, value) of a kind in the order of their ids."""

    def put(self, kind: str, id: str, value: bytes) -> None:
        """Write; survives the death of this process. Fast enough for the event loop (4 us)."""

    def delete(self, kind: str, id: str) -> None:
        """Remove; a missing key is fine."""

    def write(self, batch: Sequence[Write]) -> None:
        """All of it, or nothing if it fails or the process dies meanwhile."""

    async def sync(self) -> None:
        """Return when everything written so far survives a power cut."""

    async def put_sync(self, kind: str, id: str, value: bytes) -> None:
        """`put`, then `sync`."""

    async def delete_sync(self, kind: str, id: str) -> None:
        """`delete`, then `sync`."""

    def close(self) -> None:
        """Give the store back; every other call raises RuntimeStopped from then on."""
