"""The kernel kills a conmon that exceeds its memory limit; its container keeps running."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.isolation.hierarchies import Hierarchies
from cri_shim.pb import api_pb2 as api
from tests.chaos import world
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import container_config
from tests.fixtures.daemon import Daemon
from tests.fixtures.events import following

SAY = "while [ ! -e /tmp/say ]; do usleep 10000; done; echo x;"
WAIT = "while [ ! -e /tmp/go ]; do usleep 10000; done;"
GREEDY = "exec dd if=/dev/zero of=/dev/null bs=60M"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}) as started:
        yield started


@pytest.fixture
def starving(daemon: Daemon) -> Iterator[Path]:
    """A cgroup without any free memory; the daemon's parent cgroups end with the daemon."""
    memory = Hierarchies().holding("memory")
    assert memory is not None
    group = memory.group(f"{world.cgroup(daemon)}-starving")
    group.mkdir()
    (group / ("memory.max" if memory.v2 else "memory.limit_in_bytes")).write_text("0")
    yield group
    group.rmdir()


async def orphaned(rig: Rig, pod: str, then: str, starving: Path) -> str:
    """Return a running container that waits for /tmp/go, and whose conmon is dead."""
    config = container_config(["sh", "-c", f"{SAY} {WAIT} {then}"])
    config.linux.resources.memory_limit_in_bytes = 20 << 20
    container = await rig.cri.create(pod, config)
    await rig.cri.start(container)
    monitor = (await rig.cri.info(container))["monitorPid"]
    (starving / "cgroup.procs").write_text(str(monitor))
    await rig.cri.touch(container, "/tmp/say")  # the log needs a page
    await rig.until(lambda: not Path(f"/proc/{monitor}").exists())
    return container


ENDS = [("exit 3", 3, "Error"), ("exit 0", 0, "Completed"), (GREEDY, 137, "OOMKilled")]


@pytest.mark.parametrize(("then", "code", "reason"), ENDS)
@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_an_exit_is_fully_recorded_although_the_monitor_was_killed(
    rig: Rig, starving: Path, handler: str, then: str, code: int, reason: str
) -> None:
    async with following(rig.cri) as follower:
        pod = await rig.cri.run_pod(handler=handler)
        container = await orphaned(rig, pod, then, starving)
        await follower.take(4)
        assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
        await rig.cri.touch(container, "/tmp/go")
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
