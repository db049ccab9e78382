"""Pods in the slices of a kubelet, and containers as scopes in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.systemd import Scope, Slice


async def pod_in(cri: Cri, slices: Slice, handler: str) -> str:
    config = pod_config(cri.daemon)
    config.linux.cgroup_parent = slices.parent
    return await cri.run_pod(config, handler)


async def started(
    cri: Cri,
    pod: str,
    slices: Slice,
    name: str = "main",
    *,
    command: Sequence[str] = ("sleep", "600"),
    resources: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Scope:
    config = container_config(command, name, **fields)
    config.linux.resources.CopyFrom(api.LinuxContainerResources(**(resources or {})))
    container = await cri.create(pod, config)
    await cri.start(container)
    return Scope(container, slices)
