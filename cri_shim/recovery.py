"""At start: the records, and what is really alive, become the registry.

Each object is looked at alone: what goes wrong with one is logged with its id and keeps no other
from being served. Three cases:

- written in another boot: its processes, mounts and namespaces are gone. Pods become NOTREADY and
  their networks get DEL; containers that had not ended become EXITED with an unknown exit code.
- an intent of this boot (creating, removing): what it may have left is ended; a start is completed,
  in the background if the OCI runtime hangs; so are stops, and an update of limits.
- alive in this boot: it is watched again, and an exit that happened meanwhile is told at once. One
  that is on record as paused and is not frozen, or not wholly, is thawed, in the background too.
"""

import asyncio
import logging

from cri_shim.containers import (
    exits,
    pause,
    rootfs,
    sources,
    still,
    streams,
    takeover,
    update,
    volumes,
)
from cri_shim.containers import remove as container_remove
from cri_shim.containers import stop as container_stop
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.faults import fault_point
from cri_shim.isolation import namespaces
from cri_shim.oci.exits import Exit
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import exits as pod_exits
from cri_shim.pods import passage, strays, teardown
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import stop as pod_stop
from cri_shim.registry import changed

_REBOOTED = "the node was restarted"
_DAEMON_DIED = "cri-shim ended while this container was being started"
STARTS_S = 2.0  # that starts in progress are given together before we serve without them

_log = logging.getLogger(__name__)


async def recover(on: Engine) -> None:
    """Bring every record in line with the world; what takes long goes on in the background."""
    passage.update(on)
    for pod in on.registry.everything()[0]:
        await _one("pod", pod.id, _pod(on, pod))
    for container in on.registry.everything()[1]:
        await _one("container", container.id, _container(on, container))
    await _finish_starts(on)
    on.retrier.add("end what has no record", lambda: strays.end(on), now=True)
    on.images.collect()
    on.retrier.add("network gc", lambda: on.network.gc(lambda: _attachments(on)), now=True)


def _attachments(on: Engine) -> list[tuple[str, str]]:
    """(pod, interface) of everything that may be attached; the rest of a network is garbage."""
    return [
        (pod.id, attachment.interface)
        for pod in on.registry.everything()[0]
        for attachment in pod.network.attachments
    ]


async def _one(what: str, id: str, work: "asyncio.Future[None] | object") -> None:
    try:
        await work  # type: ignore[misc]
    except Exception as e:  # also a bug of ours: the other objects must be served
        unexpected = None if isinstance(e, CriShimError | OSError) else e
        text = "%s %s could not be recovered and is left as it was recorded: %s"
        _log.error(text, what, id, e, exc_info=unexpected)


async def watch(on: Engine) -> None:
    """Follow the exits of containers and pause processes until cancelled."""
    async for exit in on.exits.events():
        told(on, exit)


def told(on: Engine, exit: Exit) -> None:
    """One exit: of a container, or of a pod's pause process."""
    if on.registry.find_pod(exit.id) is not None:
        pod_exits.pause_ended(on, exit.id)
    else:
        exits.ended(on, exit)


async def _pod(on: Engine, pod: state.PodRecord) -> None:
    if pod.phase in (state.POD_CREATING, state.POD_REMOVING):
        on.retrier.add(f"remove pod {pod.id}", lambda: pod_remove.release(on, pod.id), now=True)
        return
    if pod.boot_id != on.boot_id:
        if pod.phase == state.POD_READY:
            _log.info("pod %s: %s; it is not ready now", pod.id, _REBOOTED)
        _refresh(on, pod)
        if pod.network.attachments:
            on.retrier.add(f"detach pod {pod.id}", lambda: teardown.detach(on, pod.id), now=True)
        return
    if pod.HasField("pause"):
        on.exits.watch(pod.id, on.paths.pod(pod.id) / "pause", pod.pause, pod.monitor)
    if pod.phase == state.POD_READY and (missing := _unpinned(on, pod)):
        _log.error("pod %s: its %s namespace is not there; it is not ready now", pod.id, missing)
        on.registry.observe(changed(pod, phase=state.POD_NOTREADY))
    elif pod.stopping:
        on.retrier.add(f"stop pod {pod.id}", lambda: pod_stop.stop(on, pod.id), now=True)
    elif pod.phase == state.POD_NOTREADY:
        _finish_stop(on, pod)


def _finish_stop(on: Engine, pod: state.PodRecord) -> None:
    """Give back what a stopped pod still holds, as of an earlier version, unless something runs."""
    running = any(container_stop.runs(c) for c in on.registry.containers_of(pod.id))
    if not running and teardown.is_due(on, pod):
        on.retrier.add(f"stop pod {pod.id}", lambda: pod_stop.give_back(on, pod.id), now=True)


