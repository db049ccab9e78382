"""all_of: every step is done, whatever the others do."""

import pytest

from cri_shim.aio.steps import all_of
from cri_shim.errors import ToolFailed


async def test_a_failing_step_keeps_no_other_from_being_done_and_is_named() -> None:
    done: list[str] = []

    async def busy() -> None:
        raise OSError("busy")

    steps = [
        ("mount", busy),
        ("process", lambda: done.append("process")),
        ("network", busy),
        ("directory", lambda: done.append("directory")),
    ]
    with pytest.raises(ToolFailed, match=r"removing x is not complete.*mount: busy; network: busy"):
        await all_of("removing x", steps)
    assert done == ["process", "directory"]


async def test_nothing_is_raised_when_all_succeed() -> None:
    await all_of("removing x", [("one", lambda: None)])
