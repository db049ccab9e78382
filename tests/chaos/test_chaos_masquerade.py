"""The masquerade rule cannot be made when the daemon starts, or the daemon dies there."""

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig

POINT = "network.masquerade.ensure"


async def test_the_network_works_without_its_rule_and_the_status_mentions_it(rig: Rig) -> None:
    rig.order(POINT, "fail")
    await rig.restart()
    assert await rig.network() == (True, f"injected fault at {POINT}")
    await rig.cri.run_pod()


async def test_a_daemon_that_dies_at_its_rule_starts_the_next_time(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    rig.order(POINT, "kill")
    with pytest.raises(AssertionError):
        await rig.restart()
    rig.pardon()
    await rig.restart()
    assert (await rig.cri.pod_status(pod)).state == api.SANDBOX_READY
