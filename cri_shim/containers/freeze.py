"""Holding a container still for as long as its files are read.

That it is ours to go on is noted in its bundle before it is frozen: a daemon that dies meanwhile
lets it go on at its next start. It is not on record as paused: that is for who asked for a pause.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cri_shim import lifecycle
from cri_shim.aio.offload import finish
from cri_shim.containers import pause
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed
from cri_shim.faults import fault_point
from cri_shim.pb import state_pb2 as state

_log = logging.getLogger(__name__)


@asynccontextmanager
async def held(engine: Engine, container: state.ContainerRecord) -> AsyncIterator[None]:
    """Nothing of the container runs in the block. One that does not run, or is paused, stays so."""
    if not lifecycle.has_process(container) or engine.cgroups.frozen(container.cgroups_path):
        yield
        return
    _note(engine, container.id).touch()
    try:
        fault_point("containers.commit.pause")
        await pause.freeze(engine, container)
        fault_point("containers.commit.paused")
        yield
    finally:
        await finish(go_on(engine, container))


def go_on_later(engine: Engine, container: state.ContainerRecord) -> None:
    """At start: `go_on` in the background, for a container that the last daemon held still."""

    async def alone() -> None:  # not while another commit reads it
        async with engine.objects.lock(container.id):
            await go_on(engine, container)

    if _note(engine, container.id).exists():
        engine.work.retrier.add(f"let container {container.id} go on", alone, now=True)


async def go_on(engine: Engine, container: state.ContainerRecord) -> None:
    """Let a container go on that was held still, by us or by a daemon that died. Idempotent."""
    note = _note(engine, container.id)
    if not note.exists():
        return
    try:
        await pause.resume(engine, container)
    except ToolFailed as e:
        _log.error("container %s stays paused: %s", container.id, e)
        raise
    note.unlink(missing_ok=True)


def _note(engine: Engine, container_id: str) -> Path:
    return engine.paths.bundle(container_id) / "held-still"
