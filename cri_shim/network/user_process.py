"""The process that is a pod's network: started, found again, ended.

It belongs to the pod and not to the daemon: an orphan in a session of its own, known by pid and
start time, and before anybody could record those by the namespace on its command line.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cri_shim.aio import child
from cri_shim.aio.memfile import memfile, said
from cri_shim.aio.offload import finish, offload
from cri_shim.aio.pipes import read_until
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.linux import process
from cri_shim.linux.process_handle import KILL_S, Known, Process
from cri_shim.network.user_programs import PROGRAMS, Program

_WORDS = 1 << 12  # bytes of its complaint
_NAMES = frozenset(program.name for program in PROGRAMS)
# They are in a pid namespace of their own. pasta goes on as another program: /usr/bin/passt.avx2.
_candidates = process.named(*_NAMES, "passt")


async def start(
    program: Program, path: str, netns: Path, ports: Sequence[str], limit: float
) -> process.Stat:
    """Return the process when the pod has its network; ToolFailed with its own words.

    `limit` in seconds. After a failure none is left running.
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
    """All that serve this namespace; blocks for a look at every process."""

    def serves(argv: list[str]) -> bool:
        return str(netns) in argv and Path(argv[0]).name in _NAMES

    return [
        found
        for pid in process.find_by_cmdline(serves, among=_candidates)
        if (found := process.stat(pid)) is not None and not found.over and process.is_ours(pid)
    ]


async def end(known: Known) -> None:
    """Kill one; ToolFailed if it does not end. One that is gone is fine."""
    with Process.of(known) as found:
        if not await found.kill():
            raise ToolFailed(f"network process {found.pid} still lives {KILL_S:g} s after SIGKILL")


async def end_all(netns: Path) -> None:
    """Kill all that serve this namespace, also one that nobody recorded."""
    while found := await offload(find, netns):
        for one in found:
            await end(one)


async def _detaching(command: list[str], limit: float) -> None:
    done = await child.run(command, timeout=limit, session=True)
    if done.returncode:
        raise ToolFailed(f"{command[0]}: {done.complaint()}")


async def _ready(command: list[str], limit: float) -> None:
    """Have it fork away from us, and wait until it writes that it is ready."""
    with ExitStack() as cleanup:
        ready, mouth = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        cleanup.callback(os.close, ready)
        words = cleanup.enter_context(memfile())
        argv = [command[0], f"--ready-fd={mouth}", *command[1:]]
        try:
            launcher = child.spawn(
                ["setsid", "--fork", *argv],
                stdout=words, stderr=words, pass_fds=(mouth,),
            )  # fmt: skip
        finally:
            os.close(mouth)
        try:
            await launcher.wait()
            answer = await read_until(ready, bool, limit)
        except TimeoutError as e:
            raise TimedOut(f"{command[0]} was not ready within {limit:g} s") from e
        finally:
            await launcher.end()
        if not answer:
            text = said(words, _WORDS).strip()
            raise ToolFailed(f"{command[0]}: {text or 'it ended without a word'}")
