"""The address of the metrics: a TCP address, or a unix socket that root's group may use."""

import socket
from pathlib import Path

from cri_shim.linux import unix_socket

SOCKET_MODE = 0o660
BACKLOG = 16
_KEY = "[metrics] address"


def bound(address: str) -> socket.socket:
    """Return a socket that listens on unix:///PATH, ADDRESS:PORT or [ADDRESS]:PORT.

    OSError if it cannot; StateError if another program listens on the unix socket.
    """
    if address.startswith("unix://"):
        return _unix(Path(address.removeprefix("unix://")))
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=BACKLOG)


def _unix(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    unix_socket.remove_stale(path, _KEY)
    listening = unix_socket.bound(path, SOCKET_MODE)
    listening.listen(BACKLOG)
    return listening


def released(address: str) -> None:
    """Remove the file of a unix socket."""
    if address.startswith("unix://"):
        Path(address.removeprefix("unix://")).unlink(missing_ok=True)
