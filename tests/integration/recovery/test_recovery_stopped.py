"""A pod that was stopped, or was being stopped, when its daemon ended."""

from collections.abc import Iterator

import pytest

from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.integration.recovery.test_recovery_userns import OPTIONS


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for each test: a restarted one is another process."""
    with private_daemon() as started:
        yield started


async def test_a_stopped_pod_with_a_created_container_is_unchanged(cri: Cri) -> None:
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=OPTIONS)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux))
    context = api.LinuxContainerSecurityContext(namespace_options=OPTIONS)
    inside = api.LinuxContainerConfig(security_context=context)
    ended = await cri.run(pod, ["sleep", "60"], linux=inside)
    created = await cri.create(pod, container_config(["true"], "next", linux=inside))
    await cri.stop_pod(pod)
    told = await cri.pod_status(pod), await cri.status(ended), await cri.status(created)
    cri.daemon.kill()
    size = cri.daemon.log.stat().st_size
    cri.daemon.start()
    async with Client(cri.daemon.socket) as client:
        again = Cri(cri.daemon, client)
        found = await again.pod_status(pod), await again.status(ended), await again.status(created)
        assert found == told
        assert mounts.mounts_below(cri.daemon.run_root / "pods") == []
        assert "could not be recovered" not in cri.daemon.log.read_text()[size:]
        await again.remove_all()
