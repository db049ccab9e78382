"""The interface of a state store: bytes by (kind, id).

Kinds in use: "pod", "container", "image", "layer", "meta".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

DAMAGED = "damaged"  # id of the note, of kind "meta", that records may have been lost
Write = tuple[str, str, bytes | None]  # kind, id, value; None: it is removed


class Store(Protocol):
    def get(self, kind: str, id: str) -> bytes | None:
        """The value, or None."""

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All (id, value) of a kind in the order of their ids."""

    def put(self, kind: str, id: str, value: bytes) -> None:
        """Write; survives the death of this process. Fast enough for the event loop (4 us)."""

    def delete(self, kind: str, id: str) -> None:
        """Remove; a missing key is fine. What a full disk does not take goes with a later write."""

    def write(self, batch: Sequence[Write]) -> None:
        """All of it, or nothing if it fails or the process dies meanwhile."""

    async def sync(self) -> None:
        """Return when everything written so far survives a power cut."""

    def keep(self, everything: Callable[[], Iterable[Write]]) -> None:
        """Have what `everything()` returns written again, should the disk lose records."""

    def close(self) -> None:
        """Give the store back; every other call raises RuntimeStopped from then on."""
