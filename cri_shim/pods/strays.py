"""What is here and no record speaks of: its record was lost, or set aside because it was damaged.

Nobody can reach such a container any more, and the kubelet starts another one in its place; so it
is ended, by the steps that remove what has a record. It must be this state's own, though: what runs
below a run root that served another state (a disk that is not mounted, a mistaken --root) is left
alone.
"""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from cri_shim.containers import remove as container_remove
from cri_shim.engine import Engine
from cri_shim.linux.privacy import write_private
from cri_shim.oci import bundle
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import remove as pod_remove

_ID = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


def end(on: Engine) -> None:
    """Have every stray ended in the background; its addresses are network garbage."""
    pods, containers = on.registry.everything()
    known = {entry.id for entry in pods} | {entry.id for entry in containers}
    stray_containers = _ids(on.paths.containers()) - known
    stray_pods = _ids([on.paths.pods()]) - known
    if not _ours(on, stray_containers | stray_pods):
        return
    for id in stray_containers:
        _log.error("container %s has no record: it is ended and removed", id)
        _remove_container(on, id)
    for id in stray_pods:
        _log.error("pod %s has no record: it is ended and removed", id)
        _remove_pod(on, id)


def _ours(on: Engine, strays: set[str]) -> bool:
    """Whether the run root belongs to this state; if nothing is there, it does from now on."""
    mark = on.paths.run_root / "state"
    own = on.registry.identity()
    if mark.exists() and mark.read_text() != own and strays:
        _log.error(
            "%d pods and containers below %s, the first is %s, belong to another state than the one"
            " in %s: they are left alone; is that the right root, and is it mounted?",
            len(strays), on.paths.run_root, min(strays), on.paths.root,
        )  # fmt: skip
        return False
    write_private(mark, own)
    return True


def _ids(places: Iterable[Path]) -> set[str]:
    there = (entry.name for place in places if place.is_dir() for entry in place.iterdir())
    return {name for name in there if _ID.fullmatch(name)}


def _remove_container(on: Engine, id: str) -> None:
    stray = state.ContainerRecord(
        id=id,
        phase=state.CONTAINER_REMOVING,
        handler=_handler(on, id),
        cgroups_path=_cgroups_path(on, id, on.paths.bundle(id)),
    )
    on.retrier.add(
        f"remove stray container {id}", lambda: container_remove.leave_nothing(on, stray), now=True
    )


def _remove_pod(on: Engine, id: str) -> None:
    path = _cgroups_path(on, id, on.paths.pod(id) / "pause")
    stray = state.PodRecord(
        id=id,
        phase=state.POD_REMOVING,
        handler=_handler(on, id),
        # What oci_path made the path of: "/PARENT/ID", or "SLICE:PREFIX:ID".
        cgroup_parent=path.split(":")[0] if ":" in path else path.rpartition("/")[0],
    )
    on.retrier.add(f"remove stray pod {id}", lambda: pod_remove.leave_nothing(on, stray), now=True)


def _handler(on: Engine, id: str) -> str:
    """The OCI runtime that knows it; "" if none does."""
    return next((name for name, h in on.handlers.items() if (h.root / id).exists()), "")


def _cgroups_path(on: Engine, id: str, where: Path) -> str:
    """As its OCI document has it; one that has none has no group either."""
    try:
        return str(bundle.spec(where)["linux"]["cgroupsPath"])
    except (OSError, ValueError, KeyError, TypeError):
        return on.cgroups.oci_path("", id)
