"""conmon's message on its sync pipe: the container is created, or the error."""

import json
from contextlib import suppress
from typing import Any

from cri_shim.aio.offload import finish
from cri_shim.aio.pipes import read_until
from cri_shim.errors import TimedOut
from cri_shim.faults import fault_point

CREATE_S = 60.0  # for the runtime's create with its hooks; measured: 8 ms with crun, 24 with runc
SETTLE_S = 5.0  # for a running create after its task was cancelled
MESSAGE_LIMIT = 1 << 16  # bytes; conmon sends 8191 of the runtime's message


async def outcome(sync: int, attempt: str) -> dict[str, Any] | None:
    """Return conmon's message; TimedOut after CREATE_S.

    It is better to delete the container of a running create than to kill the create, because a
    killed OCI runtime cleans up nothing. So after a cancellation the create has SETTLE_S to end.
    """
    try:
        fault_point("oci.create.wait")
        return await _message(sync, CREATE_S)
    except TimeoutError as e:
        raise TimedOut(f"{attempt}: the OCI runtime did not finish within {CREATE_S:g} s") from e
    except BaseException:
        with suppress(TimeoutError):
            await finish(_message(sync, SETTLE_S))
        raise


async def _message(fd: int, within: float) -> dict[str, Any] | None:
    """Return the first line of conmon's sync pipe; None if it ends before one. TimeoutError."""
    line = await read_until(fd, lambda data: b"\n" in data or len(data) > MESSAGE_LIMIT, within)
    return decode(line.decode(errors="replace"))


def decode(text: str) -> dict[str, Any] | None:
    """Parse a sync message; conmon escapes loosely. None if the text is no such message."""
    try:
        found = json.loads(text.partition("\n")[0], strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
