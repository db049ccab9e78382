"""The one exception of the worker: what the daemon is told of a failure."""

from collections.abc import Sequence
from typing import Literal

from cri_shim.untrusted import one_line

Kind = Literal[
    "not_found",
    "unauthorized",
    "denied",
    "unavailable",  # the network, 5xx, and 429 after all tries
    "stalled",
    "no_space",
    "invalid",  # damaged or refused content
    "unsupported",
    "argument",  # a bad name, configuration or field of the credentials
]


class Failure(Exception):
    """A failure of a request, a blob or the pull. Its text contains no secret.

    `message` is `cause` and `remedy` together. `passing`: the same request may succeed later.
    `wait`: the seconds that the registry asks for. `reached`: there was a connection. `refused`:
    there was none because no program listens there; it may be starting.
    """

    def __init__(
        self,
        kind: Kind,
        cause: str,
        remedy: str = "",
        *,
        passing: bool = False,
        wait: float | None = None,
        reached: bool = True,
        refused: bool = False,
    ) -> None:
        self.cause = one_line(cause)
        self.remedy = remedy
        self.message = one_line(f"{cause}; {remedy}" if remedy else cause)
        super().__init__(self.message)
        self.kind = kind
        self.passing = passing
        self.wait = wait
        self.reached = reached
        self.refused = refused


def together(failures: Sequence[Failure], others: str) -> Failure:
    """Return the last failure, with the causes of the ones before it; `others` names them."""
    *before, last = failures
    if not before:
        return last
    told = "; ".join(failure.cause for failure in before)
    return Failure(last.kind, f"{last.cause} ({others}: {told})", last.remedy)
