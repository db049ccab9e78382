"""Finds conmons by the container's id on their command line, and ends them.

This is for an unfinished create, and for a daemon that died before it recorded the conmon.
"""

from cri_shim.aio.offload import offload
from cri_shim.errors import ToolFailed
from cri_shim.linux import process
from cri_shim.linux.process_handle import KILL_S, Process
from cri_shim.oci import process_tree
from cri_shim.pb import state_pb2 as state


def of(id: str) -> list[state.Process]:
    """Return the living conmons of a container; blocks to read every process of the host.

    A conmon that daemonises is two processes for a moment; the younger stays and comes last.
    """
    # Between the listing of /proc and the read of its entries the elder may have ended and the
    # younger started: so only a second empty result counts.
    return _look_for(id) or _look_for(id)


def _look_for(id: str) -> list[state.Process]:
    def is_its_conmon(argv: list[str]) -> bool:
        # Not by its path: the configuration may have named another path when it was started.
        return argv[1:3] == ["-c", id] and "--persist-dir" in argv

    found = [
        state.Process(pid=pid, start_time=start)
        for pid in process.find_by_cmdline(is_its_conmon, among=process.in_our_pid_namespace)
        if (start := process.start_time(pid)) is not None
        and process.state(pid) not in ("Z", "X", None)
    ]
    return sorted(found, key=lambda p: (p.start_time, p.pid))


async def end(id: str) -> None:
    """Kill every conmon of the container, and an OCI runtime that is still creating it.

    ToolFailed if one does not end within KILL_S.
    """
    while found := await offload(of, id):
        for conmon in found:
            await _kill(conmon, id)
        # The OCI runtime dies with conmon, but its hooks do not: they share conmon's session.
        await process_tree.end(0, {conmon.pid for conmon in found})


async def _kill(conmon: state.Process, id: str) -> None:
    with Process.of(conmon) as monitor:
        if not await monitor.kill():
            raise ToolFailed(
                f"conmon {conmon.pid} of container {id} still lives {KILL_S:g} s after SIGKILL;"
                " it hangs in the kernel"
            )
