"""The records of a running daemon at one moment, with what its operations have in hand."""

from collections.abc import Iterator
from contextlib import contextmanager

from cri_shim.comparison.records import Records, Store
from cri_shim.engine import Engine
from cri_shim.objects import Record
from cri_shim.pb import state_pb2 as state

_CHANGING_PODS = (state.POD_CREATING, state.POD_REMOVING)
_CHANGING = (state.CONTAINER_CREATING, state.CONTAINER_STARTING, state.CONTAINER_REMOVING)


def take(engine: Engine, began: float) -> Records:
    """Return all records now; `began`: when the daemon was started, in seconds since the epoch."""
    pods, containers = engine.objects.everything()
    return Records(
        pods={pod.id: pod for pod in pods},
        containers={container.id: container for container in containers},
        boot_id=engine.boot_id,
        busy=busy(engine),
        store=_store(engine, began),
        watched=engine.oci.exits.watched(),
    )


def busy(engine: Engine) -> frozenset[str]:
    """Return the ids of pods and containers that are being changed.

    The containers of such a pod count, too: its removal removes them.
    """
    pods, containers = engine.objects.everything()
    found = {operation.subject.id for operation in engine.work.operations}
    found |= {effort.subject.id for effort in engine.work.retrier.efforts()}
    found |= {pod.id for pod in pods if pod.phase in _CHANGING_PODS or pod.stopping}
    found |= {
        c.id
        for c in containers
        if c.phase in _CHANGING or c.HasField("stop") or c.HasField("updating") or c.pod_id in found
    }
    return frozenset(found - {""})


@contextmanager
def changes(engine: Engine) -> Iterator[set[str]]:
    """In the block, collect the ids of all objects that change."""
    met: set[str] = set()

    def follow(before: Record | None, after: Record | None) -> None:
        if (record := after or before) is not None:
            met.add(record.id)

    engine.objects.follow(follow)
    try:
        yield met
    finally:
        engine.objects.unfollow(follow)


def _store(engine: Engine, began: float) -> Store:
    images = engine.images
    kept = images.blobs.names()
    named = {_digest(blob) for blob in images.named_blobs()}
    return Store(
        layers=frozenset(layer.diff_id for layer in images.catalog.layers()),
        held=frozenset(images.catalog.used() | images.held_layers()),
        blobs=frozenset(named | kept | {_digest(blob) for blob in images.blobs.held()}),
        needed=frozenset(named & kept),
        mounts=frozenset(images.layer_mounts.mounted()),
        images=frozenset(images.mounted.images()),
        began=began,
    )


def _digest(name: str) -> str:
    """Return a digest; the id of an image is one without the algorithm."""
    return name if ":" in name else f"sha256:{name}"
