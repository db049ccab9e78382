"""The program: `archive_index ARCHIVE NAME LIMIT` prints one file of a tar, as a line of JSON.

It is a child process (store/python_child.py), because Python's tarfile reads as much into memory as
a header says, and an archive can keep it busy for very long. Exit status 0, or 1 with the reason on
stderr.
"""

import json
import os
import resource
import sys
import tarfile

MEMORY_LIMIT = 1 << 29  # bytes of address space


def main(archive: str, name: str, limit: str) -> None:
    """Print {"text": ...}, or null if the archive has no such file of at most LIMIT bytes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    try:
        data = _content(archive, name, int(limit))
        print(json.dumps({"text": None if data is None else data.decode()}))
    except MemoryError:
        fail(1, f"more than {MEMORY_LIMIT >> 20} MiB of memory would be needed")
    except RecursionError:
        fail(1, "its headers are nested too deeply")
    except UnicodeDecodeError as e:
        fail(1, f"it is not UTF-8 text (byte {e.start})")
    except (OSError, EOFError, ValueError, tarfile.TarError) as e:
        fail(1, str(e))


def _content(archive: str, name: str, limit: int) -> bytes | None:
    with tarfile.open(archive) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # otherwise tarfile keeps all members
            if member.name.removeprefix("./") == name and member.isreg() and member.size <= limit:
                file = tar.extractfile(member)
                return file.read() if file is not None else None
    return None


def fail(status: int, reason: str) -> None:
    """Write the reason to stderr and exit."""
    sys.stderr.write(reason[:1000].encode(errors="backslashreplace").decode() + "\n")
    sys.stderr.flush()
    os._exit(status)
