"""What pulls have done since the daemon started, as numbers that only grow.

The labels are fixed: a name of an image or a registry would let a tenant make any number of them.
Equal requests at the same time are one pull. Pulls by skopeo have no bytes and layers here.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from cri_shim.errors import (
    CriShimError,
    InvalidArgument,
    NotFound,
    RegistryUnavailable,
    SignatureValidationFailed,
    Unavailable,
)

OK, CANCELLED, FAILED = "ok", "cancelled", "failed"
# The first match wins: the kind of an error -> the result of a pull.
_RESULTS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncio.CancelledError, CANCELLED),
    (NotFound, "not_found"),
    (RegistryUnavailable, "registry_unavailable"),
    (SignatureValidationFailed, "policy"),
    (InvalidArgument, "invalid_name"),
    (Unavailable, "no_space"),
    (CriShimError, FAILED),
    (BaseException, "error"),  # a mistake of this program
)
RESULTS = (OK, *(result for _, result in _RESULTS))


def result_of(error: BaseException | None) -> str:
    """Return the result of a pull that ended with `error`, or without one."""
    if error is None:
        return OK
    return next(result for kind, result in _RESULTS if isinstance(error, kind))


def _zeros() -> defaultdict[str, float]:
    return defaultdict(float)


@dataclass(slots=True)
class PullCounters:
    pulls: Counter[str] = field(default_factory=Counter)  # by result
    seconds: defaultdict[str, float] = field(default_factory=_zeros)  # of whole pulls, by result
    bytes: int = 0  # of manifests, configs and blobs that came from registries
    layers_fetched: int = 0  # whose transfer was begun
    layers_here: int = 0  # that needed no transfer

    def ended(self, result: str, seconds: float, *, bytes: int, fetched: int, here: int) -> None:
        """Note the end of a pull."""
        self.pulls[result] += 1
        self.seconds[result] += seconds
        self.bytes += bytes
        self.layers_fetched += fetched
        self.layers_here += here

    def facts(self) -> dict[str, Any]:
        """Return all numbers, JSON-able; every result is there, also with 0."""
        return {
            "pulls": {result: self.pulls[result] for result in RESULTS},
            "seconds": {result: round(self.seconds[result], 3) for result in RESULTS},
            "bytes": self.bytes,
            "layersFetched": self.layers_fetched,
            "layersHere": self.layers_here,
        }
