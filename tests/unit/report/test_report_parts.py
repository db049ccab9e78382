"""The parts of a report are gathered concurrently, and a failed part shows its error."""

import asyncio

from cri_shim.errors import ToolFailed
from cri_shim.report.parts import gathered


async def test_a_failed_part_shows_its_error_in_its_place() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return "told"

    async def refused() -> None:
        raise ToolFailed("conmon said no")

    found = await gathered(
        {
            "now": lambda: 1,
            "later": later,
            "refused": refused,
            "broken": lambda: 1 / 0,
            "nested": lambda: gathered({"fine": list, "not": lambda: {"y": 1}["x"]}),
        }
    )

    assert found == {
        "now": 1,
        "later": "told",
        "refused": {"error": "conmon said no"},
        "broken": {"error": "ZeroDivisionError: division by zero"},
        "nested": {"fine": [], "not": {"error": "KeyError: 'x'"}},
    }
    assert list(found) == ["now", "later", "refused", "broken", "nested"]
