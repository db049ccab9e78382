"""Ends plugins that outlived the daemon that started them.

A daemon that is killed leaves its ADD running. If that ADD reserved an address after the next
daemon's DEL, no pod would own the address. So these plugins are ended first. A mark in the
environment of a plugin shows which daemon started it; a program that a plugin put into the
background on purpose has a session of its own and stays.
"""

import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from cri_shim.aio.offload import offload
from cri_shim.linux import process
from cri_shim.linux.process_handle import KILL_S, Process
from cri_shim.untrusted import printable

MARK = "CRI_SHIM_NETWORK"  # in every plugin's environment: the cache directory identifies us

_POD = b"CNI_CONTAINERID="
_log = logging.getLogger(__name__)


async def end(mark: str, plugin_dirs: tuple[Path, ...]) -> None:
    """Kill every ADD that has `mark`, with the processes that it started; wait for its end."""
    for stat, pod_id in await offload(lambda: list(_plugins(mark.encode(), plugin_dirs))):
        with Process.of(stat) as plugin:
            if plugin.gone:
                continue
            text = "killing CNI plugin %s (process %d, ADD for pod %s), left by the previous daemon"
            _log.warning(text, stat.name, plugin.pid, printable(pod_id))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(plugin.pid, signal.SIGKILL)
            await plugin.ended(KILL_S)


def _plugins(mark: bytes, plugin_dirs: tuple[Path, ...]) -> Iterator[tuple[process.Stat, str]]:
    """Yield the leaders of sessions that run an ADD of this daemon, each with the id of its pod."""

    def is_plugin(argv: list[str]) -> bool:  # a script's interpreter comes first
        return any(Path(word).parent in plugin_dirs for word in argv[:3])

    for pid in process.find_by_cmdline(is_plugin, among=process.in_our_pid_namespace):
        with contextlib.suppress(OSError):
            stat = process.stat(pid)
            environment = process.environment(pid)
            ours = {MARK.encode() + b"=" + mark, b"CNI_COMMAND=ADD"} <= set(environment)
            if ours and stat is not None and os.getsid(pid) == pid:
                of = [entry for entry in environment if entry.startswith(_POD)]
                yield stat, of[0].removeprefix(_POD).decode(errors="replace") if of else "unknown"
