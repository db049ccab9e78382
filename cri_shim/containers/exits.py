"""Records the end of a container when its init ends.

oci/exits.py observes an exit, and pods/exits.py calls `ended` here. An exit is an observed fact: it
is visible at once, and persisted when the disk allows it. Then the container's cgroup is emptied,
if the container shared a pid namespace, and the OCI runtime deletes the container. RemoveContainer
has to remove only the root file system and the record.
"""

import dataclasses
import logging
import time

from cri_shim.aio.child import KILLED_CODE, LOST_CODE
from cri_shim.engine import Engine
from cri_shim.faults import fault_point
from cri_shim.objects import changed
from cri_shim.oci.exits import Exit
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state

_log = logging.getLogger(__name__)


def ended(engine: Engine, exit: Exit) -> None:
    """Record an exit once; a second report of the same exit changes nothing."""
    container = engine.objects.find_container(exit.id)
    if container is None or container.finished_at:
        return
    phase = state.CONTAINER_EXITED
    if container.phase == state.CONTAINER_REMOVING:
        phase = state.CONTAINER_REMOVING
    exit = dataclasses.replace(exit, oom=_for_memory(engine, container, exit))
    engine.objects.observe(
        changed(
            container,
            phase=phase,
            finished_at=max(exit.finished_at, container.started_at),
            exit_code=exit.exit_code,
            reason=reason(exit),
            message=message(exit),
            paused=None,
            stop=None,
            updating=None,
        )
    )
    what = engine.objects.container_subject(exit.id)
    _log.info("%s ended: exit code %d, %s", what, exit.exit_code, reason(exit))
    if phase == state.CONTAINER_EXITED:
        settle_later(engine, exit.id)


def _for_memory(engine: Engine, container: state.ContainerRecord, exit: Exit) -> bool:
    """Return whether the kernel killed it for lack of memory, by the kernel's count if it has one.

    On cgroup v1, conmon also gets a notice when another container of the pod is killed at the pod's
    limit. conmon may also have died, or report too late. A killed child process does not count if
    the daemon killed the init.
    """
    counted = engine.cgroups.killed_for_memory(container.id, container.cgroups_path)
    stopping = engine.work.stopping.get(container.id)
    if exit.exit_code != KILLED_CODE or (stopping is not None and stopping.killed):
        return False
    return exit.oom if counted is None else counted


def reason(exit: Exit) -> str:
    if exit.oom:
        return "OOMKilled"
    return "Completed" if exit.exit_code == 0 else "Error"


def message(exit: Exit) -> str:
    return "" if exit.known else "the exit code is not known: its monitor (conmon) died before it"


def lost(container: state.ContainerRecord, reason: str) -> state.ContainerRecord:
    """Return the record of a container whose exit was not observed."""
    return changed(
        container,
        phase=state.CONTAINER_EXITED,
        finished_at=time.time_ns(),
        exit_code=LOST_CODE,
        reason="Error",
        message=reason,
        paused=None,
        stop=None,
        updating=None,
    )


def settle_later(engine: Engine, id: str) -> None:
    """Run `settle` in the background until it succeeds."""
    subject = engine.objects.container_subject(id)
    engine.work.retrier.add(
        f"record the end of {subject}", lambda: settle(engine, id), now=True, subject=subject
    )


async def settle(engine: Engine, id: str) -> None:
    """End the processes that outlived the init, and delete the container in the OCI runtime."""
    async with engine.objects.lock(id):
        container = engine.objects.find_container(id)
        if container is None or container.phase != state.CONTAINER_EXITED:
            return  # removed, or being removed: the removal does all of this
        await release_processes(engine, container)


async def release_processes(engine: Engine, container: state.ContainerRecord) -> None:
    """Leave no process of the container and no state in the OCI runtime; can be repeated."""
    fault_point("containers.release.processes")
    if not _owns_pid_namespace(engine, container):
        await engine.cgroups.empty(container.cgroups_path)
    handler = engine.oci.known(container.handler)
    fault_point("containers.release.runtime")
    if handler is not None:
        await engine.oci.runtime.delete(
            handler, container.id, force=True, bundle=engine.paths.bundle(container.id)
        )
    engine.oci.conmon.cleanup(container.id, engine.paths.bundle(container.id))
    fault_point("containers.release.cgroups")
    await engine.cgroups.remove(container.cgroups_path)
    await engine.cgroups.remove_monitor(container.id)


def _owns_pid_namespace(engine: Engine, container: state.ContainerRecord) -> bool:
    """Return whether the kernel ends all of its processes together with its init.

    A plugin may have given the container another pid namespace.
    """
    if engine.plugins.active:
        return False
    context = container.config.linux.security_context
    if context.HasField("namespace_options"):
        return context.namespace_options.pid == api.CONTAINER
    pod = engine.objects.find_pod(container.pod_id)
    return (
        pod is not None and pod.config.linux.security_context.namespace_options.pid == api.CONTAINER
    )
