"""Limits of the writable layers of containers, as project quotas of the file system.

Each layer has a project id of its own. The id is on the directory itself, so nothing is recorded: a
start reads it again. A daemon that dies between the id and the limit leaves a layer without the
mark of its boot, and `prepare` limits it again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cri_shim.linux import project_quota

FIRST = 0x6372_0000  # "cr": ids below are left to /etc/projid and other programs
COUNT = 1 << 16


class Quotas:
    """`containers` is the directory of all writable layers. The methods block."""

    def __init__(self, containers: Path) -> None:
        self._containers = containers
        self._taken: dict[str, int] | None = None  # by the name of the directory
        self._next = 0

    def limit(self, directory: Path, size: int) -> None:
        """Limit the empty directory of a layer to `size` bytes. OSError."""
        taken = self._known()
        id = self._free(set(taken.values()))
        with _opened(directory) as fd:
            project_quota.set_project(fd, id)
            project_quota.set_limit(fd, id, size)
        taken[directory.name] = id

    def forget(self, directory: Path) -> None:
        """Free the id of a layer that is being deleted; one without a limit is ignored."""
        if self._taken is None or directory.name not in self._taken:
            return
        id = self._taken.pop(directory.name)
        with suppress(OSError), _opened(self._containers) as fd:
            project_quota.set_limit(fd, id, 0)

    def _known(self) -> dict[str, int]:
        """Return the ids of the layers that are here, also of those that are being deleted."""
        if self._taken is None:
            self._taken = {}
            for directory in self._containers.iterdir():
                with suppress(OSError), _opened(directory) as fd:
                    id = project_quota.project_of(fd)
                    if FIRST <= id < FIRST + COUNT:
                        self._taken[directory.name] = id
        return self._taken

    def _free(self, taken: set[int]) -> int:
        """Return an id that no layer has; one that was freed is used again as late as possible."""
        for _ in range(COUNT):
            id = FIRST + self._next
            self._next = (self._next + 1) % COUNT
            if id not in taken:
                return id
        raise OSError(f"{COUNT} writable layers have a limit already")


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """Open a directory for the block; yield its descriptor."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
