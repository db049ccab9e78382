"""The changes of a file system as parts of an answer."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.chunks import parts
from cri_shim.store.trees.changes import Change


async def change_parts(changes: Iterable[Change]) -> AsyncIterator[control.DiffResponse]:
    """Yield the changes in bounded parts."""
    rows = (_row(change) for change in changes)
    async with aclosing(parts(rows)) as each:
        async for part in each:
            yield control.DiffResponse(changes=part)


def _row(change: Change) -> control.Change:
    kind, _, _ = str(change).partition(" ")
    # A path of a container may have bytes that are no text; a message has only text.
    path = change.path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return control.Change(kind=kind, path=path)
