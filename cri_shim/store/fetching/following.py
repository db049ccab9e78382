"""Unpacks a layer while its blob is downloaded: bytes are hashed and written as they come.

The process that unpacks learns from the daemon when the blob is whole and verified. Before that it
cannot succeed; so a layer is committed only if both digests are right, that of the blob and the
diff-id.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import finish
from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store.fetching.fetch import Fetch, Transfer
from cri_shim.store.fetching.progress import UNPACKING
from cri_shim.store.layers import Layers

AT_ONCE = 8  # processes of 15 MiB that mostly wait for bytes; other layers are unpacked afterwards

Unpacked = tuple[Path, LayerRecord]


class Following:
    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def unpack(self, fetch: Fetch, transfer: Transfer, diff_id: str) -> Unpacked:
        """Return the unpacked layer as `Layers.unpack` does, and only if the blob was right, too.

        An error of the transfer comes before an error of its content.
        """
        blob = fetch.part(transfer.layer.digest)
        whole = asyncio.ensure_future(fetch.whole(transfer))
        begun = asyncio.ensure_future(transfer.begun.wait())
        try:
            start: set[asyncio.Future[Any]] = {whole, begun}
            await asyncio.wait(start, return_when=asyncio.FIRST_COMPLETED)
            while not whole.done() and not self._slots.locked():
                async with self._slots:
                    unpacked = await self._follow(blob, transfer, whole, diff_id)
                if unpacked is not None:
                    return unpacked
            await whole
            transfer.layer.state = UNPACKING
            return await self._layers.unpack(blob, diff_id)
        finally:
            await _end(whole, begun)

    async def _follow(
        self, blob: Path, transfer: Transfer, whole: "asyncio.Future[None]", diff_id: str
    ) -> Unpacked | None:
        """Unpack what comes; None if the transfer begins again."""
        restarted = transfer.restarted
        fault_point("images.pull.follow")
        with _news() as (reader, writer):
            unpacking = asyncio.ensure_future(self._layers.follow(blob, diff_id, reader))
            try:
                first = asyncio.FIRST_COMPLETED
                any_end: set[asyncio.Future[Any]] = {whole, restarted, unpacking}
                await asyncio.wait(any_end, return_when=first)
                if unpacking.done() and isinstance(unpacking.exception(), Unavailable):
                    await unpacking  # the disk is full: more bytes would not help
                # Other errors may come from wrong bytes, which the transfer finds at its end.
                await asyncio.wait({whole, restarted}, return_when=first)
                if restarted.done():
                    return None
                await whole
                fault_point("images.pull.whole")
                transfer.layer.state = UNPACKING
                os.write(writer, b"w")
                return await unpacking
            finally:
                await _end(unpacking)


@contextmanager
def _news() -> Iterator[tuple[int, int]]:
    try:
        reader, writer = os.pipe2(os.O_CLOEXEC)
    except OSError as e:
        raise ToolFailed(f"cannot make a pipe to unpack a layer: {e.strerror}") from e
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


async def _end(*work: "asyncio.Future[Any]") -> None:
    """Cancel work that still runs, and wait for its end; its errors are known or do not matter."""
    for future in work:
        future.cancel()
    await finish(asyncio.gather(*work, return_exceptions=True))
