"""The process at the other end of a connection to one of the daemon's unix sockets."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Peer:
    """As the kernel had it when the process connected (SO_PEERCRED, unix(7)).

    A process can pass its connection on: later calls may be another one's. `program` is the path of
    its executable, or "" if it had ended already; `socket` is the path that it connected to.
    """

    uid: int
    gid: int
    pid: int
    program: str
    socket: str

    def facts(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "uid": self.uid,
            "gid": self.gid,
            "pid": self.pid,
            "program": self.program,
            "socket": self.socket,
        }

    def __str__(self) -> str:
        return f"user {self.uid}, process {self.pid} ({self.program or 'ended'})"
