"""Where seccomp profiles come from: the distribution's default file, and files on the node.

The default is the file that podman and buildah use too (Debian: golang-github-containers-common;
elsewhere containers-common): what a distribution tunes there applies here. Files are read
when a container is made: an edited profile holds for the next container.
"""

import errno
import os
import platform
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.spec import seccomp
from cri_shim.spec.seccomp import Filter, Machine

MAX_PROFILE = 4 << 20  # bytes; real ones have 20 KiB


class SeccompProfiles:
    """`candidates`: where the default profile is looked for; `architecture` as images name it."""

    def __init__(self, candidates: Sequence[str], *, architecture: str) -> None:
        self._candidates = tuple(candidates)
        self._machine = Machine(architecture, _kernel(platform.release()))
        self._parsed: tuple[tuple[object, ...], Mapping[str, Any]] | None = None

    def problem(self) -> str:
        """Why RuntimeDefault cannot be had here; "" if it can."""
        if self._default() is not None:
            return ""
        tried = ", ".join(self._candidates) or "no path is configured"
        return (
            f"no default seccomp profile on this node; tried: {tried}; install containers-common"
            " (Debian: golang-github-containers-common) or set seccomp_profile"
        )

    def filter(
        self, at: str, wanted: seccomp.Wanted | None, capabilities: Collection[str]
    ) -> Filter | None:
        """OCI linux.seccomp for a process with `capabilities`; None for none.

        `at` is the path of the security context. InvalidArgument for a Localhost profile that
        cannot be used, WrongState when there is no default profile on this node.
        """
        if wanted is None:
            return None
        field = f"{at}.{wanted.field}"
        profile = self._local(wanted.path, field) if wanted.path else self._of_node(field)
        return seccomp.to_oci(profile, self._machine, capabilities)

    def check(self, at: str, wanted: seccomp.Wanted | None) -> None:
        """Raise what `filter` would for a Localhost profile, for who has no process to filter."""
        if wanted is not None and wanted.path:
            self._local(wanted.path, f"{at}.{wanted.field}")

    def _default(self) -> Path | None:
        return next((path for path in map(Path, self._candidates) if path.is_file()), None)

    def _of_node(self, field: str) -> Mapping[str, Any]:
        path = self._default()
        if path is None:
            raise WrongState(f"{field}: {self.problem()}")
        facts = path.stat()
        identity = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if self._parsed is None or self._parsed[0] != identity:
            self._parsed = identity, seccomp.parse(path.read_bytes(), f"{field}: {path}")
        return self._parsed[1]

    def _local(self, path: str, field: str) -> Mapping[str, Any]:
        if not path.startswith("/"):
            raise InvalidArgument(field, f"{path!r} is not an absolute path on this node")
        try:
            text = _read(path)
        except OSError as e:
            raise InvalidArgument(field, f"{path}: {e.strerror}") from e
        return seccomp.parse(text, f"{field}: {path}")


def _read(path: str) -> bytes:
    """A regular file of a sane size; a FIFO or a device would not end."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", path)
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(MAX_PROFILE)
    finally:
        os.close(fd)


def _kernel(release: str) -> tuple[int, int]:
    """(6, 1) of "6.1.0-18-amd64"."""
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
