"""Stops that run at the same time as removals, and stops that the death of a daemon interrupts."""

import asyncio

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos import points, world
from tests.chaos.rig import Rig
from tests.fixtures.cri import pod_config

TEARDOWN = [point for point in points.ON_THE_WAY if point.startswith("pods.teardown.")]


@pytest.mark.parametrize("handler", ["crun", "runc"])
@pytest.mark.parametrize("share_pids", [False, True])
async def test_stops_during_a_removal_succeed(rig: Rig, handler: str, share_pids: bool) -> None:
    for _ in range(5):
        config = pod_config(rig.daemon)
        options = config.linux.security_context.namespace_options
        options.pid = api.POD if share_pids else api.CONTAINER
        pod = await rig.cri.run_pod(config, handler)
        container = await rig.cri.run(pod, ["sleep", "600"])
        stops = [rig.cri.stop(container, n % 2) for n in range(6)]
        stops += [rig.cri.stop_pod(pod) for _ in range(6)]
        await asyncio.gather(
            *stops[::2], rig.cri.remove(container), rig.cri.remove_pod(pod), *stops[1::2]
        )
        assert await rig.cri.pods() == []


async def test_a_stop_that_waits_for_a_removal_of_the_pod_succeeds(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    await rig.cri.run(pod, ["sh", "-c", "trap '' TERM; sleep 600 & wait; wait"])
    stopping = asyncio.create_task(rig.cri.stop_pod(pod))  # it gives the container two seconds
    await rig.cri.not_ready(pod)
    await rig.cri.remove_pod(pod)
    await stopping


@pytest.mark.parametrize("point", TEARDOWN)
async def test_a_stop_interrupted_by_the_daemons_death_is_completed_by_the_next(
    rig: Rig, point: str
) -> None:
    config = pod_config(rig.daemon, linux=api.LinuxPodSandboxConfig())
    pod = await rig.cri.run_pod(config)
    rig.order(point, "kill")
    with pytest.raises(Exception, match=r"."):
        await rig.cri.stop_pod(pod)
    assert rig.died()
    rig.pardon()
    await rig.restart()
    await rig.no_retries()
    left = {thing for thing in world.things(rig.daemon) if pod in thing}
    assert left == {f"file {rig.daemon.run_root}/pods/{pod}"}
    assert (await rig.cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
