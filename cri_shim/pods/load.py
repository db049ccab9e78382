"""What pods and their containers use now: counters and sizes, from the kernel's own files.

Times and bytes that grow are since the start: two samples give a rate. A value that the kernel does
not have is None and never 0: control groups v1 have no pressure.
"""

import posixpath
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from cri_shim import lifecycle
from cri_shim.aio.fair import Yielder
from cri_shim.containers import usage
from cri_shim.engine import Engine
from cri_shim.isolation import cgroup_names
from cri_shim.isolation.cgroup_files import BlockIo, Pressure
from cri_shim.isolation.cgroup_stats import Meter, Usage
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.stats import has_own_group


@dataclass(frozen=True, slots=True)
class Load:
    """One sample of a control group, or the sum of several."""

    usage: Usage
    threads: int | None
    read: int | None  # bytes from block devices
    written: int | None


@dataclass(frozen=True, slots=True)
class PodLoad:
    """`restarts` counts those of all containers; `containers` are those that run."""

    pod: state.PodRecord
    restarts: int
    load: Load
    containers: Sequence[tuple[state.ContainerRecord, Load]]


async def listed(engine: Engine) -> AsyncGenerator[PodLoad, None]:
    """Yield the pods that are ready. The files are read on the loop, in slices."""
    meter, turns = engine.cgroups.meter(), Yielder()
    for pod in engine.objects.each_pod():
        if lifecycle.is_ready(pod):
            yield _of_pod(engine, meter, pod)
            await turns.taken()


def stall(pressure: Pressure | None) -> float | None:
    """Return the percentage of the last ten seconds in which some task waited."""
    return None if pressure is None or pressure.some is None else pressure.some.avg10


def _of_pod(engine: Engine, meter: Meter, pod: state.PodRecord) -> PodLoad:
    attempts: dict[str, int] = {}
    rows: list[tuple[state.ContainerRecord, Load]] = []
    for container in engine.objects.containers_of(pod.id):
        metadata = container.config.metadata
        attempts[metadata.name] = max(metadata.attempt, attempts.get(metadata.name, 0))
        if lifecycle.is_running(container):
            load = _read(meter, cgroup_names.directory(container.cgroups_path))
            if load.usage.known:
                rows.append((container, load))
    return PodLoad(pod, sum(attempts.values()), _whole(engine, meter, pod, rows), rows)


def _whole(
    engine: Engine,
    meter: Meter,
    pod: state.PodRecord,
    rows: Sequence[tuple[state.ContainerRecord, Load]],
) -> Load:
    """Return the load of the pod's own control group; else the sum of its containers."""
    pause = cgroup_names.directory(engine.cgroups.oci_path(pod.cgroup_parent, pod.id))
    if has_own_group(pod):
        whole = _read(meter, posixpath.dirname(pause))
        if whole.usage.known:
            return whole
    parts = [load for _, load in rows]
    if pod.HasField("pause"):
        parts.append(_read(meter, pause))
    at = max((part.usage.at for part in parts), default=0)
    return Load(
        usage=usage.total([part.usage for part in parts], at),
        threads=_sum([part.threads for part in parts]),
        read=_sum([part.read for part in parts]),
        written=_sum([part.written for part in parts]),
    )


def _read(meter: Meter, group: str) -> Load:
    block = meter.block_bytes(group)
    return Load(
        usage=meter.usage(group),
        threads=meter.threads(group),
        read=_amount(block, "Read"),
        written=_amount(block, "Write"),
    )


def _amount(block: Sequence[BlockIo] | None, operation: str) -> int | None:
    if block is None:
        return None
    return sum(io.amount for io in block if io.operation == operation)


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
