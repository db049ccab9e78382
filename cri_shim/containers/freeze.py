"""Keeps a container frozen while its files are read.

A note in the bundle, made before the freeze, says that the container must be thawed. If the daemon
dies in between, the next daemon thaws it. The record does not say `paused`, which only a requested
pause sets.
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
async def frozen(engine: Engine, container: state.ContainerRecord) -> AsyncIterator[None]:
    """Freeze the container for the block, unless it does not run or is frozen already."""
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
        await finish(thaw(engine, container))


def thaw_later(engine: Engine, container: state.ContainerRecord) -> None:
    """At start: run `thaw` in the background if the last daemon left the container frozen."""

    async def alone() -> None:  # never while another commit reads the container
        async with engine.objects.lock(container.id):
            await thaw(engine, container)

    if _note(engine, container.id).exists():
        subject = engine.objects.container_subject(container.id)
        engine.work.retrier.add(f"thaw {subject}", alone, now=True, subject=subject)


async def thaw(engine: Engine, container: state.ContainerRecord) -> None:
    """Thaw a container that this module froze, in this daemon or an earlier one. Idempotent."""
    note = _note(engine, container.id)
    if not note.exists():
        return
    try:
        await pause.resume(engine, container)
    except ToolFailed as e:
        _log.error("%s stays paused: %s", engine.objects.container_subject(container.id), e)
        raise
    note.unlink(missing_ok=True)


def _note(engine: Engine, container_id: str) -> Path:
    return engine.paths.bundle(container_id) / "held-still"
