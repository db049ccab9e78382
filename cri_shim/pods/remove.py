"""RemovePodSandbox: removes every trace of a pod and its containers, step by step.

The record stays (phase REMOVING, shown as NOTREADY) until every step has succeeded; a background
task retries.
"""

import asyncio
import logging
from pathlib import Path

from cri_shim.aio.cleanup import Step, release_all
from cri_shim.containers import remove as container_remove
from cri_shim.engine import Engine
from cri_shim.errors import NotFound
from cri_shim.faults import fault_point
from cri_shim.objects import changed
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import passage, teardown
from cri_shim.spec import userns
from cri_shim.store import deletion

_log = logging.getLogger(__name__)


async def remove(engine: Engine, pod_id: str) -> None:
    """Stop and remove the pod and its containers. An unknown id is success, as the CRI says."""
    try:
        id = engine.objects.pod(pod_id).id
    except NotFound:
        return
    await engine.work.pod_removals.do(
        id, lambda: _remove(engine, id), engine.objects.pod_subject(id)
    )


async def abandon(engine: Engine, id: str) -> None:
    """Undo a failed run; steps that fail now are retried in the background."""
    try:
        await _remove(engine, id)
    except Exception as e:
        _log.error("%s", e)


async def _remove(engine: Engine, id: str) -> None:
    subject = engine.objects.pod_subject(id)
    await engine.work.retrier.ensure(f"remove {subject}", lambda: release(engine, id), subject)


async def release(engine: Engine, id: str) -> None:
    """Remove the pod; can be called again at any point."""
    async with engine.objects.lock(id):  # a background retry may meet a second request
        await _release(engine, id)


async def _release(engine: Engine, id: str) -> None:
    pod = engine.objects.find_pod(id)
    if pod is None:
        return
    if pod.phase != state.POD_REMOVING:
        fault_point("pods.remove.intend")
        engine.objects.observe(changed(pod, phase=state.POD_REMOVING))
    fault_point("pods.remove.containers")
    containers = [container.id for container in engine.objects.containers_of(id)]
    removals = (container_remove.remove(engine, container) for container in containers)
    results = await asyncio.gather(*removals, return_exceptions=True)
    await engine.plugins.pod_stopped(pod)
    await leave_nothing(engine, engine.objects.pod(id))
    for result in results:
        if isinstance(result, BaseException):
            raise result
    await engine.plugins.pod_removed(pod)
    fault_point("pods.remove.forget")
    engine.objects.forget(engine.objects.pod(id))
    if userns.of_pod(pod.config) is not None:
        passage.update(engine)


async def leave_nothing(engine: Engine, pod: state.PodRecord) -> None:
    """Run only the removal steps, for a pod without containers."""
    await release_all(f"removing {engine.objects.pod_subject(pod.id)}", _steps(engine, pod))


def _steps(engine: Engine, pod: state.PodRecord) -> list[Step]:
    where = engine.paths.pod(pod.id)
    own_logs = engine.paths.logs(pod.id)
    return [
        *teardown.steps(engine, pod),
        ("directory", lambda: _delete(where)),
        ("logs", lambda: deletion.delete(own_logs)),
    ]


async def _delete(where: Path) -> None:
    fault_point("pods.remove.directory")
    await deletion.delete(where)
