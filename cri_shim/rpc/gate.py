"""A unix socket whose peers are known: it accepts connections, and passes them on to gRPC.

    client -> SOCKET (SO_PEERCRED) -> relay, from a socket with a name -> gRPC's private socket

Why bytes are passed on: grpcio has no way to take over a connected descriptor, its accept is not
ours, and sock_diag(7) tells which process has which connection, but not which call came by which
connection. The cost was measured with 2,000 calls of Version from another process, on a machine of
two cores with other work: the daemon's processor time for a call was 0.8 ms without a gate and 1.2
ms with one; a list of 500 containers took the same time. So a socket has a gate only if something
needs it: `[audit] file` for the CRI's socket, and [[sockets]].

What a gate accepts is bounded: MOST connections, MOST_OF_USER of one user. A peer with a role can
still load the daemon with calls that its role allows.
"""

import asyncio
import grp
import logging
import os
import pwd
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cri_shim.aio import descriptors
from cri_shim.errors import StateError
from cri_shim.linux import unix_socket
from cri_shim.rpc.peers import Access, Connection, Peers, read
from cri_shim.rpc.relay import Relay

MOST = 256  # connections of one socket; each takes three descriptors
MOST_OF_USER = 64  # of one user other than the daemon's own
BACKLOG = 64
RETRY_S = 1.0  # after accept failed because descriptors or memory ran out
SILENT_S = 60.0  # between two warnings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """The file of a socket. `owner` and `group` are names or ids; "": the daemon's."""

    path: Path
    mode: int = 0o660
    owner: str = ""
    group: str = ""


class Gate:
    """`inner` is gRPC's private socket. Call `open` once, then `stop` and `close`."""

    def __init__(self, place: Place, access: Access, inner: Path, peers: Peers) -> None:
        self._place, self._access, self._inner, self._peers = place, access, inner, peers
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._relays: dict[str, Relay] = {}  # by the name of the passing socket
        self._of_user: Counter[int] = Counter()
        self._silent_until = 0.0

    def open(self) -> None:
        """Start to accept. StateError names the socket; nothing is left of it then."""
        path = self._place.path
        found: socket.socket | None = None
        try:
            owner = _id(self._place.owner, "user", "owner", lambda n: pwd.getpwnam(n).pw_uid)
            group = _id(self._place.group, "group", "group", lambda n: grp.getgrnam(n).gr_gid)
            path.parent.mkdir(parents=True, exist_ok=True)
            found = unix_socket.bound(path, 0o600)
            os.chown(path, owner, group)  # nobody can connect before `listen`
            path.chmod(self._place.mode)
            found.listen(BACKLOG)
        except (OSError, LookupError) as e:
            if found is not None:
                found.close()
                path.unlink(missing_ok=True)
            reason = e.strerror if isinstance(e, OSError) else e.args[0]
            raise StateError(f"cannot serve on the socket {path}: {reason}") from e
        found.setblocking(False)
        self._socket = found
        self._loop.add_reader(found, self._accept)

    def stop(self) -> None:
        """Stop accepting, and remove the socket. Idempotent."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            self._place.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close every connection, after `stop`."""
        self.stop()
        for relay in list(self._relays.values()):
            relay.close()

    def _accept(self) -> None:
        assert self._socket is not None
        try:
            client, _ = self._socket.accept()
        except BlockingIOError:
            return
        except OSError as e:
            self._pause(e)
            return
        try:
            client.setblocking(False)
            self._enter(client, read(client, self._access))
        except OSError:  # it has gone, or gRPC does not accept just now
            client.close()

    def _pause(self, error: OSError) -> None:
        """Stop accepting for RETRY_S: the socket stays readable, so the loop would spin."""
        assert self._socket is not None
        self._warn(f"cannot accept on {self._place.path}: {error.strerror}")
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(
            RETRY_S, self._loop.add_reader, self._socket, self._accept
        )

    def _enter(self, client: socket.socket, connection: Connection) -> None:
        uid = connection.peer.uid
        many = uid != os.geteuid() and self._of_user[uid] >= MOST_OF_USER
        if many or len(self._relays) >= MOST or descriptors.is_last(client.fileno()):
            client.close()
            self._warn(f"too many connections to {self._place.path}: one of user {uid} was dropped")
            return
        name = self._peers.name(connection)
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            inner.bind(f"\0{name}")
            inner.connect(str(self._inner))
        except OSError:
            inner.close()
            self._peers.forget(name)
            raise
        self._of_user[uid] += 1
        relay = Relay(client, inner, lambda: self._left(name, uid))
        self._relays[name] = relay
        relay.start()

    def _left(self, name: str, uid: int) -> None:
        self._relays.pop(name, None)
        self._peers.forget(name)
        self._of_user[uid] -= 1
        if not self._of_user[uid]:
            del self._of_user[uid]

    def _warn(self, text: str) -> None:
        """Log once in SILENT_S: otherwise a client could fill the log."""
        now = self._loop.time()
        if now >= self._silent_until:
            self._silent_until = now + SILENT_S
            _log.warning("%s", text)


def _id(name: str, kind: str, key: str, look_up: Callable[[str], int]) -> int:
    """Return the id of a name or of an id as text; -1 for "". LookupError says that there is none.

    `key` is the key of [[sockets]] that has the name.
    """
    if not name or name.isdigit():
        return int(name or -1)
    try:
        return look_up(name)
    except KeyError as e:
        raise LookupError(f"there is no {kind} {name!r}; correct its {key}") from e
