"""Removes exited containers, and pods that were stopped or died."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from cri_shim import lifecycle
from cri_shim.activity import Subject
from cri_shim.containers import dependencies
from cri_shim.containers import remove as container_remove
from cri_shim.engine import Engine
from cri_shim.errors import ContainerInUse
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import remove as pod_remove

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pruned:
    """The ids of removed objects, and an error by id; a failed removal is retried."""

    pods: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)


async def prune(engine: Engine) -> Pruned:
    """Remove every pod that is NOTREADY and in which nothing runs, with its containers.

    Then remove the exited containers of the other pods, except those that a remaining container
    depends on.
    """
    done = Pruned()
    for pod in engine.objects.pods():
        if pod.phase == state.POD_NOTREADY and not _lives(engine, pod.id):
            own = [container.id for container in engine.objects.containers_of(pod.id)]
            subject = engine.objects.pod_subject(pod.id)
            if await _try(done, subject, partial(pod_remove.remove, engine, pod.id)):
                done.pods.append(pod.id)
                done.containers += own
    ended = [c for c in engine.objects.containers() if c.phase == state.CONTAINER_EXITED]
    ended.sort(key=lambda c: c.created_at, reverse=True)  # dependents come before dependencies
    for container in ended:
        id = container.id
        try:
            dependencies.release(engine, container)
        except ContainerInUse:
            continue
        subject = engine.objects.container_subject(id)
        if await _try(done, subject, partial(container_remove.remove, engine, id)):
            done.containers.append(id)
    return done


def _lives(engine: Engine, pod_id: str) -> bool:
    containers = engine.objects.containers_of(pod_id)
    return any(c.phase == state.CONTAINER_STARTING or lifecycle.is_running(c) for c in containers)


async def _try(done: Pruned, of: Subject, remove: Callable[[], Awaitable[None]]) -> bool:
    try:
        await remove()
    except Exception as e:
        _log.error("pruning %s: %s", of, e)
        done.errors[of.id] = e
        return False
    return True
