"""Ends the commands of a daemon that died, and the commands that it was starting.

A pid file names each running command. A command that does not run yet, or that has just started,
may have none: the OCI runtime is starting it, and the runtime continues without the daemon. So the
runtimes are ended first; their command lines name the directory of the pid files. A runtime that
detaches ends when it has written its pid file, and gets the time to do it. A runtime that does not
detach waits for its command and is ended with it.
"""

import logging
import signal
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.linux import process as linux_process
from cri_shim.linux.process_handle import Process
from cri_shim.oci import process_tree
from cri_shim.oci.exec import session

GRACE_S = 2.0  # for a runtime that detaches to end by itself; measured: 5 to 15 ms for all of it

_log = logging.getLogger(__name__)


async def end(directory: Path) -> None:
    """Kill the commands whose pid files are in `directory`; call this before the first exec."""
    for pid in await offload(_runtimes, directory, detaching=True):
        await _end_runtime(pid, GRACE_S)
    for pid in await offload(_runtimes, directory, detaching=False):
        await _end_runtime(pid, 0)
    for pid_file in directory.glob("*.pid"):
        await process_tree.end(0, session(pid_file))
    for left in directory.iterdir():  # sockets for terminals, too
        try:
            left.unlink(missing_ok=True)
        except OSError as e:
            _log.warning("%s is nothing of a command and stays: %s", left, e.strerror)


def _runtimes(directory: Path, *, detaching: bool) -> list[int]:
    option = f"--pid-file={directory}/"

    def ours(argv: list[str]) -> bool:
        named = any(argument.startswith(option) for argument in argv)
        return named and ("--detach" in argv) == detaching

    return linux_process.find_by_cmdline(ours, among=linux_process.in_our_pid_namespace)


async def _end_runtime(pid: int, grace: float) -> None:
    """End a runtime that leads its own session, with the processes that it has started."""
    with Process.at(pid) as runtime:
        if runtime.gone or (grace and await runtime.ended(grace)):
            return
        runtime.send(signal.SIGSTOP)  # it starts nothing more
        await process_tree.end(pid, {pid})
        await runtime.kill()
