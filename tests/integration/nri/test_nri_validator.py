"""The default validator of a daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.pb import nri_pb2 as pb
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon
from tests.fixtures.nri_plugin import FakePlugin
from tests.integration.nri.conftest import settings

SLEEP = ["sleep", "60"]


@pytest.fixture(scope="module")
def daemon(place: Path) -> Iterator[Daemon]:
    rules = {"nri.default_validator": True, "nri.reject_hooks": True}
    with private_daemon(0, **settings(place, **rules)) as started:
        yield started


async def test_a_required_plugin_and_a_rejected_hook(cri: Cri, daemon: Daemon, place: Path) -> None:
    needs = {"required-plugins.noderesource.dev/pod": "[topology]"}
    pod = await cri.run_pod(pod_config(daemon, annotations=needs))
    with pytest.raises(ToolFailed, match="needs NRI plugins that are not connected: topology"):
        await cri.create(pod, container_config(SLEEP))
    plugin = FakePlugin(name="topology")
    async with plugin.connected(place / "nri.sock"):
        await cri.create(pod, container_config(SLEEP))
        hooks = pb.Hooks(prestart=[pb.Hook(path="/bin/true")])
        plugin.answers["CreateContainer"] = pb.CreateContainerResponse(
            adjust=pb.ContainerAdjustment(hooks=hooks)
        )
        with pytest.raises(ToolFailed, match="10-topology adjusts hooks, which this node does not"):
            await cri.create(pod, container_config(SLEEP, "other"))
