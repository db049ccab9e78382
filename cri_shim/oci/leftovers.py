"""Ending the commands of a daemon that died, those it was just starting too.

A command that runs is named by its pid file. One that does not run yet, or only just, may have
none: it is in the hands of the OCI runtime, which lives on without us. So the runtimes come first;
their command lines name the directory of the pid files. One that detaches ends when it has written
its pid file, and is given the time to; another waits for its command, and is ended with it.
"""

import logging
import signal
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.linux import process as processes
from cri_shim.linux.process_handle import Process
from cri_shim.oci import process_tree
from cri_shim.oci.exec import session

GRACE_S = 2.0  # for a runtime that detaches to end by itself; measured: 5 to 15 ms for all of it

_log = logging.getLogger(__name__)


async def end(directory: Path) -> None:
    """Kill the commands whose pid files are in `directory`; to be called before the first exec."""
    for pid in await offload(_runtimes, directory, detaching=True):
        await _end_runtime(pid, GRACE_S)
    for pid in await offload(_runtimes, directory, detaching=False):
        await _end_runtime(pid, 0)
    for pid_file in directory.glob("*.pid"):
        await process_tree.end(0, session(pid_file))
    for left in directory.iterdir():  # sockets for terminals as well
        try:
            left.unlink(missing_ok=True)
        except OSError as e:
            _log.warning("%s is nothing of a command and stays: %s", left, e.strerror)


def _runtimes(directory: Path, *, detaching: bool) -> list[int]:
    option = f"--pid-file={directory}/"

    def ours(words: list[str]) -> bool:
        named = any(word.startswith(option) for word in words)
        return named and ("--detach" in words) == detaching

    return processes.find_by_cmdline(ours, among=processes.in_our_pid_namespace)


async def _end_runtime(pid: int, grace: float) -> None:
    """End a runtime that leads a session of its own, with what it has started."""
    with Process.at(pid) as runtime:
        if runtime.gone or (grace and await runtime.ended(grace)):
            return
        runtime.send(signal.SIGSTOP)  # it starts nothing more
        await process_tree.end(pid, {pid})
        await runtime.kill()
