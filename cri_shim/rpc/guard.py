"""What happens around a call for its peer: its rights are checked, and a change is recorded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cri_shim import verbs
from cri_shim.activity.peer import Peer
from cri_shim.audit.journal import Journal
from cri_shim.errors import CriShimError, PermissionDenied
from cri_shim.rpc.codes import code_of
from cri_shim.rpc.peers import Peers


class Guard:
    """`journal` is None if no change is recorded. `exec_sync`: also record the probes."""

    def __init__(self, peers: Peers, journal: Journal | None, *, exec_sync: bool = True) -> None:
        self._peers, self._journal = peers, journal
        self._unrecorded = frozenset() if exec_sync else frozenset({"ExecSync"})

    def enter(self, verb: str, told: str) -> Peer | None:
        """Return the peer of a call; `told` is what gRPC calls it. PermissionDenied.

        None: the call came by the socket of the CRI itself, without a gate.
        """
        connection = self._peers.of(told)
        if connection is None:
            return None
        try:
            connection.access.check(verb, connection.peer, connection.groups)
        except PermissionDenied:
            if self._journal is not None:
                self._journal.denied(verb, connection.peer)
            raise
        return connection.peer

    @asynccontextmanager
    async def recorded(self, verb: str, object: str, peer: Peer | None) -> AsyncIterator[None]:
        """Record the block, if it is a change. Unavailable if it must not begin unrecorded."""
        journal = self._journal
        if journal is None or not verbs.changes(verb) or verb in self._unrecorded:
            yield
            return
        entry = await journal.begin(verb, object, peer)
        result = "CANCELLED"
        try:
            yield
            result = "OK"
        except CriShimError as e:
            result = code_of(e).name
            raise
        except asyncio.CancelledError:
            raise
        except Exception as e:
            result = "INTERNAL" if not isinstance(e, OSError) else "UNKNOWN"
            raise
        finally:
            entry.close(result)
