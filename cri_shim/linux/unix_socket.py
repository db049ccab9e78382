"""The file of a listening unix socket: what is in its place, and how it is made."""

import os
import socket
from pathlib import Path
from typing import Literal

from cri_shim.errors import StateError


def occupant(path: Path) -> Literal["", "file", "program"]:
    """Remove the socket that a dead program has left; return what else has the path.

    "file": something that is not a socket. "program": a socket on which a program listens. It does
    not wait: the queue of a living program may be full.
    """
    if not path.is_socket():
        return "file" if path.exists() else ""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass
        except OSError:
            path.unlink()
            return ""
    return "program"


def remove_stale(path: Path, key: str) -> None:
    """Remove the socket of a dead program; StateError if something else is in its place.

    `key` is the key of the configuration that names the path.
    """
    found = occupant(path)
    if found == "file":
        raise StateError(f"{path} exists and is not a socket; choose another {key}")
    if found:
        raise StateError(f"another program serves on {path}; stop it, or choose another {key}")


def bound(path: Path, mode: int) -> socket.socket:
    """Return a stream socket bound to `path`, which never had more permissions than `mode`.

    OSError if it cannot be bound; nothing is left open then. The umask is the process's: call it
    where no other code makes files meanwhile, as on the event loop at the start.
    """
    found = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o777 & ~mode)
    try:
        found.bind(str(path))
    except OSError:
        found.close()
        raise
    finally:
        os.umask(umask)
    return found
