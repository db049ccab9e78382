"""The shared resources that the server gives to a session."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from cri_shim.activity.error_names import Named
from cri_shim.streaming.memory import Pool
from cri_shim.wire.remotecommand import Outcome

Spawn = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Connections(Protocol):
    """The limit of forwarded connections of all sessions together."""

    def connect(self) -> str:
        """Take a slot for one connection; return "", or the reason if there is none."""

    def disconnect(self) -> None:
        """Give the slot back."""


@dataclass(frozen=True, slots=True)
class Resources:
    """`refused` is called with the reason when a client is ended or a request of it refused.

    `named` finds the names of objects for errors. `finished` is called with the outcome of a
    command, which its client gets.
    """

    spawn: Spawn
    input: Pool
    connections: Connections
    refused: Callable[[str], None]
    named: Named
    finished: Callable[[Outcome], None] = lambda outcome: None
