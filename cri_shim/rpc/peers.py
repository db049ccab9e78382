"""Who calls: the credentials of connections, and what a socket lets its peers do.

grpcio does not show SO_PEERCRED, and the peer of every unix connection is `unix:` to it. So a gate
(see `gate`) accepts a connection, asks the kernel for its credentials, and passes its bytes on to
gRPC from a socket with a name of its own; that name is the peer that gRPC tells for each call.
"""

import os
import secrets
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cri_shim.activity.peer import Peer
from cri_shim.errors import PermissionDenied
from cri_shim.untrusted import printable

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)
_SO_PEERGROUPS = 59  # since Linux 4.13; not in the socket module
_MOST_GROUPS = 65536  # NGROUPS_MAX
_NAME = f"cri-shim/{os.getpid()}/"  # the beginning of the names that gates use
_OF_GRPC = "unix-abstract:"  # what grpcio prefixes the name of an abstract socket with


@dataclass(frozen=True, slots=True)
class Access:
    """What the peers of a socket may do; without `uids` and `gids`, whoever can connect."""

    socket: Path
    role: str
    verbs: frozenset[str]
    uids: frozenset[int] = frozenset()
    gids: frozenset[int] = frozenset()

    def check(self, verb: str, peer: Peer, groups: Iterable[int]) -> None:
        """Raise PermissionDenied if the peer, who is in `groups`, may not call `verb`."""
        limited = self.uids or self.gids
        if limited and peer.uid not in self.uids and self.gids.isdisjoint(groups):
            raise PermissionDenied(
                f"user {peer.uid} may not use {self.socket}: neither the user nor one of its groups"
                " is in the uids and gids of this socket"
            )
        if verb not in self.verbs:
            raise PermissionDenied(
                f"{verb} is not allowed on {self.socket}, whose role is {self.role}: use a socket"
                " with another role, or add the call to its verbs"
            )


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection: its peer, the peer's groups, and what its socket allows."""

    peer: Peer
    groups: frozenset[int]
    access: Access


def read(connection: socket.socket, access: Access) -> Connection:
    """Ask the kernel for the peer of a connection. OSError if it has gone."""
    size = _CREDENTIALS.size
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, gid = _CREDENTIALS.unpack(found)
    peer = Peer(uid, gid, pid, _program(pid), str(access.socket))
    return Connection(peer, frozenset({gid, *_groups(connection)}), access)


def _groups(connection: socket.socket) -> tuple[int, ...]:
    """Return the supplementary groups of the peer; none if the kernel does not tell them."""
    try:
        data = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * 64)
    except OSError:
        try:
            data = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _MOST_GROUPS)
        except OSError:
            return ()
    return struct.unpack(f"{len(data) // 4}I", data)


def _program(pid: int) -> str:
    try:
        return printable(os.readlink(f"/proc/{pid}/exe"), 300)  # noqa: PTH115 - not a path of ours
    except OSError:
        return ""


class Peers:
    """The connections of all gates, by the name that gRPC tells."""

    def __init__(self) -> None:
        self._named: dict[str, Connection] = {}

    def name(self, connection: Connection) -> str:
        """Return a new name for the socket that passes the connection on."""
        name = f"{_NAME}{secrets.token_hex(8)}"
        self._named[_OF_GRPC + name] = connection
        return name

    def forget(self, name: str) -> None:
        self._named.pop(_OF_GRPC + name, None)

    def of(self, told: str) -> Connection | None:
        """Return the connection of a call from what gRPC tells; None if it came through no gate.

        Nobody else can have the name while it is in use: it is bound in the abstract namespace.
        PermissionDenied if the connection has gone: what its peer may do is not known any more.
        """
        connection = self._named.get(told)
        if connection is None and told.startswith(_OF_GRPC + _NAME):
            raise PermissionDenied("the connection of this call has ended before the call began")
        return connection
