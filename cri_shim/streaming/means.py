"""What the server gives a session to work with."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from cri_shim.streaming.memory import Pool

Spawn = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Connections(Protocol):
    """The bound of forwarded connections, of all sessions together."""

    def connect(self) -> str:
        """Take a place for one; "" if there was one, else why there is none."""

    def disconnect(self) -> None:
        """Give it back."""


@dataclass(frozen=True, slots=True)
class Means:
    """`refused` is told why the client was ended, or what it was not given."""

    spawn: Spawn
    input: Pool
    connections: Connections
    refused: Callable[[str], None]
