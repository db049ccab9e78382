"""Mends differences: what no record owns is removed, what a record names in vain is given up.

Each repair looks again first, under the lock of its object, and is made of the steps that the verbs
use: every one of them can be repeated. So a repair that is interrupted, by the death of the daemon
too, leaves less than before, and the next look finds the rest.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.comparison import groups, images, leases, lost
from cri_shim.comparison.difference import Difference, Sort
from cri_shim.containers import exits, sources
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.faults import fault_point
from cri_shim.linux import mounts
from cri_shim.oci import find_conmon
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import orphans, teardown
from cri_shim.pods import stop as pod_stop
from cri_shim.store import deletion

Repair = Callable[[Engine, Difference], Awaitable[object]]
REPAIRED = "repaired"

_log = logging.getLogger(__name__)


async def repair(engine: Engine, difference: Difference) -> str:
    """Mend one difference; return REPAIRED, "" if nothing of it is safe, or why it failed."""
    if not difference.repair:
        return ""
    try:
        fault_point("comparison.repair.act")
        if difference.sort is Sort.LOST:
            await lost.give_up(engine, difference)
        else:
            await _remove(engine, difference)
    except (CriShimError, OSError, ValueError) as e:
        _log.warning("%s of %s was not repaired: %s", difference.path, difference.subject, e)
        return str(e)
    _log.info("%s: %s: repaired", difference.subject, difference.path)
    return REPAIRED


async def _remove(engine: Engine, difference: Difference) -> None:
    """Remove a leftover: all of its object if that has no record, then the thing itself."""
    if difference.id:
        await _release(engine, difference.id)
    repair = _OF_KIND.get(difference.kind)
    if repair is not None:
        await repair(engine, difference)


async def _release(engine: Engine, id: str) -> None:
    """Remove what an object without a record has left; release what an ended one still holds."""
    container, pod = engine.objects.find_container(id), engine.objects.find_pod(id)
    if container is not None:
        await exits.settle(engine, id)
    elif pod is not None:
        if pod.phase == state.POD_NOTREADY and not pod.stopping:
            await pod_stop.release(engine, id)
    else:
        async with engine.objects.lock(id):
            if engine.objects.find_container(id) is None and engine.objects.find_pod(id) is None:
                await _end_stray(engine, id)


async def _end_stray(engine: Engine, id: str) -> None:
    """End and remove everything of an id that no record has: of a container, or of a pod."""
    await find_conmon.end(id)
    paths = engine.paths
    for place in (
        paths.bundle(id),
        paths.pod(id),
        paths.root / "containers" / id,
        _log_mount(engine, id),
    ):
        await offload(_unmount_below, place)
    await orphans.remove_container(engine, id)
    await orphans.remove_pod(engine, id)


def _unmount_below(directory: Path) -> None:
    for path in mounts.mounts_below(directory):
        mounts.unmount(path)


def _log_mount(engine: Engine, id: str) -> Path:
    return engine.paths.run_root / "logs" / id


async def _end_conmon(engine: Engine, difference: Difference) -> None:
    if not _runs(engine, difference.id):
        await find_conmon.end(difference.id)


async def _unmount(engine: Engine, difference: Difference) -> None:
    path = Path(difference.path)
    if difference.id and path.is_relative_to(engine.paths.sources(difference.id)):
        async with engine.objects.lock(difference.id):
            await sources.release(engine, difference.id)
        return
    await offload(mounts.unmount, path)
    if path.parent in (engine.paths.run_root / "logs", engine.paths.run_root / "layers"):
        with suppress(OSError):  # there is a file in it
            path.rmdir()


async def _remove_group(engine: Engine, difference: Difference) -> None:
    if _runs(engine, difference.id):
        return
    if difference.repair == groups.REMOVE:
        await engine.cgroups.empty(f"/{difference.key}")
        await engine.cgroups.remove(f"/{difference.key}")
    else:
        await offload(groups.remove, difference.key)


async def _free(engine: Engine, difference: Difference) -> None:
    """Free an address, if it is still reserved for the same pod, and that has no use for it."""
    pod = engine.objects.find_pod(difference.key)
    if pod is None or not pod.network.attachments:
        path = Path(difference.path)
        if await offload(leases.holder, path) == difference.key:
            await offload(path.unlink, missing_ok=True)


async def _detach(engine: Engine, difference: Difference) -> None:
    await engine.network.gc(partial(teardown.attachments, engine))


async def _forget_ports(engine: Engine, difference: Difference) -> None:
    pod = engine.objects.find_pod(difference.id)
    if pod is None or not pod.network.attachments:
        await engine.network.forget(difference.id)


async def _delete_from_runtime(engine: Engine, difference: Difference) -> None:
    handler = engine.oci.known(difference.key)
    if handler is not None and not _runs(engine, difference.id):
        await engine.oci.runtime.delete(handler, difference.id, force=True)


async def _delete_layer(engine: Engine, difference: Difference) -> None:
    store, diff_id = engine.images, difference.key
    if (
        store.catalog.layer(diff_id) is None
        and diff_id not in store.catalog.used() | store.held_layers()
    ):
        await deletion.delete(*store.layers.discard([diff_id]))


async def _delete_blob(engine: Engine, difference: Difference) -> None:
    store, name = engine.images, difference.key.removeprefix("sha256:")
    needed = {each.removeprefix("sha256:") for each in (*store.named_blobs(), *store.blobs.held())}
    if name not in needed:
        await deletion.delete(store.blobs.path(name))


async def _delete(engine: Engine, difference: Difference) -> None:
    await deletion.delete(Path(difference.path))


def _runs(engine: Engine, id: str) -> bool:
    """Whether the object has a process again, or may get one."""
    container, pod = engine.objects.find_container(id), engine.objects.find_pod(id)
    if container is not None:
        return container.phase not in (state.CONTAINER_EXITED, state.CONTAINER_REMOVING)
    return pod is not None and pod.phase in (state.POD_CREATING, state.POD_READY)


_OF_KIND: Mapping[str, Repair] = {
    "mount": _unmount,
    "log": _unmount,
    "control group": _remove_group,
    "conmon": _end_conmon,
    "OCI runtime": _delete_from_runtime,
    "address": _free,
    "CNI cache": _detach,
    "host port": _forget_ports,
    images.LAYER: _delete_layer,
    images.BLOB: _delete_blob,
    images.REMAINS: _delete,
}
