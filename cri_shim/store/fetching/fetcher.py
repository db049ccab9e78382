"""Starts the workers of pulls, one for each, with the settings of the node.

A worker is killed at the end of its pull. The next one is started then and kept for a while: its
start takes 0.1 s, most of it imports.
"""

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cri_shim.aio.offload import finish
from cri_shim.aio.standby import Standby
from cri_shim.pb import api_pb2 as api
from cri_shim.registry import certificates, hosts_toml
from cri_shim.store.fetching.fetch import Fetch
from cri_shim.store.fetching.progress import PullProgress
from cri_shim.store.fetching.worker import Worker
from cri_shim.store.ready_child import STANDBY_S

PATIENCE_S = 300.0  # without a byte; as in containerd
LAYERS_AT_ONCE = 3  # as in containerd
_FIELDS = ("username", "password", "auth", "server_address", "identity_token", "registry_token")


class Fetcher:
    """Starts workers with the settings of the node."""

    def __init__(
        self,
        *,
        architecture: str,
        registries_conf: Path | None = None,
        patience: float = PATIENCE_S,
        layers_at_once: int = LAYERS_AT_ONCE,
        standby: float = STANDBY_S,
    ) -> None:
        """`patience`: seconds without a byte until a pull fails; 0: no limit.

        `standby`: seconds for which a worker waits for the next pull; 0: none waits.
        """
        self._architecture = architecture
        self._registries_conf = registries_conf
        self._patience = patience
        self._layers_at_once = layers_at_once
        self.standby_s = standby
        self._standby = Standby("a worker for the next pull", Worker, standby)

    def changed(
        self, *, registries_conf: Path | None, patience: float, layers_at_once: int
    ) -> "Fetcher":
        """Return a fetcher with other settings, which has the worker that waits in common."""
        other = copy.copy(self)
        other._registries_conf = registries_conf
        other._patience = patience
        other._layers_at_once = layers_at_once
        return other

    @asynccontextmanager
    async def open(
        self, name: str, auth: api.AuthConfig | None, blobs: Path, seen: PullProgress
    ) -> AsyncIterator[Fetch]:
        """In the block a worker resolves `name`, and fetches its blobs into `blobs`."""
        worker = self._standby.take() or Worker()
        try:
            fetch = Fetch(worker, seen, blobs, self._layers_at_once)
            worker.send(self._request(name, auth, blobs))
            yield fetch
        finally:
            await finish(worker.end())
            self._standby.have()

    def _request(self, name: str, auth: api.AuthConfig | None, blobs: Path) -> dict[str, Any]:
        own = None
        if auth is not None and auth.ByteSize():
            own = {field: getattr(auth, field) for field in _FIELDS}
        return {
            "image": name,
            "auth": own,
            "registries_conf": str(self._registries_conf or ""),
            "auth_file": "",
            "certs_dirs": list(certificates.OF_SYSTEM),
            "hosts_dirs": list(hosts_toml.OF_SYSTEM),
            "architecture": self._architecture,
            "patience": self._patience,
            "layers_at_once": self._layers_at_once,
            "blobs": str(blobs),
        }

    async def close(self) -> None:
        """End the worker that waits."""
        await self._standby.close()
