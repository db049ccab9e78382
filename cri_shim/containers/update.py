"""UpdateContainerResources and ReopenContainerLog: changes to a container that lives on."""

from pathlib import Path

from cri_shim.containers.exec import running
from cri_shim.engine import Engine
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.linux import process
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.registry import changed
from cri_shim.spec import resources


async def update_resources(
    on: Engine, container_id: str, update: api.LinuxContainerResources
) -> None:
    """Apply limits; unset fields stay as they are. Returns when they are in force.

    A created container takes them at its start; WrongState for one that has ended.
    """
    id = on.registry.container(container_id).id
    async with on.registry.lock(id):
        container = on.registry.container(id)
        if container.phase not in (state.CONTAINER_CREATED, state.CONTAINER_RUNNING):
            raise WrongState(f"container {id} has ended: its resources cannot be changed")
        merged = resources.merge(container.resources, update)
        wanted = resources.changes(container.resources, merged, on.host)
        if wanted and container.phase == state.CONTAINER_RUNNING:
            await on.oci.update(on.handler(container.handler), id, wanted)
        if update.oom_score_adj and container.phase == state.CONTAINER_RUNNING:
            _set_oom_score(container, resources.oom_score_adj(merged.oom_score_adj, on.host))
        document = bundle.spec(on.paths.bundle(id))
        document["linux"]["resources"].update(resources.to_oci(merged, on.host, "linux"))
        bundle.write(on.paths.bundle(id), document)
        on.registry.put(changed(on.registry.container(id), resources=merged))


def _set_oom_score(container: state.ContainerRecord, score: int) -> None:
    """The OCI runtime's update knows no oom score: it is the process's, not the cgroup's."""
    init = container.init
    try:
        if process.alive(init.pid, init.start_time):
            Path(f"/proc/{init.pid}/oom_score_adj").write_text(str(score))
    except OSError as e:
        raise ToolFailed(f"cannot set the oom score of container {container.id}: {e}") from e


async def reopen_log(on: Engine, container_id: str) -> None:
    """Have the log file opened anew, after it was renamed; WrongState if it does not run."""
    container = running(on, container_id)
    if container.log_path:
        async with on.registry.lock((container.id, "log")):
            await on.conmon.reopen_log(on.paths.bundle(container.id), container.log_path)
