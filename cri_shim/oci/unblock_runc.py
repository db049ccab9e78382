"""Ends an OCI runtime's client that waits only for pipes which other processes hold open.

crun gives the daemon's pipes to the command. runc (without --detach) copies the command's output
through its own pipes, and after the command's end waits until every background child has closed
them: forever, if that child is a daemon. Once the daemon has closed its read end, the next byte
that runc copies fails, and runc ends with the command's exit code. Background daemons may write
nothing, so this module writes the byte.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path


def unblock(client: int) -> None:
    """Write a byte into every pipe that process `client` (an unreaped child of ours) reads."""
    try:
        descriptors = list(Path(f"/proc/{client}/fd").iterdir())
    except OSError:  # the client has ended meanwhile
        return
    for descriptor in descriptors:
        with suppress(OSError):  # closed meanwhile, or full: a full pipe already has a byte
            if stat.S_ISFIFO(descriptor.stat().st_mode) and not _writes(client, descriptor.name):
                _write_byte(descriptor)


def _writes(client: int, descriptor: str) -> bool:
    for line in Path(f"/proc/{client}/fdinfo/{descriptor}").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == "flags":
            return int(value, 8) & os.O_ACCMODE != os.O_RDONLY
    return True


def _write_byte(pipe: Path) -> None:
    fd = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(fd, b"\n")
    finally:
        os.close(fd)
