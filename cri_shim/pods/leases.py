"""Pods that the daemon removes by itself: with their caller, or with their containers.

`cri-shim run` makes such pods. A pod lives as long as the call that made it, until the caller
detaches it. The record has the lease from the beginning, so a daemon that died leaves no such pod:
the next one removes it, because the call ended with the daemon.
"""

import asyncio
import logging
from contextlib import suppress

from cri_shim import lifecycle
from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.objects import changed, pod_name
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import remove, run

_log = logging.getLogger(__name__)


async def begin(engine: Engine, request: api.RunPodSandboxRequest) -> str:
    """Run a pod for a call and return its id; the caller must call `end` after the call.

    A caller that is cancelled meanwhile gets the pod removed when it is made. Errors as of run.run.
    """
    try:
        return await run.run(engine, request, state.LEASE_CALLER)
    except asyncio.CancelledError:
        engine.work.spawn(f"remove pod {request.config.metadata.name}", _late(engine, request))
        raise


async def _late(engine: Engine, request: api.RunPodSandboxRequest) -> None:
    """Remove a pod whose caller has gone while it was made."""
    if not engine.work.runs.under_way(pod_name(request.config.metadata)):
        return
    with suppress(CriShimError):  # a failed run leaves nothing
        end(engine, await run.run(engine, request, state.LEASE_CALLER))


def end(engine: Engine, id: str) -> None:
    """Remove the pod in the background, unless it was detached or is gone."""
    pod = engine.objects.find_pod(id)
    if pod is not None and pod.lease == state.LEASE_CALLER:
        _remove_later(engine, id)


async def until_gone(engine: Engine, id: str) -> None:
    await engine.objects.until(id, lambda: engine.objects.find_pod(id) is None)


def detach(engine: Engine, id: str, *, remove: bool) -> None:
    """Let a pod outlive its call; with `remove` it is removed when its containers have ended."""
    pod = engine.objects.pod(id)
    lease = state.LEASE_CONTAINERS if remove else state.LEASE_NONE
    engine.objects.put(changed(pod, lease=lease))
    ended(engine, pod.id)


def ended(engine: Engine, pod_id: str) -> None:
    """Called after the end of a container: remove its pod if the pod waits for it."""
    pod = engine.objects.find_pod(pod_id)
    if pod is None or pod.lease != state.LEASE_CONTAINERS:
        return
    containers = engine.objects.containers_of(pod_id)
    if containers and all(lifecycle.is_over(container) for container in containers):
        _remove_later(engine, pod_id)


def recover(engine: Engine) -> None:
    """After a start: remove the pods whose callers spoke to the daemon before."""
    for pod in engine.objects.everything()[0]:
        if pod.lease == state.LEASE_CALLER:
            subject = engine.objects.pod_subject(pod.id)
            _log.info("%s: the program that ran it lost its daemon; it is removed", subject)
            _remove_later(engine, pod.id)
        ended(engine, pod.id)


def _remove_later(engine: Engine, id: str) -> None:
    subject = engine.objects.pod_subject(id)
    engine.work.retrier.add(
        f"remove {subject}", lambda: remove.release(engine, id), now=True, subject=subject
    )
