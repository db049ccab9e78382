"""Adds complete layers to the store: the directory is renamed, then the record is written."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cri_shim.aio.offload import finish
from cri_shim.faults import fault_point
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.store.catalog import Catalog
from cri_shim.store.layers import Layers


class Additions:
    def __init__(
        self, layers: Layers, catalog: Catalog, delete_later: Callable[[Sequence[Path]], None]
    ) -> None:
        """`delete_later` deletes paths in the background."""
        self._layers = layers
        self._catalog = catalog
        self._delete_later = delete_later

    async def add(self, temporary: Path, record: LayerRecord) -> None:
        """Give a complete layer its final name and record it; drop it if that fails."""
        diff_id = record.diff_id
        was_there = self._layers.is_here(diff_id)
        try:
            fault_point("images.pull.commit_layer")
            self._catalog.add_layer(record, lambda: self._commit(temporary, diff_id))
        except BaseException:
            if not was_there:  # it may have its final name already, but no record
                self._delete_later(self._layers.discard([diff_id]))
            await finish(self._layers.drop(temporary))
            raise

    def _commit(self, temporary: Path, diff_id: str) -> None:
        if self._layers.is_here(diff_id):
            # A container uses it and its record was lost, or another pull was faster. The directory
            # is complete: keep it.
            self._layers.commit_recipe(temporary, diff_id)
            self._delete_later([temporary])
        else:
            self._delete_later(self._layers.discard([diff_id]))  # the path has no directory
            self._layers.commit(temporary, diff_id)
