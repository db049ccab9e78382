"""Named points at which tests make the daemon fail or die.

`fault_point("pods.run.network")` is called before each step that changes the outside world. It does
nothing unless CRI_SHIM_FAULTS names a file when the process starts. Then each call reads that file
and executes the line `NAME fail` (raise InjectedFault) or `NAME kill` (SIGKILL to this process,
which is close to a power failure). tests/chaos finds the names in the source.
"""

import os
import signal
from pathlib import Path

from cri_shim.errors import CriShimError

_plan = os.environ.get("CRI_SHIM_FAULTS")


class InjectedFault(CriShimError):
    """Raised at a fault point because a test requested it."""


def fault_point(name: str) -> None:
    """Pass, fail or die, as the plan says; `name` must be a literal, so that tests find it."""
    if _plan is None:
        return
    try:
        orders = dict(line.split() for line in Path(_plan).read_text().splitlines() if line)
    except FileNotFoundError:
        return
    match orders.get(name):
        case "fail":
            raise InjectedFault(f"injected fault at {name}")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
