"""At start: compares the records with the processes that run, and restores the objects.

Each object is recovered alone. A failure is logged with the object's id and does not keep other
objects from being served. There are three cases:

- written in another boot: its processes, mounts and namespaces are gone. Pods become NOTREADY and
  their networks get DEL; containers that had not ended become EXITED with an unknown exit code.
- an intent of this boot: after a create or a removal, the remains are removed. A start, a stop and
  an update of limits are completed; a start in the background if the OCI runtime hangs.
- alive in this boot: it is watched again, and an exit in the meantime is reported at once. A
  container recorded as paused that is not, or not wholly, frozen is thawed in the background.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from cri_shim import lifecycle
from cri_shim.activity import Step, Subject
from cri_shim.containers import (
    attributes,
    exits,
    freeze,
    pause,
    rootfs,
    sources,
    streams,
    takeover,
    update,
    volumes,
)
from cri_shim.containers import remove as container_remove
from cri_shim.containers import stop as container_stop
from cri_shim.containers.start import START_ERROR, START_ERROR_CODE
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.faults import fault_point
from cri_shim.linux import nsenter
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import leases, orphans, passage, teardown
from cri_shim.pods import remove as pod_remove
from cri_shim.pods import stop as pod_stop

_REBOOTED = "the node was restarted"
_DAEMON_DIED = "cri-shim ended while this container was being started"
_UNFINISHED_PODS = (state.POD_CREATING, state.POD_REMOVING)
_UNFINISHED = (state.CONTAINER_CREATING, state.CONTAINER_REMOVING)
STARTS_S = 2.0  # for all starts in progress together; later ones are completed during service

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the records had at the start. `undone`: work that the last daemon did not finish."""

    pods: int = 0
    containers: int = 0
    running: int = 0
    undone: int = 0

    def __str__(self) -> str:
        """As in "5 pods, 4 containers (1 running), 2 unfinished works undone"."""
        found = f"{_counted(self.pods, 'pod')}, {_counted(self.containers, 'container')}"
        if self.containers:
            found += f" ({self.running} running)"
        works = f", {_counted(self.undone, 'unfinished work')} undone" if self.undone else ""
        return found + works


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _found(engine: Engine) -> Recovered:
    pods, containers = engine.objects.everything()
    undone = sum(pod.phase in _UNFINISHED_PODS for pod in pods)
    undone += sum(container.phase in _UNFINISHED for container in containers)
    made = [c for c in containers if c.phase not in _UNFINISHED]
    return Recovered(
        pods=sum(pod.phase not in _UNFINISHED_PODS for pod in pods),
        containers=len(made),
        running=sum(lifecycle.is_running(c) and c.boot_id == engine.boot_id for c in made),
        undone=undone,
    )


async def recover(engine: Engine) -> Recovered:
    """Bring every record in line with the node; long work continues in the background."""
    found = _found(engine)
    passage.update(engine)
    with engine.work.operations.doing("recovery", Subject("the start of the daemon")):
        for pod in engine.objects.everything()[0]:
            await _one(engine.objects.pod_subject(pod.id), _pod(engine, pod))
        for container in engine.objects.everything()[1]:
            subject = engine.objects.container_subject(container.id)
            await _one(subject, _container(engine, container))
        with Step("starts", "container starts that the last daemon began", limit=STARTS_S):
            await _finish_starts(engine)
    leases.recover(engine)
    engine.work.retrier.add("end processes without a record", lambda: orphans.end(engine), now=True)
    engine.images.collect()
    engine.work.retrier.add(
        "clean up the networks",
        lambda: engine.network.gc(lambda: teardown.attachments(engine)),
        now=True,
    )
    return found


async def _one(subject: Subject, work: "asyncio.Future[None] | object") -> None:
    try:
        with Step(str(subject), f"{subject} to be recovered"):
            await work  # type: ignore[misc]
    except Exception as e:  # also a bug: the other objects must be served
        unexpected = None if isinstance(e, CriShimError | OSError) else e
        text = "%s could not be recovered and is left as it was recorded: %s"
        _log.error(text, subject, e, exc_info=unexpected)


async def _pod(engine: Engine, pod: state.PodRecord) -> None:
    subject = engine.objects.pod_subject(pod.id)
    retry = partial(engine.work.retrier.add, now=True, subject=subject)
    if pod.phase in (state.POD_CREATING, state.POD_REMOVING):
        retry(f"remove {subject}", lambda: pod_remove.release(engine, pod.id))
        return
    if pod.boot_id != engine.boot_id:
        if lifecycle.is_ready(pod):
            _log.info("%s: %s; it is not ready now", subject, _REBOOTED)
        _refresh(engine, pod)
        if pod.network.attachments:
            retry(f"detach {subject}", lambda: teardown.detach(engine, pod.id))
        return
    if pod.HasField("pause"):
        engine.oci.exits.watch(pod.id, engine.paths.pod(pod.id) / "pause", pod.pause, pod.monitor)
    if lifecycle.is_ready(pod) and (missing := _unpinned(engine, pod)):
        _log.error("%s: its %s namespace is not there; it is not ready now", subject, missing)
        engine.objects.observe(changed(pod, phase=state.POD_NOTREADY))
    elif pod.stopping:
        retry(f"stop {subject}", lambda: pod_stop.stop(engine, pod.id))
    elif pod.phase == state.POD_NOTREADY:
        _finish_stop(engine, pod)


