"""The end of a runtime: stops all pods at once within a time limit, and unmounts their files.

A forced shutdown also removes the bundled network from the node.

No step stops the shutdown by failing: each error is logged with its object, and the last one is
returned. A pod or container remains as after a stop: its record, for the next runtime that opens
these directories, and everything that only its removal releases.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from cri_shim import lifecycle
from cri_shim.aio.cleanup import attempt
from cri_shim.containers import stop as container_stop
from cri_shim.containers import volumes
from cri_shim.engine import Engine
from cri_shim.errors import TimedOut, WrongState
from cri_shim.images import mount
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import stop as pod_stop

FORCED_STOP_S = 30.0  # for all pods together, unless the caller gives another limit
SETTLE_S = 2.0  # at least, for background work after the end of a container

_log = logging.getLogger(__name__)


def running(engine: Engine) -> list[state.ContainerRecord]:
    """Return the containers of this state namespace that have a process."""
    return [c for c in engine.objects.containers() if lifecycle.has_process(c)]


async def stop_all(engine: Engine, limit: float) -> Exception | None:
    """Stop all pods and containers at once; one that takes over `limit` seconds is left."""
    deadline = asyncio.get_running_loop().time() + limit
    tasks = [asyncio.create_task(stop(), name=what) for what, stop in _stops(engine).items()]
    problem: Exception | None = None
    if tasks:
        done, late = await asyncio.wait(tasks, timeout=limit)
        for task in late:
            task.cancel()
            problem = TimedOut(f"{task.get_name()} did not stop within {limit:g} s")
            _log.error("shutdown: %s", problem)
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            if (error := _error_of(task)) is not None:
                problem = error
                _log.error("shutdown: %s: %s", task.get_name(), error)
    left = deadline - asyncio.get_running_loop().time()
    await engine.work.drain(max(SETTLE_S, left))
    return problem


def _stops(engine: Engine) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """Return the stops by name. A pod stops its containers; one without a pod is stopped alone."""
    ready = [pod.id for pod in engine.objects.pods() if lifecycle.is_ready(pod)]
    stops: dict[str, Callable[[], Coroutine[Any, Any, None]]]
    objects = engine.objects
    stops = {str(objects.pod_subject(id)): partial(pod_stop.stop, engine, id) for id in ready}
    for container in running(engine):
        if objects.find_pod(container.pod_id) is not None:
            pod = objects.pod_subject(container.pod_id)
            stops[str(pod)] = partial(pod_stop.stop, engine, container.pod_id)
        else:
            stop = partial(container_stop.stop, engine, container.id, pod_stop.GRACE_S)
            stops[str(objects.container_subject(container.id))] = stop
    return stops


def _error_of(task: "asyncio.Task[None]") -> Exception | None:
    if task.cancelled():
        return TimedOut(f"{task.get_name()}: the stop was given up")
    error = task.exception()
    return error if isinstance(error, Exception) else None


async def unmount_all(engine: Engine) -> Exception | None:
    """Unmount the store's mounts for containers that do not run.

    A container that was created but not started is mounted again when the runtime is next opened.
    """
    last: Exception | None = None
    for container in engine.objects.containers():
        if not lifecycle.has_process(container):
            what = f"unmounting {engine.objects.container_subject(container.id)}"
            last = await attempt(what, partial(_unmount, engine, container.id)) or last
    for id in engine.images.mounted.images():
        what = f"unmounting image {id}"
        last = await attempt(what, partial(mount.unmount, engine, id, lazy=True)) or last
    return last


async def remove_network(engine: Engine) -> Exception | None:
    """Remove the bundled network, which no pod uses any more."""
    return await attempt("removing the bundled network", partial(_uninstall, engine))


async def _uninstall(engine: Engine) -> None:
    try:
        await engine.network.uninstall()
    except WrongState as e:  # a pod of another state namespace, or one whose stop failed (logged)
        _log.info("shutdown: the bundled network stays: %s", e)


async def _unmount(engine: Engine, id: str) -> None:
    try:
        await engine.images.rootfs.unmount(engine.paths.rootfs(id))
    finally:
        await volumes.release(engine.paths.volumes(id))