def _refresh(on: Engine, pod: state.PodRecord) -> None:
    """After a reboot: what is on record of a pod and of its containers ends together."""
    fault_point("recovery.refresh.pod")
    ended = changed(
        pod,
        phase=state.POD_NOTREADY,
        boot_id=on.boot_id,
        pause=None,
        monitor=None,
        stopping=None,
    )
    old = [c for c in on.registry.containers_of(pod.id) if c.boot_id != on.boot_id]
    on.registry.observe_together([ended, *(_rebooted(on, container) for container in old)])


def _rebooted(on: Engine, container: state.ContainerRecord) -> state.ContainerRecord:
    container = changed(container, boot_id=on.boot_id, init=None, monitor=None)
    ended = container.phase in (state.CONTAINER_EXITED, state.CONTAINER_REMOVING)
    if ended or container.phase == state.CONTAINER_CREATING:
        return container
    return exits.lost(container, _REBOOTED)


def _unpinned(on: Engine, pod: state.PodRecord) -> str:
    """The kind of a namespace that a ready pod should have and has not; "" if all is well."""
    pins = on.paths.pins(pod)
    return next((kind for kind, path in pins.items() if not namespaces.is_pinned(path)), "")


async def _container(on: Engine, container: state.ContainerRecord) -> None:
    id = container.id
    if container.boot_id != on.boot_id:  # its pod is not on record, or was being made or removed
        container = on.registry.observe(_rebooted(on, container))
    elif container.HasField("init") and not container.finished_at:
        on.exits.watch(id, on.paths.bundle(id), container.init, container.monitor)
        still.go_on_later(on, container)
        if container.phase == state.CONTAINER_RUNNING:
            container_stop.resume(on, container)
    match container.phase:
        case state.CONTAINER_CREATING | state.CONTAINER_REMOVING:
            on.retrier.add(
                f"remove container {id}", lambda: container_remove.release(on, id), now=True
            )
        case state.CONTAINER_CREATED if takeover.was_started(on, container):
            on.registry.observe(changed(container, phase=state.CONTAINER_STARTING))
        case state.CONTAINER_CREATED:
            await _remount(on, container)
        case state.CONTAINER_RUNNING if container.paused:
            what = f"see whether container {id} is paused"
            on.retrier.add(what, lambda: pause.settle(on, id), now=True)
        case state.CONTAINER_EXITED:
            exits.settle_later(on, id)
    if container.HasField("updating"):
        work = _one("container", id, update.resume(on, id))
        on.spawn(f"update the resources of container {id}", work)


async def _remount(on: Engine, container: state.ContainerRecord) -> None:
    """A created container needs its root file system; somebody may have unmounted it.

    One in a pod that was stopped is never started, and the pod's user namespace is gone.
    """
    if on.registry.pod(container.pod_id).phase != state.POD_READY:
        return
    await rootfs.mount(on, on.registry.pod(container.pod_id), container)
    await volumes.prepare(on, container)


async def _finish_starts(on: Engine) -> None:
    """An OCI runtime that hangs does not keep us from serving: its starts are finished later."""
    containers = on.registry.everything()[1]
    begun = [c.id for c in containers if c.phase == state.CONTAINER_STARTING]
    tasks = [
        on.spawn(f"finish the start of {id}", _one("container", id, _finish_start(on, id)))
        for id in begun
    ]
    if tasks:
        await asyncio.wait(tasks, timeout=STARTS_S)


async def _finish_start(on: Engine, id: str) -> None:
    """A start the last daemon did not live to see: complete it, or end what it left."""
    try:
        async with on.registry.lock(id):
            container = on.registry.find_container(id)
            if container is not None and container.phase == state.CONTAINER_STARTING:
                await _finish_one(on, container)
    finally:
        if (container := on.registry.find_container(id)) is not None:
            container_stop.resume(on, container)


async def _finish_one(on: Engine, container: state.ContainerRecord) -> None:
    handler = on.handlers.get(container.handler)
    if not container.HasField("init"):
        container = await takeover.take_over(on, handler, container)
    if container.finished_at:
        return
    if container.HasField("init") and handler is not None:
        await sources.release(on, container.id)
        found = await on.oci.state(handler, container.id)
        status = found["status"] if found else "stopped"
        if status == "created":
            streams.give(on, container)
            await on.oci.start(handler, container.id)
            status = "running"
        if status == "running":
            current = on.registry.container(container.id)
            if current.phase == state.CONTAINER_STARTING:
                on.registry.observe(changed(current, phase=state.CONTAINER_RUNNING))
        return  # else its exit is told by the watch that began above
    await on.conmon.end(container.id)
    await sources.release(on, container.id)
    lost = exits.lost(container, _DAEMON_DIED)
    on.registry.observe(changed(lost, reason="StartError", exit_code=128))
    exits.settle_later(on, container.id)
