"""A pod with a user namespace outlives the daemon that made it."""

from collections.abc import Iterator
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

MAPPING = {"container_id": 0, "host_id": 100000, "length": 65536}
OPTIONS: Any = {
    "pid": api.CONTAINER,
    "userns_options": {"mode": api.POD, "uids": [MAPPING], "gids": [MAPPING]},
}


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon for each test: a restarted one is another process."""
    with private_daemon() as started:
        yield started


async def test_running_and_created_containers_are_unchanged(cri: Cri, handler: str) -> None:
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=OPTIONS)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux, hostname="inside"), handler)
    context = api.LinuxContainerSecurityContext(namespace_options=OPTIONS)
    inside = api.LinuxContainerConfig(security_context=context)
    running = await cri.run(pod, ["sleep", "60"], linux=inside)
    created = await cri.create(pod, container_config(["sleep", "61"], "next", linux=inside))
    cri.daemon.kill()
    cri.daemon.start()
    async with Client(cri.daemon.socket) as client:
        again = Cri(cri.daemon, client)
        assert (await again.pod_status(pod)).state == api.SANDBOX_READY
        await again.start(created)
        for container in (running, created):
            assert await again.sh(container, "id -u && stat -c %u /bin/sh") == "0\n0\n"
        await again.remove_all()
