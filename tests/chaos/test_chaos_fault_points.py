"""Every fault point fails once: nothing is left behind, and the step works the next time."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.chaos import points
from tests.chaos.rig import Rig
from tests.chaos.scenario import Step, break_off
from tests.fixtures.daemon import Daemon

VERBS = {
    "RunPodSandbox": "pods.run.",
    "StopPodSandbox": "pods.stop.",
    "RemovePodSandbox": "pods.remove.",
    "CreateContainer": "containers.create.",
    "StartContainer": "containers.start.",
    "StopContainer": "containers.stop.",
    "RemoveContainer": "containers.remove.",
    "PullImage": "images.pull.",
    "RemoveImage": "images.remove.",
}


def test_every_fault_point_is_one_literal_used_once() -> None:
    assert all(isinstance(call.args[0], ast.Constant) for call in points.calls())
    assert [name for name, times in Counter(points.names()).items() if times > 1] == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_fault_points(verb: str) -> None:
    assert [name for name in points.names() if name.startswith(VERBS[verb])] != []


def test_every_excluded_fault_point_exists() -> None:
    assert set(points.names()) >= points.ELSEWHERE.keys()


@pytest.fixture(scope="module")
def daemon(place: Daemon) -> Iterator[Daemon]:
    """One daemon for all failures: none of them ends it."""
    place.start()
    yield place
    place.kill()


@pytest.mark.parametrize("point", points.ON_THE_WAY)
async def test_a_step_that_fails_leaves_nothing_and_works_the_next_time(
    rig: Rig, steps: Sequence[Step], point: str
) -> None:
    rig.order(point, "fail")
    broken = await break_off(rig, steps, lambda: rig.failed_at(point))
    rig.pardon()
    await broken.undone(rig)
    for step in steps[broken.at :]:
        await step.act()


@pytest.mark.parametrize("point", points.REMOVALS)
async def test_a_failed_removal_is_completed_without_another_request(
    rig: Rig, steps: Sequence[Step], point: str
) -> None:
    nothing = await rig.snapshot()
    rig.order(point, "fail")
    broken = await break_off(rig, steps, lambda: rig.failed_at(point))
    rig.pardon()
    await rig.no_retries()
    for step in steps[broken.at + 1 :]:
        await step.act()
    await rig.becomes(nothing)
