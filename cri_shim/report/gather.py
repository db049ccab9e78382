"""Facts that are gathered side by side: one that cannot be had shows its error in its place."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cri_shim.errors import CriShimError
from cri_shim.untrusted import one_line

Part = Callable[[], Awaitable[Any] | Any]


async def gathered(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Every part's value, or what kept it from being told."""
    values = await asyncio.gather(*map(_value, parts.values()))
    return dict(zip(parts, values, strict=True))


async def _value(part: Part) -> Any:
    try:
        found = part()
        return await found if inspect.isawaitable(found) else found
    except CriShimError as e:
        return {"error": one_line(e)}
    except Exception as e:  # of whatever a node may look like
        return {"error": one_line(f"{type(e).__name__}: {e}")}
