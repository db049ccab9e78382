"""The running sessions as objects: listed, ended by their id, and noted in the audit record.

A session is here from the client's request to the end of its connection. Its id is that of its
lines in the audit record.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from cri_shim.activity.peer import Peer
from cri_shim.audit.journal import Entry, Journal
from cri_shim.errors import NotFound
from cri_shim.streaming.link import Link, Session
from cri_shim.wire.remotecommand import Outcome

_ID = 6  # random bytes
GONE = "CLIENT_GONE"  # the result of a session whose client went first

Named = Callable[[str, str], object | None]  # (kind, id) -> the object's name


class Client(Link, Protocol):
    """The connection of a client."""

    def quiet(self) -> float:
        """Return for how many seconds nothing was sent."""


@dataclass(slots=True)
class Running:
    """A session. `peer` is the process that asked for its URL, if its socket tells it."""

    id: str
    purpose: str
    pod_id: str
    container_id: str  # "" for a port-forward
    object: str
    peer: Peer | None
    client: Client
    session: Session | None = None
    entry: Entry | None = None
    result: str = GONE
    exit_code: int | None = None
    ended_for: str = ""
    began: float = field(default_factory=time.time)

    def finished(self, outcome: Outcome) -> None:
        """Note the outcome that the client gets."""
        if outcome.error:
            self.result = outcome.kind or ("ENDED" if self.ended_for else "FAILED")
        else:
            self.result, self.exit_code = "OK", outcome.exit_code

    def end(self, reason: str) -> None:
        """End the session; the client is told the reason."""
        self.ended_for = reason
        self.result = "ENDED"
        if self.session is not None:
            self.session.end(reason)


class Register:
    """`named` finds the name of an object; `journal` is the audit record, or None."""

    def __init__(self, named: Named, journal: Journal | None) -> None:
        self._named, self._journal = named, journal
        self._running: dict[Link, Running] = {}

    def __iter__(self) -> Iterator[Running]:
        return iter(list(self._running.values()))

    def begin(
        self, purpose: str, pod_id: str, container_id: str, peer: Peer | None, client: Client
    ) -> Running:
        """Note a session that begins, and return it; `ended` must be called with its link."""
        kind, of = ("container", container_id) if container_id else ("pod", pod_id)
        object = str(self._named(kind, of) or f"{kind} {of}")
        id = secrets.token_hex(_ID)
        running = Running(id, purpose, pod_id, container_id, object, peer, client)
        if self._journal is not None:
            running.entry = self._journal.session(purpose, object, peer, id)
        self._running[client] = running
        return running

    def ended(self, link: Link) -> None:
        """The connection has ended. A link without a session is ignored."""
        running = self._running.pop(link, None)
        if running is not None and running.entry is not None:
            facts = {"exitCode": running.exit_code, "reason": running.ended_for or None}
            known = {name: value for name, value in facts.items() if value is not None}
            running.entry.close(running.result, **known)

    def find(self, word: str) -> Running:
        """Return the session of an id or a unique beginning of one. NotFound."""
        found = [running for running in self if running.id.startswith(word)] if word else []
        if len(found) == 1:
            return found[0]
        several = f"{len(found)} sessions begin with" if found else "there is no session"
        raise NotFound(f"{several} {word!r}: `cri-shim sessions` lists them")
