"""The program: `extract ARCHIVE DIRECTORY` unpacks an OCI layout from a tar archive.

It is a child process (store/python_child.py) for the same reasons as index. It writes only
the regular files that the image-layout specification names. Exit status 0, NO_SPACE_EXIT, or 1 with
the reason on stderr.
"""

import errno
import os
import re
import resource
import shutil
import tarfile

from cri_shim.store.archives.index import MEMORY_LIMIT, fail
from cri_shim.store.unpack.failure import NO_SPACE_EXIT

_FILE = re.compile(r"(?:\./)?(oci-layout|index\.json|blobs/[a-z0-9]+/[a-f0-9]{32,128})", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def main(archive: str, directory: str) -> None:
    """Write the files below `directory`, which is empty; then print null, as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    try:
        _unpack(archive, directory)
        print("null")
    except MemoryError:
        fail(1, f"more than {MEMORY_LIMIT >> 20} MiB of memory would be needed")
    except (EOFError, ValueError, RecursionError, tarfile.TarError) as e:
        fail(1, str(e))
    except OSError as e:
        fail(NO_SPACE_EXIT if e.errno in _FULL else 1, str(e))


def _unpack(archive: str, directory: str) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # otherwise tarfile keeps all members
            known = _FILE.fullmatch(member.name)
            content = tar.extractfile(member) if known and member.isreg() else None
            if known is None or content is None:
                continue
            path = os.path.join(directory, known[1])  # noqa: PTH118
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
            with open(path, "wb") as file:  # noqa: PTH123  # the later file of a name wins
                shutil.copyfileobj(content, file)
