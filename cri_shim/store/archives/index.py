"""The program: `index ARCHIVE LIMIT NAME...` prints one file of a tar, as a line of JSON.

It is a child process (store/python_child.py), because Python's tarfile reads as much into memory as
a header says, and an archive can keep it busy for very long. Exit status 0, or 1 with the reason on
stderr.
"""

import json
import os
import resource
import sys
import tarfile
from collections.abc import Sequence

MEMORY_LIMIT = 1 << 29  # bytes of address space


def main(archive: str, limit: str, *names: str) -> None:
    """Print {"name": ..., "text": ...} of the first of `names` that the archive has.

    Both are null if it has no such file of at most LIMIT bytes.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    try:
        name, data = _content(archive, names, int(limit))
        print(json.dumps({"name": name, "text": None if data is None else data.decode()}))
    except MemoryError:
        fail(1, f"more than {MEMORY_LIMIT >> 20} MiB of memory would be needed")
    except RecursionError:
        fail(1, "its headers are nested too deeply")
    except UnicodeDecodeError as e:
        fail(1, f"it is not UTF-8 text (byte {e.start})")
    except (OSError, EOFError, ValueError, tarfile.TarError) as e:
        fail(1, str(e).partition(":\n")[0])  # without a line for each compression that was tried


def _content(
    archive: str, names: Sequence[str], limit: int
) -> tuple[str, bytes] | tuple[None, None]:
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # otherwise tarfile keeps all members
            name = member.name.removeprefix("./")
            if name not in names or name in found or not member.isreg() or member.size > limit:
                continue
            if (file := tar.extractfile(member)) is not None:
                found[name] = file.read()
                if name == names[0]:
                    break
    best = next((name for name in names if name in found), None)
    return (None, None) if best is None else (best, found[best])


def fail(status: int, reason: str) -> None:
    """Write the reason to stderr and exit."""
    sys.stderr.write(reason[:1000].encode(errors="backslashreplace").decode() + "\n")
    sys.stderr.flush()
    os._exit(status)
