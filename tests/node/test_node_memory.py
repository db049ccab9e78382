"""Containers that the kernel kills for lack of memory, as scopes that systemd removes at once."""

import pytest

from tests.fixtures.cri import Cri
from tests.fixtures.systemd import Scope, Slice
from tests.node.pods import pod_in, started

LIMIT = {"memory_limit_in_bytes": 24 << 20}
GREEDY = ("dd", "if=/dev/zero", "of=/dev/null", "bs=60M")
OF_A_CHILD = f"{' '.join(GREEDY)}; echo survived $?; while :; do sleep 600; done"
KILLS = 10


async def end_of(cri: Cri, scope: Scope) -> tuple[int, str]:
    status = await cri.exited(scope.container, 60)
    return status.exit_code, status.reason


async def test_every_kill_for_lack_of_memory_is_reported_as_one(
    cri: Cri, handler: str, slices: Slice
) -> None:
    pod = await pod_in(cri, slices, handler)
    neighbour = await started(cri, pod, slices, "neighbour", resources=LIMIT)
    ends = []
    for n in range(KILLS):
        scope = await started(cri, pod, slices, f"c{n}", command=GREEDY, resources=LIMIT)
        ends.append(await end_of(cri, scope))
        await cri.remove(scope.container)
    await cri.stop(neighbour.container)
    assert ends == [(137, "OOMKilled")] * KILLS
    assert await end_of(cri, neighbour) == (137, "Error")


async def test_a_kill_at_the_pods_limit_is_reported_for_the_killed_container(
    cri: Cri, handler: str, slices: Slice
) -> None:
    slices.limit(MemoryMax=str(24 << 20))
    pod = await pod_in(cri, slices, handler)
    neighbour = await started(cri, pod, slices, "neighbour")
    greedy = await started(cri, pod, slices, "greedy", command=GREEDY)
    assert await end_of(cri, greedy) == (137, "OOMKilled")
    # Not stopped through the CRI: killed as by a person on the node.
    (slices.group / neighbour.name / "cgroup.kill").write_text("1")
    assert await end_of(cri, neighbour) == (137, "Error")


async def test_with_a_group_kill_the_whole_container_ends(
    cri: Cri, handler: str, slices: Slice
) -> None:
    pod = await pod_in(cri, slices, handler)
    resources = {**LIMIT, "unified": {"memory.oom.group": "1"}}
    script = ["sh", "-c", OF_A_CHILD]
    scope = await started(cri, pod, slices, command=script, resources=resources)
    assert await end_of(cri, scope) == (137, "OOMKilled")


async def test_a_container_outlives_a_child_killed_for_memory(
    cri: Cri, handler: str, slices: Slice
) -> None:
    pod = await pod_in(cri, slices, handler)
    script = ["sh", "-c", OF_A_CHILD.replace("while :; do sleep 600; done", "exit 5")]
    scope = await started(cri, pod, slices, command=script, resources=LIMIT)
    assert await end_of(cri, scope) == (5, "Error")
    killed_by_hand = await started(cri, pod, slices, "other", resources=LIMIT)
    (killed_by_hand.group / "cgroup.kill").write_text("1")
    assert await end_of(cri, killed_by_hand) == (137, "Error")


@pytest.mark.parametrize("score", [-997, 700, 1000])
async def test_a_command_in_a_container_has_the_container_s_oom_score(
    cri: Cri, handler: str, slices: Slice, score: int
) -> None:
    pod = await pod_in(cri, slices, handler)
    scope = await started(cri, pod, slices, resources={"oom_score_adj": score})
    read = ["cat", "/proc/1/oom_score_adj", "/proc/self/oom_score_adj"]
    answer = await cri.exec(scope.container, *read)
    assert answer.stdout.decode().split() == [str(score)] * 2
