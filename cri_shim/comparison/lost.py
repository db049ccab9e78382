"""Gives up what a record names in vain: the object gets the state that lets the kubelet remove it.

Each step looks again first, under the lock of the object. Nothing that runs is touched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from cri_shim.comparison import directories, images, mounts, processes
from cri_shim.comparison.difference import Difference
from cri_shim.containers import exits, rootfs, volumes
from cri_shim.engine import Engine
from cri_shim.linux import mounts as linux_mounts
from cri_shim.linux import nsenter, process
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import namespaces
from cri_shim.store.catalog import needed

END_S = 10.0  # for the report of an end that has happened
GONE = "the daemon's files of this container are gone from the node"


async def give_up(engine: Engine, difference: Difference) -> None:
    """Do what `difference.repair` says."""
    await _STEPS[difference.repair](engine, difference)


async def _not_ready(engine: Engine, difference: Difference) -> None:
    """Set a ready pod NOTREADY, as a start does when a namespace is gone."""
    async with engine.objects.lock(difference.id):
        pod = engine.objects.find_pod(difference.id)
        if pod is not None and pod.phase == state.POD_READY and not _is_whole(engine, pod):
            engine.objects.observe(changed(pod, phase=state.POD_NOTREADY))


def _is_whole(engine: Engine, pod: state.PodRecord) -> bool:
    pinned = all(nsenter.is_pinned(path) for path in engine.paths.pins(pod).values())
    shm = engine.paths.pod(pod.id) / "shm"
    has_shm = "ipc" not in namespaces.of_pod(pod.config) or linux_mounts.is_mounted(shm)
    return engine.paths.pod(pod.id).is_dir() and pinned and has_shm


async def _exited(engine: Engine, difference: Difference) -> None:
    """Set a created container without a bundle EXITED: it can never be started."""
    async with engine.objects.lock(difference.id):
        container = engine.objects.find_container(difference.id)
        gone = not engine.paths.bundle(difference.id).exists()
        if container is not None and container.phase == state.CONTAINER_CREATED and gone:
            engine.objects.observe(exits.lost(container, GONE))
            exits.settle_later(engine, container.id)


async def _remount(engine: Engine, difference: Difference) -> None:
    async with engine.objects.lock(difference.id):
        container = engine.objects.find_container(difference.id)
        if container is not None and container.phase == state.CONTAINER_CREATED:
            await rootfs.mount(engine, engine.objects.pod(container.pod_id), container)
            await volumes.prepare(engine, container)


async def _record_end(engine: Engine, difference: Difference) -> None:
    """Watch a container anew whose end was not noticed: the watch reports it at once."""
    container = engine.objects.find_container(difference.id)
    if container is None or not container.HasField("init"):
        return
    if process.alive(container.init.pid, container.init.start_time):
        return
    engine.oci.exits.unwatch(container.id)
    bundle = engine.paths.bundle(container.id)
    engine.oci.exits.watch(container.id, bundle, container.init, container.monitor)
    async with asyncio.timeout(END_S):
        await engine.objects.until(container.id, lambda: _has_ended(engine, container.id))


def _has_ended(engine: Engine, id: str) -> bool:
    container = engine.objects.find_container(id)
    return container is None or bool(container.finished_at)


async def _forget_layer(engine: Engine, difference: Difference) -> None:
    """Forget a layer that is gone, with its images: they cannot be used, and are pulled again."""
    store, diff_id = engine.images, difference.key
    if store.layers.is_here(diff_id):
        return
    for image in store.catalog.images():
        if diff_id in needed(image):
            await store.catalog.remove(image.id)
    store.catalog.forget_layer(diff_id)
    store.collect()


_STEPS: Mapping[str, Callable[[Engine, Difference], Awaitable[None]]] = {
    directories.NOT_READY: _not_ready,
    directories.EXITED: _exited,
    mounts.REMOUNT: _remount,
    processes.RECORD: _record_end,
    images.FORGET: _forget_layer,
}
