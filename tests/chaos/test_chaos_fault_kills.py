"""The daemon dies once at every fault point: the next one cleans up, and the step works again."""

from collections.abc import Sequence

import pytest

from tests.chaos import points
from tests.chaos.rig import Rig
from tests.chaos.scenario import Step, break_off


@pytest.mark.parametrize("point", points.ON_THE_WAY)
async def test_a_daemon_that_dies_at_a_step_leaves_nothing_and_works_again(
    rig: Rig, steps: Sequence[Step], point: str
) -> None:
    rig.order(point, "kill")
    broken = await break_off(rig, steps, rig.died)
    rig.pardon()
    await rig.restart()
    await broken.undone(rig)
    for step in steps[broken.at :]:
        await step.act()
