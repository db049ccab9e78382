"""ExecSync: runs a command in a running container to its end."""

import asyncio
from collections.abc import Sequence

from cri_shim import lifecycle
from cri_shim.activity import Step
from cri_shim.aio import outside
from cri_shim.containers import streams
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.linux.rootfs import read_text_in_root
from cri_shim.oci import bundle
from cri_shim.oci.exec import ExecResult
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import users
from cri_shim.spec.document import Document
from cri_shim.spec.process import NO_CHANGES, ExecChanges, exec_process

# stdout and stderr together, in bytes: a little less than the 16 MiB message that clients accept
OUTPUT_LIMIT = (16 << 20) - (64 << 10)


async def exec_sync(
    engine: Engine,
    container_id: str,
    command: list[str],
    timeout: int,
    changes: ExecChanges = NO_CHANGES,
) -> ExecResult:
    """Run `command`; return output and exit code. `timeout` in seconds; 0 means none.

    TimedOut after `timeout`, when the command and its children have been killed and reaped.
    WrongState if the container does not run, or is being killed.
    """
    container = accepting(engine, container_id)
    process = await process_of(engine, container, command, changes, tty=False)
    subject = engine.objects.container_subject(container.id)
    ending = Step("command", "the command to end", limit=timeout or None, expected=True)
    counted = engine.work.exec_syncs.counted()
    with counted, engine.work.operations.serving("ExecSync", subject), ending:
        return await engine.oci.runtime.exec_sync(
            engine.oci.handler(container.handler),
            container.id,
            process,
            owner=streams.owner(engine, container, process),
            timeout=timeout or None,
            limit=OUTPUT_LIMIT,
        )


async def process_of(
    engine: Engine,
    container: state.ContainerRecord,
    command: Sequence[str],
    changes: ExecChanges,
    *,
    tty: bool,
) -> Document:
    """Return the OCI process of a command in a container.

    InvalidArgument for a user that the container does not have.
    """
    user = None
    if changes.user:
        what = f"the users of container {container.id}"
        user = await outside.look(what, _user, engine, container.id, changes.user)
    document = bundle.spec(engine.paths.bundle(container.id))
    return exec_process(document, command, tty=tty, changes=changes, user=user)


def _user(engine: Engine, id: str, text: str) -> users.User:
    """Find a user by the names of the container, which may have changed them."""
    root = engine.paths.rootfs(id)
    passwd, group = (
        read_text_in_root(root, path, users.FILE_LIMIT) for path in ("/etc/passwd", "/etc/group")
    )
    return users.of_text(text, passwd, group)


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
