"""Removes pods and containers without a record: it was lost, or set aside because it was damaged.

No client can reach such a container any more, and the kubelet starts another one in its place. It
is ended by the steps that remove objects with a record. It must belong to this state, though. A run
root that served another state (a disk that is not mounted, a mistaken --root) is left alone.
"""

import logging
import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from cri_shim.activity import Subject
from cri_shim.containers import remove as container_remove
from cri_shim.engine import Engine
from cri_shim.linux import marks
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import remove as pod_remove

_ID = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


async def end(engine: Engine) -> None:
    """End every orphan in the background; its addresses are garbage for the network's GC.

    OSError, Unavailable: the owner of the run root cannot be recorded, on a full disk for example.
    """
    pods, containers = engine.objects.everything()
    known = {entry.id for entry in pods} | {entry.id for entry in containers}
    stray_containers = _ids(engine.paths.containers()) - known
    stray_pods = _ids([engine.paths.pods(), engine.paths.all_logs()]) - known
    if not _ours(engine, stray_containers | stray_pods):
        return
    for id in stray_containers:
        _log.error("container %s has no record: it is ended and removed", id)
        engine.work.retrier.add(
            f"remove stray container {id}",
            partial(remove_container, engine, id),
            now=True,
            subject=Subject("container", "", id),
        )
    for id in stray_pods:
        _log.error("pod %s has no record: it is ended and removed", id)
        engine.work.retrier.add(
            f"remove stray pod {id}",
            partial(remove_pod, engine, id),
            now=True,
            subject=Subject("pod", "", id, id),
        )


def _ours(engine: Engine, strays: set[str]) -> bool:
    """Return whether the run root belongs to this state; an empty one is claimed for it."""
    mark = engine.paths.run_root / "state"
    marked = marks.read(mark)
    own = engine.objects.identity(marked)
    if own == marked:
        return True
    if strays and os.path.lexists(mark):
        _log.error(
            "%d pods and containers below %s, the first is %s, belong to another state than the one"
            " in %s: they are left alone; is that the right root, and is it mounted? If it is,"
            " remove %s and restart cri-shim to have them ended",
            len(strays), engine.paths.run_root, min(strays), engine.paths.root, mark,
        )  # fmt: skip
        return False
    marks.write(mark, own)
    return True


def _ids(places: Iterable[Path]) -> set[str]:
    names = (entry.name for place in places if place.is_dir() for entry in place.iterdir())
    return {name for name in names if _ID.fullmatch(name)}


async def remove_container(engine: Engine, id: str) -> None:
    """End and remove the container of an id that has no record. Idempotent."""
    stray = state.ContainerRecord(
        id=id,
        phase=state.CONTAINER_REMOVING,
        handler=_handler(engine, id),
        cgroups_path=_cgroups_path(engine, id, engine.paths.bundle(id)),
    )
    await container_remove.leave_nothing(engine, stray)


async def remove_pod(engine: Engine, id: str) -> None:
    """Like `remove_container`, for what a pod leaves; its addresses are garbage of the network."""
    path = _cgroups_path(engine, id, engine.paths.pod(id) / "pause")
    stray = state.PodRecord(
        id=id,
        phase=state.POD_REMOVING,
        handler=_handler(engine, id),
        # The inverse of oci_path, which made the path: "/PARENT/ID", or "SLICE:PREFIX:ID".
        cgroup_parent=path.split(":")[0] if ":" in path else path.rpartition("/")[0],
    )
    await pod_remove.leave_nothing(engine, stray)


def _handler(engine: Engine, id: str) -> str:
    """Return the name of the OCI runtime that has this id; "" if none does."""
    return next((h.name for h in engine.oci.every() if (h.root / id).exists()), "")


def _cgroups_path(engine: Engine, id: str, where: Path) -> str:
    """Return the path in its OCI document; without a document there is no group either."""
    try:
        return str(bundle.spec(where)["linux"]["cgroupsPath"])
    except (OSError, ValueError, KeyError, TypeError):
        return engine.cgroups.oci_path("", id)
