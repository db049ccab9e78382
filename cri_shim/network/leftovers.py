"""Plugins that outlived the daemon that started them.

A daemon that is killed leaves its ADD running, and what that one reserves after the next daemon's
DEL would belong to nobody. So those are ended first. A plugin of ours is known by a mark in its
environment; a program that it put into the background on purpose has a session of its own.
"""

import contextlib
import logging
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from cri_shim.linux import pidfd, process

MARK = "CRI_SHIM_NETWORK"  # in the environment of every plugin: the cache directory, as our name

_PATIENCE_MS = 5_000  # for the end of a process that was killed

_log = logging.getLogger(__name__)


def end(mark: str, plugin_dirs: tuple[Path, ...]) -> None:
    """Kill every ADD that carries `mark`, with what it started, and wait for its end. Blocks."""
    for pid, start in list(_plugins(mark.encode(), plugin_dirs)):
        fd = pidfd.open_verified(pid, start)
        if fd is None:
            continue
        try:
            _log.warning("ending CNI plugin %d, which an earlier daemon left at work", pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            ended = select.poll()
            ended.register(fd, select.POLLIN)
            ended.poll(_PATIENCE_MS)
        finally:
            os.close(fd)


def _plugins(mark: bytes, plugin_dirs: tuple[Path, ...]) -> Iterator[tuple[int, int]]:
    """(pid, start time) of the leaders of sessions that run an ADD of ours."""

    def is_plugin(argv: list[str]) -> bool:  # a script's interpreter comes first
        return any(Path(word).parent in plugin_dirs for word in argv[:3])

    for pid in process.find_by_cmdline(is_plugin, among=process.in_our_pid_namespace):
        with contextlib.suppress(OSError):
            start = process.start_time(pid)
            environment = process.environment(pid)
            ours = {MARK.encode() + b"=" + mark, b"CNI_COMMAND=ADD"} <= set(environment)
            if ours and start is not None and os.getsid(pid) == pid:
                yield pid, start
