"""Ends plugins that outlived the daemon that started them.

A daemon that is killed leaves its ADD running. If that ADD reserved an address after the next
daemon's DEL, no pod would own the address. So these plugins are ended first. A mark in its
environment identifies a plugin of ours; a program that a plugin put into the background on purpose
has a session of its own and stays.
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

MARK = "CRI_SHIM_NETWORK"  # in every plugin's environment: the cache directory identifies us

_log = logging.getLogger(__name__)


async def end(mark: str, plugin_dirs: tuple[Path, ...]) -> None:
    """Kill every ADD that has `mark`, with the processes that it started; wait for its end."""
    for stat in await offload(lambda: list(_plugins(mark.encode(), plugin_dirs))):
        with Process.of(stat) as plugin:
            if plugin.gone:
                continue
            _log.warning("ending CNI plugin %d, which an earlier daemon left at work", plugin.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(plugin.pid, signal.SIGKILL)
            await plugin.ended(KILL_S)


def _plugins(mark: bytes, plugin_dirs: tuple[Path, ...]) -> Iterator[process.Stat]:
    """Yield the leaders of sessions that run an ADD of this daemon."""

    def is_plugin(argv: list[str]) -> bool:  # a script's interpreter comes first
        return any(Path(word).parent in plugin_dirs for word in argv[:3])

    for pid in process.find_by_cmdline(is_plugin, among=process.in_our_pid_namespace):
        with contextlib.suppress(OSError):
            stat = process.stat(pid)
            environment = process.environment(pid)
            ours = {MARK.encode() + b"=" + mark, b"CNI_COMMAND=ADD"} <= set(environment)
            if ours and stat is not None and os.getsid(pid) == pid:
                yield stat
