"""What is written into the audit record: a line when a change or a session begins, one at its end.

With `refuse`, a change begins only when its line is on the disk; while the record cannot be
written, changes are refused and reads continue. With `continue`, changes continue, and lines that
do not fit into the queue are lost and counted.
"""

import asyncio
import secrets
import time
from typing import Any

from cri_shim.activity.peer import Peer
from cri_shim.audit.files import now
from cri_shim.audit.writer import Writer
from cri_shim.errors import Unavailable
from cri_shim.untrusted import printable

WAIT_S = 5.0  # for the disk to take the line of a change, with `refuse`
DENIED_PER_S = 10  # lines of refused calls; a peer without rights must not rotate the record away
_LONGEST = 300  # characters of an object's name
_REMEDY = 'free space, or set audit.on_failure = "continue" and restart the daemon'


class Entry:
    """A change or a session that has begun. `close` is called once."""

    def __init__(self, journal: "Journal", id: str) -> None:
        self._journal, self.id = journal, id
        self._begin = time.monotonic()

    def close(self, result: str, **facts: Any) -> None:
        """Write the end: `result` is OK or the name of a status; `facts` are JSON-able."""
        spent = round((time.monotonic() - self._begin) * 1000, 1)
        self._journal.put({"event": "close", "id": self.id, "result": result, "ms": spent, **facts})


class Journal:
    """The audit record of a daemon."""

    def __init__(self, writer: Writer, *, refuse: bool) -> None:
        self._writer, self._refuse = writer, refuse
        self._second, self._denied, self._unwritten = 0, 0, 0

    def put(self, facts: dict[str, Any]) -> None:
        self._writer.put({"time": now(), **facts})

    async def begin(self, verb: str, object: str, peer: Peer | None) -> Entry:
        """Note a change before it begins. Unavailable if it must not begin."""
        id, entry = self._line("call", verb, object, peer)
        if not self._refuse:
            self._writer.put(entry)
            return Entry(self, id)
        if self._writer.problem:
            raise Unavailable(self._refusal(verb))
        try:
            async with asyncio.timeout(WAIT_S):
                await self._writer.write(entry)
        except (TimeoutError, Unavailable) as e:
            raise Unavailable(self._refusal(verb)) from e
        return Entry(self, id)

    def session(self, verb: str, object: str, peer: Peer | None, id: str) -> Entry:
        """Note a session that begins; the call that asked for it has been noted."""
        self._writer.put(self._line("session", verb, object, peer, id)[1])
        return Entry(self, id)

    def denied(self, verb: str, peer: Peer | None) -> None:
        """Note a call that the role of its socket does not allow."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._denied = second, 0
        self._denied += 1
        if self._denied > DENIED_PER_S:
            self._unwritten += 1
            return
        _, entry = self._line("denied", verb, "", peer)
        if self._unwritten:
            entry["unwritten"], self._unwritten = self._unwritten, 0
        self._writer.put(entry)

    def problem(self) -> str:
        """Return why lines are not written, and what follows from that; "" if they are."""
        if not self._writer.problem and not self._writer.lost:
            return ""
        lost = self._writer.lost
        what = "changes are refused" if self._refuse else f"changes continue, {lost} lines are lost"
        return f"{self._writer.complaint()}: {what}"

    def _line(
        self, kind: str, verb: str, object: str, peer: Peer | None, id: str = ""
    ) -> tuple[str, dict[str, Any]]:
        id = id or secrets.token_hex(6)
        return id, {
            "time": now(),
            "event": "denied" if kind == "denied" else "open",
            "kind": kind,
            "id": id,
            "verb": verb,
            "object": printable(object.strip(), _LONGEST),
            "peer": None if peer is None else peer.facts(),
        }

    def _refusal(self, verb: str) -> str:
        return f"{verb} is refused: {self._writer.complaint()}; {_REMEDY}"

    async def close(self) -> None:
        self.put({"event": "stop"})
        await self._writer.close()
