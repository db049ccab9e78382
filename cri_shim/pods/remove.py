"""RemovePodSandbox: leave no trace of a pod and its containers, step by step.

Until every step has succeeded the record stays (phase REMOVING, shown as NOTREADY), and a retry
goes on in the background.
"""

import asyncio
import logging
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.aio.steps import Step, all_of
from cri_shim.containers import exits as container_exits
from cri_shim.containers import remove as container_remove
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import NotFound
from cri_shim.faults import fault_point
from cri_shim.isolation import etc, namespaces, shm
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import passage, stop
from cri_shim.registry import changed
from cri_shim.spec import userns
from cri_shim.store import deletion

PAUSE_EXIT_WAIT_S = 5.0

_log = logging.getLogger(__name__)


async def remove(on: Engine, pod_id: str) -> None:
    """Stop it, remove its containers, forget it. An unknown id is success, as the CRI says."""
    try:
        id = on.registry.pod(pod_id).id
    except NotFound:
        return
    await on.pod_removals.do(id, lambda: _remove(on, id))


async def abandon(on: Engine, id: str) -> None:
    """Undo a failed run; what cannot be undone now is retried in the background."""
    try:
        await _remove(on, id)
    except Exception as e:
        _log.error("%s", e)


async def _remove(on: Engine, id: str) -> None:
    await on.retrier.ensure(f"remove pod {id}", lambda: release(on, id))


async def release(on: Engine, id: str) -> None:
    """Everything that removing a pod is; can be repeated at any point."""
    async with on.registry.lock(id):  # a retry in the background may meet a second request
        await _release(on, id)


async def _release(on: Engine, id: str) -> None:
    pod = on.registry.find_pod(id)
    if pod is None:
        return
    if pod.phase != state.POD_REMOVING:
        fault_point("pods.remove.intend")
        on.registry.observe(changed(pod, phase=state.POD_REMOVING))
    fault_point("pods.remove.containers")
    containers = [container.id for container in on.registry.containers_of(id)]
    removals = (container_remove.remove(on, container) for container in containers)
    results = await asyncio.gather(*removals, return_exceptions=True)
    await leave_nothing(on, on.registry.pod(id))
    for result in results:
        if isinstance(result, BaseException):
            raise result
    fault_point("pods.remove.forget")
    on.registry.forget(on.registry.pod(id))
    if userns.of_pod(pod.config) is not None:
        passage.update(on)


async def leave_nothing(on: Engine, pod: state.PodRecord) -> None:
    """The steps alone, for a pod without containers."""
    await all_of(f"removing pod {pod.id}", _steps(on, pod))


def _steps(on: Engine, pod: state.PodRecord) -> list[Step]:
    where = on.paths.pod(pod.id)
    return [
        ("pause process", lambda: _end_pause(on, pod)),
        ("network", lambda: stop.detach(on, pod.id)),
        ("network namespace", lambda: _unpin_network(on, pod.id)),
        ("namespaces", lambda: _unpin(on, pod.id)),
        ("/dev/shm", lambda: _unmount_shm(where / "shm")),
        ("files of /etc", lambda: _unmount_etc(where / "etc")),
        ("directory", lambda: _delete(where)),
    ]


def _unpin_network(on: Engine, pod_id: str) -> None:
    fault_point("pods.remove.netns")
    namespaces.unpin(on.paths.netns(pod_id))


def _unpin(on: Engine, pod_id: str) -> None:
    fault_point("pods.remove.namespaces")
    for kind in ("pid", "ipc", "uts", "user"):
        namespaces.unpin(on.paths.pin(pod_id, kind))


def _unmount_shm(where: Path) -> None:
    fault_point("pods.remove.shm")
    shm.unmount(where)


async def _unmount_etc(where: Path) -> None:
    fault_point("pods.remove.etc")
    await offload(etc.unmount, where)


async def _delete(where: Path) -> None:
    fault_point("pods.remove.directory")
    await deletion.delete(where)


async def _end_pause(on: Engine, pod: state.PodRecord) -> None:
    """End the shared pid namespace's init, and with it every process that is left in it."""
    where = on.paths.pod(pod.id) / "pause"
    if not pod.HasField("pause") and not where.exists():
        return
    fault_point("pods.remove.pause")
    on.exits.unwatch(pod.id)
    if pod.HasField("pause"):
        await container_stop.kill(pod.pause, PAUSE_EXIT_WAIT_S)
        await container_stop.kill_after(pod.monitor, PAUSE_EXIT_WAIT_S)
    else:
        await on.conmon.end(pod.id)  # a create that nobody lived to record
    handler = on.handlers.get(pod.handler)
    if handler is not None:
        await on.oci.delete(handler, pod.id, force=True)
    on.conmon.cleanup(pod.id, where)
    await on.cgroups.remove(on.cgroups.oci_path(pod.cgroup_parent, pod.id))
    await container_exits.remove_monitor(on, pod.id)
