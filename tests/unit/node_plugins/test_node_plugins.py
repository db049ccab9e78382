"""Without plugins nothing is changed, and nothing is waited for."""

from cri_shim.node_plugins import Adjusted, NodePlugins
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state


async def test_no_plugins_change_nothing() -> None:
    plugins = NodePlugins()
    pod, container = state.PodRecord(), state.ContainerRecord(cgroups_path="/g")
    container.resources.cpu_shares = 7
    update = api.LinuxContainerResources(cpu_shares=8)

    made = await plugins.container_creating(pod, container, {"a": 1})
    changed = await plugins.container_updating(container, update)

    assert made == Adjusted({"a": 1}, container.resources, "/g", {})
    assert changed == (update, {})
    assert not plugins.active and plugins.changing() == []
