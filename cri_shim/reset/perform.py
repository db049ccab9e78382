"""Removes everything that a plan names: through a runtime first, then by its names."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from cri_shim.comparison import ours
from cri_shim.config import Config
from cri_shim.errors import CriShimError, WrongState
from cri_shim.options import Option
from cri_shim.pods import remove as pod_remove
from cri_shim.problems.offline import in_use
from cri_shim.reset import sweep
from cri_shim.runtime import Runtime

PODS_S = 120.0  # for the removal of all pods: a CNI plugin may have to wait for an agent
NETWORK_S = 30.0  # for the end of what the removal began

_log = logging.getLogger(__name__)


async def perform(
    config: Config, path: Path | None, options: Sequence[Option], *, images: bool
) -> list[str]:
    """Remove everything; return one sentence for each thing that could not be removed.

    `path` and `options` are those that made `config`. WrongState while a daemon runs.
    """
    if refusal := next((finding.text for finding in in_use(config)), ""):
        raise WrongState(f"nothing was removed: {refusal}")
    problems: list[str] = []
    if _has_state(config):
        try:
            problems += await _through_a_runtime(path, options)
        except (CriShimError, OSError) as e:
            problems.append(f"pods are removed without a runtime, their networks get no DEL: {e}")
    return problems + await sweep.sweep(config, images=images)


def _has_state(config: Config) -> bool:
    return ours.recognised(config.server.root) and (config.server.root / "state").exists()


async def _through_a_runtime(path: Path | None, options: Sequence[Option]) -> list[str]:
    """Remove every pod as a request would, and the network; return what failed."""
    problems: list[str] = []
    async with Runtime.from_config(path, *options, ("namespace", "")) as runtime:
        engine = runtime.engine
        pods = engine.objects.everything()[0]
        removals = [asyncio.create_task(pod_remove.remove(engine, pod.id)) for pod in pods]
        late = set(removals)
        if removals:
            _, late = await asyncio.wait(removals, timeout=PODS_S)
        for pod, task in zip(pods, removals, strict=True):
            if task in late:
                task.cancel()
                problems.append(f"pod {pod.id} was not removed within {PODS_S:g} s")
            elif (error := task.exception()) is not None:
                problems.append(f"pod {pod.id}: {error}")
        await asyncio.gather(*late, return_exceptions=True)
        await runtime.shutdown(force=True, timeout=NETWORK_S)
    return problems
