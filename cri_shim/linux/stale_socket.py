"""A unix socket that a dead program has left: removed before the next one binds there."""

import socket
from pathlib import Path

from cri_shim.errors import StateError


def remove_stale(path: Path, key: str) -> None:
    """Remove the socket of a dead program; StateError if another program listens on it.

    `key` is the key of the configuration that names the path.
    """
    if not path.is_socket():
        if path.exists():
            raise StateError(f"{path} exists and is not a socket; choose another {key}")
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass  # the queue of a living program is full
        except OSError:
            path.unlink()
            return
    raise StateError(f"another program serves on {path}; stop it, or choose another {key}")
