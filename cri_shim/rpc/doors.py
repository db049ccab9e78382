"""The sockets of the daemon: that of the CRI, and those with a role.

                       without audit        with audit
    server.socket      gRPC                 gate -> gRPC on PRIVATE/cri.sock
    [[sockets]]        gate -> gRPC on PRIVATE/roles.sock

Sockets with roles have a gRPC server of their own: a request can end grpcio's server (see
`listening`), and a peer with few rights must not do that to the kubelet's.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import grpc.aio

from cri_shim import verbs
from cri_shim.linux.privacy import make_private
from cri_shim.linux.unix_socket import remove_stale
from cri_shim.rpc.gate import Gate, Place
from cri_shim.rpc.listening import SOCKET_MODE, Listening
from cri_shim.rpc.peers import Access, Peers
from cri_shim.rpc.sockets import Door


class Doors:
    """Call `open` and `close` once each. `private` is a directory for gRPC's own sockets."""

    def __init__(
        self,
        main: Path,
        private: Path,
        make: Callable[[], grpc.aio.Server],
        peers: Peers,
        *,
        doors: Sequence[Door] = (),
        gated: bool = False,
    ) -> None:
        """`gated`: also the peers of `main` are known, and may do everything."""
        self._main, self._private, self._peers = main, private, peers
        self._doors, self._gated, self._make = doors, gated, make
        self._gates: list[Gate] = []
        self._listenings: list[Listening] = []

    @property
    def restarts(self) -> int:
        """How often a gRPC server has ended by itself and was made again."""
        return sum(listening.restarts for listening in self._listenings)

    async def open(self) -> None:
        """Start to serve. StateError if a socket cannot be made, or another program uses it."""
        paths = [self._main, *(door.place.path for door in self._doors)]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_stale(path, "[server] socket" if path == self._main else "path of [[sockets]]")
        try:
            if self._gated or self._doors:
                make_private(self._private)
            roles = self._private / "roles.sock"
            if self._doors:
                await self._listen(roles)
            for door in self._doors:
                self._open_gate(door.place, door.access, roles)
            if self._gated:
                inner = self._private / "cri.sock"
                await self._listen(inner)
                everything = Access(self._main, "full", frozenset(verbs.SORTS))
                self._open_gate(Place(self._main, SOCKET_MODE), everything, inner)
            else:
                await self._listen(self._main)
        except BaseException:
            await self.close(0)
            raise

    async def _listen(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        listening = Listening(path, self._make)
        self._listenings.append(listening)
        await listening.open()

    def _open_gate(self, place: Place, access: Access, inner: Path) -> None:
        gate = Gate(place, access, inner, self._peers)
        gate.open()
        self._gates.append(gate)

    async def close(self, grace: float) -> None:
        """Stop accepting, and give running calls `grace` seconds."""
        for gate in self._gates:
            gate.stop()
        for listening in self._listenings:
            await listening.close(grace)
        for gate in self._gates:
            gate.close()
