"""The network counters of pods, without a thread or process in each namespace at every call.

/proc/net/dev, once opened inside a network namespace, always shows that namespace. It is kept open
while the pod is ready. It also keeps the namespace alive, so `forget` must close it in time.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from cri_shim.linux import netdev, nsenter

_FILE = "/proc/thread-self/net/dev"
_READ_BYTES = 1 << 16
_MOST_BYTES = 1 << 18  # of one pod: 2,000 interfaces; a pod can make any number of them


class NetCounters:
    def __init__(self) -> None:
        self._files: dict[str, int] = {}  # by pod id

    def missing(self, wanted: Mapping[str, Path]) -> dict[str, Path]:
        """Return the pods' namespaces that are not open yet."""
        return {id: path for id, path in wanted.items() if id not in self._files}

    def open(self, wanted: Mapping[str, Path]) -> dict[str, int]:
        """Open the counters of pods by their pinned namespaces, in one thread for all of them.

        Blocking. It does not change this object: pass the result to `keep`.
        """

        def open_here() -> int:
            return os.open(_FILE, os.O_RDONLY | os.O_CLOEXEC)

        opened = nsenter.in_each_netns(wanted.values(), open_here)
        return {id: fd for id, fd in zip(wanted, opened, strict=True) if fd is not None}

    def keep(self, id: str, fd: int) -> None:
        self.forget(id)
        self._files[id] = fd

    def read(self, id: str) -> list[netdev.Interface] | None:
        """Return the pod's interfaces; None if its counters are not open."""
        fd = self._files.get(id)
        if fd is None:
            return None
        data = b""
        while len(data) < _MOST_BYTES and (part := os.pread(fd, _READ_BYTES, len(data))):
            data += part
        whole = data[: data.rfind(b"\n") + 1]
        return netdev.parse(whole.decode(errors="backslashreplace"))

    def forget(self, id: str) -> None:
        """Close the counters of a pod; not open is success."""
        fd = self._files.pop(id, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        for id in list(self._files):
            self.forget(id)
