"""Leaks of a test: snapshots of this process and the machine, and the difference of two snapshots.

On the machine only objects with the mark of this run count: paths below its base directory. With
`whole` all objects count; this is for a run that has the machine to itself (hack/test).
"""

import asyncio
import asyncio.runners
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STEP_S = 0.02
_DIRECTORIES = (
    "/run/netns",
    "/run/cri-shim",
    "/var/lib/cri-shim",
    "/var/lib/cni",
    "/sys/class/net",
)
_PROGRAMS = frozenset(
    (
        *("conmon", "crun", "runc", "skopeo", "catatonit", "docker-registry"),
        *("pasta", "slirp4netns", "fuse-overlayfs"),
    )
)
_GRPC_OWN = ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")  # made once, kept for good

Things = Counter[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a snapshot.

    `mark` is the run's base directory, `machine` adds processes and mounts.
    """

    mark: str
    machine: bool
    whole: bool
    patience: float = 3.0  # seconds: a killed process needs a moment to end


def snapshot(scope: Scope) -> Things:
    """Return all present objects, as readable lines."""
    found = Counter(_open_files())
    found.update(f"child process {pid}" for pid in _children())
    if scope.machine or scope.whole:
        found.update(_processes(scope))
        found.update(_mounts(scope))
    if scope.whole:
        found.update(_entries())
        found.update(_cgroups())
    return found


def left_behind(before: Things, scope: Scope) -> list[str]:
    """Return the objects that are new since `before`, after a limited wait."""
    deadline = time.monotonic() + scope.patience
    while extra := snapshot(scope) - before:
        gc.collect()
        if time.monotonic() > deadline:
            return sorted(extra)
        time.sleep(_STEP_S)
    return []


def _open_files() -> Iterator[str]:
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = str(fd.readlink())
        except OSError:
            continue
        if not (target in _GRPC_OWN and "grpc" in sys.modules):
            yield f"open file {target}" if target.startswith("/") else f"open {_kind(target)}"


def _kind(target: str) -> str:
    """Shorten socket:[123] to socket: numbers differ between snapshots of the same object."""
    return target if target.startswith("anon_inode") else target.partition(":")[0]


def _children() -> Iterator[str]:
    for thread in Path("/proc/self/task").iterdir():
        try:
            yield from (thread / "children").read_text().split()
        except OSError:
            continue


def _processes(scope: Scope) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        line = b" ".join(words).decode(errors="replace").strip()
        ours = scope.mark in line or (scope.whole and Path(line.split(" ")[0]).name in _PROGRAMS)
        if line and ours and int(process.name) != os.getpid():
            yield f"process {process.name}: {line[:200]}"


def _mounts(scope: Scope) -> Iterator[str]:
    # The path of a mount may have any bytes except a line feed, which is escaped.
    for line in Path("/proc/self/mountinfo").read_bytes().rstrip(b"\n").split(b"\n"):
        target = os.fsdecode(line.split(b" ")[4])
        if scope.whole or f"{target}/".startswith(f"{scope.mark}/"):
            yield f"mount {target}"


def _entries() -> Iterator[str]:
    for directory in map(Path, _DIRECTORIES):
        if directory.is_dir():
            yield from map(str, directory.iterdir())


def _cgroups() -> Iterator[str]:
    for directory, _, _ in os.walk("/sys/fs/cgroup"):
        yield f"cgroup {directory}"


class Tasks:
    """Records the tasks that an event loop had to cancel when it was closed."""

    def __init__(self) -> None:
        self.abandoned: list[str] = []
        self._cancel_all = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def watch(self) -> None:
        def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
            self.abandoned += [f"task {task!r}" for task in asyncio.all_tasks(loop)]
            self._cancel_all(loop)

        asyncio.runners._cancel_all_tasks = cancel_all  # type: ignore[attr-defined]

    def unwatch(self) -> None:
        asyncio.runners._cancel_all_tasks = self._cancel_all  # type: ignore[attr-defined]

    def take(self) -> list[str]:
        """Return the names since the last call."""
        taken, self.abandoned = self.abandoned, []
        return taken
