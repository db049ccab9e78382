"""The process that is a pod's network: started, found, ended.

It belongs to the pod and not to the daemon: it is an orphan in a session of its own. Its pid and
start time identify it; before these are recorded, the namespace on its command line does.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cri_shim.aio import child
from cri_shim.aio.memfile import memfile, text_of
from cri_shim.aio.offload import finish, offload
from cri_shim.aio.pipes import read_until
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.linux import process
from cri_shim.linux.process_handle import KILL_S, Known, Process
from cri_shim.network.user_programs import PROGRAMS, Program

_MESSAGE_LIMIT = 1 << 12  # bytes of its error message
_NAMES = frozenset(program.name for program in PROGRAMS)
# They have a pid namespace of their own. pasta continues as another program: /usr/bin/passt.avx2.
_candidates = process.named(*_NAMES, "passt")


async def start(
    program: Program, path: str, netns: Path, ports: Sequence[str], limit: float
) -> process.Stat:
    """Start it; return it when the pod has its network. ToolFailed with the program's message.

    `limit` is in seconds. After a failure no such process is running.
    """
    command = program.command(path, str(netns), ports)
    try:
        await (_detaching if program.detaches else _ready)(command, limit)
        found = await offload(find, netns)
    except BaseException:
        await finish(end_all(netns))
        raise
    if not found:
        raise ToolFailed(f"{program.name} for {netns} ended at once")
    return min(found, key=lambda one: one.start_time)


def find(netns: Path) -> list[process.Stat]:
    """Return all processes that serve this namespace; blocks to read every process."""

    def serves(argv: list[str]) -> bool:
        return str(netns) in argv and Path(argv[0]).name in _NAMES

    return [
        found
        for pid in process.find_by_cmdline(serves, among=_candidates)
        if (found := process.stat(pid)) is not None and not found.has_ended and process.is_ours(pid)
    ]


async def end(known: Known) -> None:
    """Kill a process; ToolFailed if it does not end. No error if it is gone."""
    with Process.of(known) as found:
        if not await found.kill():
            raise ToolFailed(f"network process {found.pid} still lives {KILL_S:g} s after SIGKILL")


async def end_all(netns: Path) -> None:
    """Kill all processes that serve this namespace, including unrecorded ones."""
    while found := await offload(find, netns):
        for one in found:
            await end(one)


async def _detaching(command: list[str], limit: float) -> None:
    done = await child.run(command, timeout=limit, session=True)
    if done.returncode:
        raise ToolFailed(f"{command[0]}: {done.complaint()}")


async def _ready(command: list[str], limit: float) -> None:
    """Start it as an orphan, and wait until it writes that it is ready."""
    with ExitStack() as cleanup:
        ready_r, ready_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        cleanup.callback(os.close, ready_r)
        stderr = cleanup.enter_context(memfile())
        argv = [command[0], f"--ready-fd={ready_w}", *command[1:]]
        try:
            launcher = child.spawn(
                ["setsid", "--fork", *argv],
                stdout=stderr, stderr=stderr, pass_fds=(ready_w,),
            )  # fmt: skip
        finally:
            os.close(ready_w)
        try:
            await launcher.wait()
            answer = await read_until(ready_r, bool, limit)
        except TimeoutError as e:
            raise TimedOut(f"{command[0]} was not ready within {limit:g} s") from e
        finally:
            await launcher.end()
        if not answer:
            text = text_of(stderr, _MESSAGE_LIMIT).strip()
            raise ToolFailed(f"{command[0]}: {text or 'it ended without a word'}")
