"""Holding a container still for as long as its files are read, by the OCI runtime's pause.

That it is ours to go on is noted in its bundle before it is paused: a daemon that dies meanwhile
lets it go on at its next start.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cri_shim.aio.offload import finish
from cri_shim.containers import stop
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError, ToolFailed
from cri_shim.faults import fault_point
from cri_shim.pb import state_pb2 as state

_log = logging.getLogger(__name__)


@asynccontextmanager
async def held(on: Engine, container: state.ContainerRecord) -> AsyncIterator[None]:
    """Nothing of the container runs in the block. One that does not run, or is paused, stays so."""
    if not stop.runs(container):
        yield
        return
    handler = on.handler(container.handler)
    found = await on.oci.state(handler, container.id)
    if found is None or found["status"] != "running":
        yield
        return
    _note(on, container.id).touch()
    try:
        fault_point("containers.commit.pause")
        await on.oci.pause(handler, container.id)
        fault_point("containers.commit.paused")
        yield
    finally:
        await finish(go_on(on, container))


def go_on_later(on: Engine, container: state.ContainerRecord) -> None:
    """At start: `go_on` in the background, for a container that the last daemon held still."""
    if _note(on, container.id).exists():
        what = f"let container {container.id} go on"
        on.retrier.add(what, lambda: go_on(on, container), now=True)


async def go_on(on: Engine, container: state.ContainerRecord) -> None:
    """Let a container go on that was held still, by us or by a daemon that died. Idempotent."""
    note = _note(on, container.id)
    if not note.exists():
        return
    try:
        await on.oci.resume(on.handler(container.handler), container.id)
    except ToolFailed as e:
        if not await _is_paused(on, container):
            note.unlink(missing_ok=True)  # it was not paused yet, or has ended
            return
        _log.error("container %s stays paused: %s", container.id, e)
        raise
    note.unlink(missing_ok=True)


async def _is_paused(on: Engine, container: state.ContainerRecord) -> bool:
    try:
        found = await on.oci.state(on.handler(container.handler), container.id)
    except CriShimError:
        return False
    return found is not None and found["status"] == "paused"


def _note(on: Engine, container_id: str) -> Path:
    return on.paths.bundle(container_id) / "held-still"
