"""Releasing things step by step.

Every step is idempotent and independent: one that fails does not keep the others from being done,
and the whole can be repeated until all have succeeded.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cri_shim.errors import ToolFailed

Step = tuple[str, Callable[[], Awaitable[Any] | Any]]  # its name, and a function without arguments


async def all_of(what: str, steps: Sequence[Step]) -> None:
    """Do every step, in order, whatever the others do; ToolFailed names the ones that failed."""
    failed: list[str] = []
    for name, step in steps:
        try:
            result = step()
            if inspect.isawaitable(result):
                await result
        except Exception as e:
            failed.append(f"{name}: {e}")
    if failed:
        raise ToolFailed(f"{what} is not complete and will be retried: {'; '.join(failed)}")
