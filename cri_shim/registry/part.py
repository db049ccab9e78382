"""The file of a blob that is being downloaded: `HEX.part`, renamed to `HEX` when it is verified."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from cri_shim.registry.failure import Failure

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Part:
    """A file of `size` bytes so far, and their digest. It never shrinks except by `restart`."""

    def __init__(self, directory: Path, digest: str) -> None:
        hex = digest.removeprefix("sha256:")
        self._digest = digest
        self._path = directory / f"{hex}.part"
        self._target = directory / hex
        self._fd = -1
        self.size = 0
        self.restart()

    def restart(self) -> None:
        """Begin again in a new file."""
        self.close()
        try:
            self._path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)
        except OSError as e:
            raise self._failure(e) from e
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; Failure of the kind no_space if there is none."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as e:
            raise self._failure(e) from e
        self._hash.update(data)
        self.size += len(data)

    def is_verified(self) -> bool:
        return f"sha256:{self._hash.hexdigest()}" == self._digest

    def digest(self) -> str:
        """Return the digest of the bytes so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def keep(self) -> None:
        """Give the whole file its name."""
        self.close()
        try:
            self._path.rename(self._target)
        except OSError as e:
            raise self._failure(e) from e

    def unlink(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _failure(self, error: OSError) -> Failure:
        place = self._path.parent
        if error.errno in _FULL:
            text = f"no space left in {place}; remove images or files"
            return Failure("no_space", f"cannot store the blob {self._digest}: {text}")
        text = error.strerror or str(error)
        return Failure("no_space", f"cannot store the blob {self._digest} in {place}: {text}")
