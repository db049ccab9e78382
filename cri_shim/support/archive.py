"""One tar.gz of named texts, for its owner alone."""

import io
import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

from cri_shim.errors import StateError

MAX_PART = 8 << 20  # bytes of one part; of a longer log the end is kept


def write(file: Path, directory: str, parts: Mapping[str, str]) -> int:
    """Write the parts below `directory` in the archive; return its size. The file must be new.

    StateError if it cannot be written; nothing is left then.
    """
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise StateError(f"cannot write the report {file}: {e.strerror}; choose another -o") from e
    try:
        with os.fdopen(fd, "wb") as opened, tarfile.open(fileobj=opened, mode="w:gz") as tar:
            for name, text in parts.items():
                _add(tar, f"{directory}/{name}", text.encode(errors="backslashreplace"))
    except OSError as e:
        file.unlink(missing_ok=True)
        raise StateError(f"cannot write the report {file}: {e.strerror}") from e
    return file.stat().st_size


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    data = data[-MAX_PART:]
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
    tar.addfile(entry, io.BytesIO(data))
