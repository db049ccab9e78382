"""The interface of a state store: bytes by (kind, id).

Kinds in use: "pod", "container", "image", "layer", "meta".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

DAMAGED = "damaged"  # id of the record of kind "meta" that says: records may have been lost
Write = tuple[str, str, bytes | None]  # kind, id, value; None: delete it


class Store(Protocol):
    def get(self, kind: str, id: str) -> bytes | None:
        """Return the value, or None."""

    def items(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """Yield all (id, value) of a kind in the order of their ids."""

    def put(self, kind: str, id: str, value: bytes) -> None:
        """Write a value; it survives the death of this process. Takes 4 us, so no offload."""

    def delete(self, kind: str, id: str) -> None:
        """Delete a key, if it exists. On a full disk a later write deletes it."""

    def write(self, batch: Sequence[Write]) -> None:
        """Write all of the batch, or nothing if it fails or the process dies meanwhile."""

    async def sync(self) -> None:
        """Return when everything written so far survives a power cut."""

    def keep(self, everything: Callable[[], Iterable[Write]]) -> None:
        """Register `everything`: its records are written again if the disk loses records."""

    def close(self) -> None:
        """Close the store; all later calls raise RuntimeStopped."""
