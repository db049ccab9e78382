"""A pod that was stopped and not removed: it holds nothing of the node but its record and files."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import WrongState
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, log_lines, pod_config

MAPPING = {"container_id": 0, "host_id": 100000, "length": 65536}
USERNS = {"mode": api.POD, "uids": [MAPPING], "gids": [MAPPING]}
SHAPES: dict[str, dict[str, Any]] = {
    "of its own": {"pid": api.CONTAINER},
    "sharing pids": {"pid": api.POD},
    "on the node's network": {"pid": api.CONTAINER, "network": api.NODE},
    "with the node's ipc": {"pid": api.CONTAINER, "ipc": api.NODE},
    "with user namespace": {"pid": api.POD, "userns_options": USERNS},
}


async def ran(cri: Cri, handler: str, shape: str) -> tuple[str, str]:
    """A pod, and a container in it that has written to /dev/shm and its log, and still runs."""
    options = api.NamespaceOption(**SHAPES[shape])
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=options)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux), handler)
    context = api.LinuxContainerSecurityContext(namespace_options=options)
    inside = api.LinuxContainerConfig(security_context=context)
    keep = "true" if "ipc" in SHAPES[shape] else "echo data > /dev/shm/file"
    container = await cri.run(pod, ["sh", "-c", f"{keep}; echo said; sleep 600"], linux=inside)
    async with asyncio.timeout(10):
        while log_lines(await cri.status(container)) != ["said"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return pod, container


def held(cri: Cri, pod: str) -> list[str]:
    """The resources of a pod besides its files: mounts, pins, processes and groups."""
    where = cri.daemon.run_root / "pods" / pod
    found = [str(path) for path in mounts.mounts_below(where)]
    found += [str(path) for path in (where / "ns").iterdir()]
    found += [str(path) for path in Path("/run/netns").glob(f"*{pod}*")]
    groups = os.walk("/sys/fs/cgroup")  # passes over groups that vanish meanwhile
    return found + [f"{top}/{name}" for top, names, _ in groups for name in names if pod in name]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_stopped_pod_holds_no_namespace_no_memory_and_no_process(
    cri: Cri, handler: str, shape: str
) -> None:
    pod, container = await ran(cri, handler, shape)
    await cri.stop_pod(pod)
    assert held(cri, pod) == []
    status = await cri.pod_status(pod)
    assert status.state == api.SANDBOX_NOTREADY
    assert await cri.pods() == [pod]
    assert await cri.containers() == [container]
    ended = await cri.status(container)
    assert (ended.state, log_lines(ended)) == (api.CONTAINER_EXITED, ["said"])
    assert not (await cri.pod_info(pod)).get("pid")  # without a process of its own there is none
    await cri.stop_pod(pod)
    await cri.remove_pod(pod)
    assert cri.daemon.traces() == []


async def test_calls_that_need_a_ready_pod_are_refused_with_a_sentence(cri: Cri) -> None:
    pod, container = await ran(cri, "crun", "sharing pids")
    created = await cri.create(pod, container_config(["true"], "other"))
    await cri.stop_pod(pod)
    for call in (
        cri.create(pod, container_config(["true"], "third")),
        cri.start(created),
        cri.exec(container, "true"),
        cri.runtime.PortForward(api.PortForwardRequest(pod_sandbox_id=pod, port=[80])),
        cri.runtime.Exec(api.ExecRequest(container_id=container, cmd=["true"], stdout=True)),
        cri.runtime.Attach(api.AttachRequest(container_id=container, stdout=True)),
    ):
        with pytest.raises(WrongState, match=r"(not ready|not running)"):
            await call
    stats = (
        await cri.runtime.PodSandboxStats(api.PodSandboxStatsRequest(pod_sandbox_id=pod))
    ).stats
    assert stats.attributes.id == pod
    assert not stats.HasField("linux")
    await cri.remove(created)
