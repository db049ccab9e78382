"""A conmon is killed, as the kernel does on a node without memory, and its container goes on."""

import os
import signal
from collections.abc import Iterator

import pytest

from cri_shim.pb import api_pb2 as api
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import container_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.events import following

WAIT = "while [ ! -e /tmp/go ]; do usleep 10000; done;"
GREEDY = "exec dd if=/dev/zero of=/dev/null bs=60M"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


async def orphaned(rig: Rig, pod: str, then: str) -> str:
    """A running container that waits to be let go, and whose conmon is dead."""
    config = container_config(["sh", "-c", f"{WAIT} {then}"])
    config.linux.resources.memory_limit_in_bytes = 20 << 20
    container = await rig.cri.create(pod, config)
    await rig.cri.start(container)
    os.kill((await rig.cri.info(container))["monitorPid"], signal.SIGKILL)
    return container


ENDS = [("exit 3", 3, "Error"), ("exit 0", 0, "Completed"), (GREEDY, 137, "OOMKilled")]


@pytest.mark.parametrize(("then", "code", "reason"), ENDS)
@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_the_end_of_a_container_whose_monitor_was_killed_is_told_in_full(
    rig: Rig, handler: str, then: str, code: int, reason: str
) -> None:
    async with following(rig.cri) as follower:
        pod = await rig.cri.run_pod(handler=handler)
        container = await orphaned(rig, pod, then)
        await follower.take(4)
        assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
        await rig.cri.sh(container, "touch /tmp/go")
        (event,) = await follower.take(1)
    status = await rig.cri.exited(container)
    assert (status.exit_code, status.reason) == (code, reason)
    assert (event.container_id, event.container_event_type) == (
        container,
        api.CONTAINER_STOPPED_EVENT,
    )
    assert list(event.containers_statuses) == [status]
    await rig.cri.remove(container)
    await rig.cri.run(pod, ["true"])
