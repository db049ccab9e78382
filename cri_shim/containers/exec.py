"""ExecSync: runs a command in a running container to its end."""

import asyncio

from cri_shim import lifecycle
from cri_shim.containers import streams
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.oci import bundle
from cri_shim.oci.exec import ExecResult
from cri_shim.pb import state_pb2 as state
from cri_shim.spec.process import exec_process

# stdout and stderr together, in bytes: a little less than the 16 MiB message that clients accept
OUTPUT_LIMIT = (16 << 20) - (64 << 10)


async def exec_sync(
    engine: Engine, container_id: str, command: list[str], timeout: int
) -> ExecResult:
    """Run `command`; return output and exit code. `timeout` in seconds; 0 means none.

    TimedOut after `timeout`, when the command and its children have been killed and reaped.
    WrongState if the container does not run, or is being killed.
    """
    container = accepting(engine, container_id)
    process = exec_process(bundle.spec(engine.paths.bundle(container.id)), command, tty=False)
    return await engine.oci.runtime.exec_sync(
        engine.oci.handler(container.handler),
        container.id,
        process,
        owner=streams.owner(engine, container, process),
        timeout=timeout or None,
        limit=OUTPUT_LIMIT,
    )


def accepting(engine: Engine, container_id: str) -> state.ContainerRecord:
    """Return the container if it accepts commands: it runs and is not paused."""
    container = running(engine, container_id)
    if lifecycle.is_paused(container):
        raise WrongState(f"container {container.id} is paused: unpause it first")
    return container


def running(engine: Engine, container_id: str) -> state.ContainerRecord:
    """Return the container if it runs.

    A container that is asked to end still counts until it is killed: probes and people look into a
    container that takes its time.
    """
    container = engine.objects.container(container_id)
    if not lifecycle.is_running(container):
        raise WrongState(f"container {container.id} is not running")
    stopping = engine.work.stopping.get(container.id)
    if stopping is not None and stopping.deadline <= asyncio.get_running_loop().time():
        raise WrongState(f"container {container.id} is being killed")
    return container
