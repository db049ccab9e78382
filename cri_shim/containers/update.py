"""UpdateContainerResources and ReopenContainerLog: changes to an existing container."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cri_shim import lifecycle
from cri_shim.containers import logs
from cri_shim.containers.exec import running
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.faults import fault_point
from cri_shim.isolation import limits
from cri_shim.linux import process
from cri_shim.objects import changed
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import resources
from cri_shim.spec.scope import is_scope


async def update_resources(
    engine: Engine, container_id: str, update: api.LinuxContainerResources
) -> None:
    """Apply limits; unset fields stay as they are. Return when they are in force.

    A created container gets them at its start; WrongState for one that has ended.
    """
    container = engine.objects.container(container_id)
    _need_changeable(engine, container)
    update, beyond = await engine.plugins.container_updating(container, update)
    await change(engine, container.id, update, beyond)
    await engine.plugins.container_updated(engine.objects.container(container.id))


async def change(
    engine: Engine, id: str, update: api.LinuxContainerResources, beyond: Mapping[str, Any]
) -> None:
    """Apply limits, without a report to the plugins of the node.

    `beyond`: limits in OCI form for which the CRI has no field. If the daemon dies, the next one
    applies only the others.
    """
    async with engine.objects.lock(id):
        container = engine.objects.container(id)
        _need_changeable(engine, container)
        merged = resources.merge(container.resources, update)
        least = engine.defaults.of_handler(container.handler).min_memory
        if merged.memory_limit_in_bytes != container.resources.memory_limit_in_bytes:
            resources.check_minimum(merged, least, "linux")
        fault_point("containers.update.intend")
        await _intended(engine, engine.objects.put(changed(container, updating=merged)), beyond)


def _need_changeable(engine: Engine, container: state.ContainerRecord) -> None:
    # A create without cgroups leaves limits out. This request has nothing else, so it fails.
    if not engine.cgroups.usable:
        raise WrongState(f"container {container.id}: {engine.cgroups.problem}")
    if container.phase not in (state.CONTAINER_CREATED, state.CONTAINER_RUNNING):
        raise WrongState(f"container {container.id} has ended: its resources cannot be changed")


async def resume(engine: Engine, id: str) -> None:
    """At start: complete the update that an earlier daemon began."""
    async with engine.objects.lock(id):
        container = engine.objects.find_container(id)
        if container is not None and container.HasField("updating") and not container.finished_at:
            await _intended(engine, container, {})


async def _intended(
    engine: Engine, container: state.ContainerRecord, beyond: Mapping[str, Any]
) -> None:
    try:
        await _put_in_force(engine, container, container.updating, beyond)
    except BaseException:
        engine.objects.observe(changed(engine.objects.container(container.id), updating=None))
        raise


async def _put_in_force(
    engine: Engine,
    container: state.ContainerRecord,
    merged: api.LinuxContainerResources,
    beyond: Mapping[str, Any],
) -> None:
    """Apply the limits, and write them to document and record. Can be repeated."""
    id = container.id
    score = resources.oom_score_adj(merged.oom_score_adj, engine.host)
    if lifecycle.is_running(container):
        fault_point("containers.update.apply")
        await _apply(engine, container, merged, beyond)
        if merged.oom_score_adj != container.resources.oom_score_adj:
            _set_oom_score(container, score)
    fault_point("containers.update.document")
    limited = resources.to_oci(merged, engine.host, "linux")
    _rewrite(engine.paths.bundle(id), limited, beyond, score)
    fault_point("containers.update.commit")
    engine.objects.observe(changed(engine.objects.container(id), resources=merged, updating=None))


async def _apply(
    engine: Engine,
    container: state.ContainerRecord,
    merged: api.LinuxContainerResources,
    beyond: Mapping[str, Any],
) -> None:
    """Apply the changed limits by the OCI runtime, and directly where the runtime cannot."""
    wanted = _joined(resources.changes(container.resources, merged, engine.host), beyond)
    memory = wanted.get("memory", {}).get("limit", resources.UNLIMITED)
    needed = limits.needed_memory(engine.cgroups, container.cgroups_path)
    if 0 < memory < needed:
        raise WrongState(
            f"container {container.id}: linux.memory_limit_in_bytes: it uses {needed} bytes now"
            f" that cannot be dropped, more than the limit of {memory}"
        )
    handler, group = engine.oci.handler(container.handler), container.cgroups_path
    cpu = wanted.get("cpu", {})
    wanted.pop("hugepageLimits", None)
    try:
        lifted = handler.is_crun and cpu.get("quota") == resources.UNLIMITED
        if lifted and limits.lift_cpu_quota(engine.cgroups, group):
            del cpu["quota"]
        if any(wanted.values()):
            if is_scope(group) and not handler.is_crun:
                # Without this, runc's update of a scope lets systemd lift a swap limit of zero.
                wanted = _joined(wanted, resources.memory(merged, engine.host, "linux"))
            await engine.oci.runtime.update(handler, container.id, wanted)
        for page in resources.to_oci(merged, engine.host, "linux").get("hugepageLimits", []):
            limits.limit_hugepages(engine.cgroups, group, page["pageSize"], page["limit"])
    except OSError as e:
        raise ToolFailed(f"cannot update the resources of container {container.id}: {e}") from e


def _joined(limits: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits in OCI form with others, part by part."""
    return {**limits, **{part: {**limits.get(part, {}), **of} for part, of in others.items()}}


def _rewrite(where: Path, limited: dict[str, Any], beyond: Mapping[str, Any], score: int) -> None:
    """Write the limits in force to the document, which a start and an exec use."""
    document = bundle.spec(where)
    before = document["linux"]["resources"]
    kept = {part: of for part, of in before.items() if part not in resources.PARTS}
    document["linux"]["resources"] = _joined(kept | limited, beyond)
    document["process"]["oomScoreAdj"] = score
    bundle.write(where, document)


def _set_oom_score(container: state.ContainerRecord, score: int) -> None:
    """Set the oom score: it belongs to the process, so the OCI runtime's update has no field."""
    init = container.init
    try:
        if process.alive(init.pid, init.start_time):
            Path(f"/proc/{init.pid}/oom_score_adj").write_text(str(score))
    except OSError as e:
        raise ToolFailed(f"cannot set the oom score of container {container.id}: {e}") from e


async def reopen_log(engine: Engine, container_id: str) -> None:
    """Open the log file again after it was renamed; WrongState if the container does not run."""
    container = running(engine, container_id)
    if (log := logs.file_of(engine, container)) is not None:
        await engine.oci.conmon.reopen_log(engine.paths.bundle(container.id), log)
