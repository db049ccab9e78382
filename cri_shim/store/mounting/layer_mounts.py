"""The layers that are EROFS files, mounted while somebody needs their directories.

    RUN_ROOT/layers/HEX         the mount of the layer

An overlay keeps a copy of its own of each lower mount. All copies of one mount share a page cache,
but a second mount of the same file has another one. So a layer stays mounted as long as a container
uses it, and then all its containers have the same pages. At its end the daemon unmounts all layers,
and the overlays stay. The mounts of a daemon that died are used by the next one.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cri_shim.errors import ToolFailed
from cri_shim.linux import erofs, mounts
from cri_shim.linux.privacy import make_private


class LayerMounts:
    """All calls block; they may come from several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()  # blocks of `opened`, by the name of the layer
        self._mounted: set[str] = set()

    def recover(self) -> None:
        """Find the mounts of the last daemon."""
        for path in mounts.mounts_below(self._directory) if self._directory.is_dir() else ():
            self._mounted.add(path.name)

    @contextmanager
    def opened(self, name: str, file: Path) -> Iterator[Path]:
        """Yield the directory where `file` is mounted; ToolFailed if the kernel refuses it."""
        with self._lock:
            self._users[name] += 1
        try:
            with self._lock:
                if name not in self._mounted:
                    self._mount(name, file)
            yield self._directory / name
        finally:
            with self._lock:
                self._users[name] -= 1
                self._users += Counter()  # forgets those that are 0

    def _mount(self, name: str, file: Path) -> None:
        target = self._directory / name
        try:
            make_private(self._directory)
            target.mkdir(exist_ok=True)
            erofs.mount(file, target)
        except OSError as e:
            raise ToolFailed(
                f"layer {name} cannot be mounted: {e}; if it is damaged, remove its images and pull"
                " them again"
            ) from e
        self._mounted.add(name)

    def mounted(self) -> set[str]:
        """Return the names of the layers that are mounted."""
        with self._lock:
            return set(self._mounted)

    def unused(self) -> bool:
        """Whether there is a mount that no block of `opened` uses at the moment."""
        with self._lock:
            return bool(self._mounted - self._users.keys())

    def release(self, needed: Collection[str]) -> None:
        """Unmount the layers that are neither in use nor `needed`."""
        with self._lock:
            for name in self._mounted - self._users.keys() - set(needed):
                self._unmount(name)

    def drop(self, name: str) -> None:
        """Unmount a layer whose file is removed."""
        with self._lock:
            if name in self._mounted:
                self._unmount(name)

    def close(self) -> None:
        """Unmount all, also those in use: their overlays stay."""
        with self._lock:
            for name in set(self._mounted):
                self._unmount(name)

    def _unmount(self, name: str) -> None:
        mounts.unmount(self._directory / name)
        self._mounted.discard(name)
        with suppress(OSError):
            (self._directory / name).rmdir()
