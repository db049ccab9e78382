"""What a conmon says on its sync pipe: that the container is created, or why it is not."""

import json
from contextlib import suppress
from typing import Any

from cri_shim.aio.offload import finish
from cri_shim.aio.pipes import read_until
from cri_shim.errors import TimedOut
from cri_shim.faults import fault_point

CREATE_S = 60.0  # for the runtime's create, hooks and all; measured: 8 ms with crun, 24 with runc
SETTLE_S = 5.0  # for a create that is under way when nobody wants it any more
MESSAGE_LIMIT = 1 << 16  # bytes; conmon sends 8191 of the runtime's words


async def outcome(sync: int, attempt: str) -> dict[str, Any] | None:
    """conmon's message; TimedOut after CREATE_S.

    A create that is under way is better deleted than cut short, for a killed OCI runtime cleans
    nothing up: so if our task is cancelled, it still has SETTLE_S to end.
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
    """The first line of conmon's sync pipe; None if it ends before one. TimeoutError."""
    line = await read_until(fd, lambda said: b"\n" in said or len(said) > MESSAGE_LIMIT, within)
    return decode(line.decode(errors="replace"))


def decode(text: str) -> dict[str, Any] | None:
    """A sync message; conmon escapes loosely. None for what is none."""
    try:
        found = json.loads(text.partition("\n")[0], strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
