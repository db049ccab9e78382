"""Changes of directories: inotify where it is available, and a slow poll that decides.

A directory that does not exist yet is awaited through its nearest existing parent; one that is
replaced is watched again. If the inotify instances of the user are used up, only the poll works,
and `problem` says so.
"""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from cri_shim.linux import inotify
from cri_shim.linux.inotify import Inotify

QUIET_S = 0.1  # writers cause several events: wait until there was none for this time,
ROUNDS = 10  # but not forever

_CONTENT = inotify.CHANGED | inotify.IN_ATTRIB  # a plugin may be made executable
_APPEARANCE = (
    inotify.IN_CREATE | inotify.IN_MOVED_TO | inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF
)


class Watch:
    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = tuple(directories)
        self._inotify: Inotify | None = None
        self._watched: dict[Path, int] = {}
        self._event = asyncio.Event()
        self.problem = ""  # why only the poll finds changes

    async def changes(self, pause: Callable[[], float]) -> AsyncGenerator[None, None]:
        """Yield after each burst of changes, and after `pause()` seconds without one.

        A yield means "look now"; perhaps nothing has changed.
        """
        while True:
            try:
                async with asyncio.timeout(pause()):
                    await self._event.wait()
                await self._settle()
            except TimeoutError:
                pass
            self.arm()  # before the look, so that no change is lost between them
            yield

    async def _settle(self) -> None:
        for _ in range(ROUNDS):
            self._event.clear()
            await asyncio.sleep(QUIET_S)
            if not self._event.is_set():
                return
        self._event.clear()

    def arm(self) -> None:
        """Watch the directories that exist now; if one was replaced, start all watches again."""
        wanted = dict(_nearest(directory) for directory in self._directories)
        try:
            if self._inotify is None:
                self._inotify = Inotify()
                asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)
            watched = {path: self._inotify.add(path, mask) for path, mask in wanted.items()}
        except FileNotFoundError:
            return  # it was just removed: the next round finds its parent
        except OSError as e:
            hint = "no inotify watch is left (raise fs.inotify.max_user_watches)"
            reason = hint if e.errno == errno.ENOSPC else e.strerror
            self.problem = f"changes of CNI files are found by polling only: {reason}"
            self.close()
            return
        if self._watched and watched != self._watched:
            self.close()  # an old directory may still be watched
            self.arm()
            return
        self._watched = watched
        self.problem = ""

    def close(self) -> None:
        """End all watches; `arm` starts them again."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()
        self._inotify, self._watched = None, {}

    def _read(self) -> None:
        if self._inotify is not None and self._inotify.read():
            self._event.set()


def _nearest(directory: Path) -> tuple[Path, int]:
    """Return the path to watch for a directory: itself, or the nearest existing parent."""
    if os.path.isdir(directory):  # noqa: PTH112 - Path's raises for a name that is too long
        return directory, _CONTENT
    for parent in directory.parents:
        if os.path.isdir(parent):  # noqa: PTH112
            return parent, _APPEARANCE
    return Path("/"), _APPEARANCE