def _finish_stop(engine: Engine, pod: state.PodRecord) -> None:
    """Release what a stopped pod still holds, such as one of an older version, if nothing runs."""
    running = any(lifecycle.has_process(c) for c in engine.objects.containers_of(pod.id))
    if not running and teardown.is_due(engine, pod):
        subject = engine.objects.pod_subject(pod.id)
        retry = partial(engine.work.retrier.add, now=True, subject=subject)
        retry(f"stop {subject}", lambda: pod_stop.release(engine, pod.id))


def _refresh(engine: Engine, pod: state.PodRecord) -> None:
    """After a reboot: end the records of a pod and of its containers together."""
    fault_point("recovery.refresh.pod")
    ended = changed(
        pod,
        phase=state.POD_NOTREADY,
        boot_id=engine.boot_id,
        pause=None,
        monitor=None,
        stopping=None,
    )
    old = [c for c in engine.objects.containers_of(pod.id) if c.boot_id != engine.boot_id]
    engine.objects.observe_together([ended, *(_rebooted(engine, container) for container in old)])


def _rebooted(engine: Engine, container: state.ContainerRecord) -> state.ContainerRecord:
    container = changed(container, boot_id=engine.boot_id, init=None, monitor=None)
    if lifecycle.is_over(container) or container.phase == state.CONTAINER_CREATING:
        return container
    return exits.lost(container, _REBOOTED)


def _unpinned(engine: Engine, pod: state.PodRecord) -> str:
    """Return the kind of a namespace that a ready pod lacks; "" if none is missing."""
    pins = engine.paths.pins(pod)
    return next((kind for kind, path in pins.items() if not nsenter.is_pinned(path)), "")


async def _container(engine: Engine, container: state.ContainerRecord) -> None:
    id = container.id
    subject = engine.objects.container_subject(id)
    retry = partial(engine.work.retrier.add, now=True, subject=subject)
    # Its pod has no record, or was being made or removed.
    if container.boot_id != engine.boot_id:
        container = engine.objects.observe(_rebooted(engine, container))
    elif lifecycle.has_process(container):
        engine.oci.exits.watch(id, engine.paths.bundle(id), container.init, container.monitor)
        freeze.thaw_later(engine, container)
        if lifecycle.is_running(container):
            container_stop.resume(engine, container)
    match container.phase:
        case state.CONTAINER_CREATING | state.CONTAINER_REMOVING:
            retry(f"remove {subject}", lambda: container_remove.release(engine, id))
        case state.CONTAINER_CREATED if takeover.was_started(engine, container):
            engine.objects.observe(changed(container, phase=state.CONTAINER_STARTING))
        case state.CONTAINER_CREATED:
            await _remount(engine, container)
        case state.CONTAINER_RUNNING if lifecycle.is_paused(container):
            what = f"see whether {subject} is paused"
            retry(what, lambda: pause.settle(engine, id))
        case state.CONTAINER_EXITED:
            exits.settle_later(engine, id)
    if container.HasField("updating"):
        work = _one(subject, update.resume(engine, id))
        engine.work.spawn(f"update the resources of {subject}", work)


async def _remount(engine: Engine, container: state.ContainerRecord) -> None:
    """Mount the root file system of a created container again; it may have been unmounted.

    A container in a stopped pod is never started, and the pod's user namespace is gone.
    """
    if not lifecycle.is_ready(engine.objects.pod(container.pod_id)):
        return
    await rootfs.mount(engine, engine.objects.pod(container.pod_id), container)
    await volumes.prepare(engine, container)


async def _finish_starts(engine: Engine) -> None:
    """Complete starts in progress; one whose OCI runtime hangs is completed in the background."""
    containers = engine.objects.everything()[1]
    begun = [c.id for c in containers if c.phase == state.CONTAINER_STARTING]
    tasks = [
        engine.work.spawn(
            f"finish the start of {subject}", _one(subject, _finish_start(engine, subject.id))
        )
        for subject in map(engine.objects.container_subject, begun)
    ]
    if tasks:
        await asyncio.wait(tasks, timeout=STARTS_S)


async def _finish_start(engine: Engine, id: str) -> None:
    """Complete a start that the last daemon did not complete, or remove its remains."""
    try:
        async with engine.objects.lock(id):
            container = engine.objects.find_container(id)
            if container is not None and container.phase == state.CONTAINER_STARTING:
                await _finish_one(engine, container)
    finally:
        if (container := engine.objects.find_container(id)) is not None:
            container_stop.resume(engine, container)


async def _finish_one(engine: Engine, container: state.ContainerRecord) -> None:
    handler = engine.oci.known(container.handler)
    if not container.HasField("init"):
        container = await takeover.take_over(engine, handler, container)
    if container.finished_at:
        return
    if container.HasField("init") and handler is not None:
        await sources.release(engine, container.id)
        found = await engine.oci.runtime.state(handler, container.id)
        status = found["status"] if found else "stopped"
        if status == "created":
            streams.give_to_user(engine, container)
            await attributes.apply(engine, container)
            await engine.oci.runtime.start(handler, container.id)
            status = "running"
        if status == "running":
            current = engine.objects.container(container.id)
            if current.phase == state.CONTAINER_STARTING:
                engine.objects.observe(changed(current, phase=state.CONTAINER_RUNNING))
        return  # otherwise the watch, which began before, reports its exit
    await engine.oci.conmon.end(container.id)
    await sources.release(engine, container.id)
    lost = exits.lost(container, _DAEMON_DIED)
    engine.objects.observe(changed(lost, reason=START_ERROR, exit_code=START_ERROR_CODE))
    exits.settle_later(engine, container.id)
