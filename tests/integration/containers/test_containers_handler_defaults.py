"""The settings of a runtime handler: annotations, seccomp, a minimum of memory, devices."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.daemon import Daemon, private_daemon

MIB = 1 << 20
NO_MKDIR = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory() as place:
        profile = Path(place, "seccomp.json")
        profile.write_text(json.dumps(NO_MKDIR))
        keys: dict[str, Any] = {
            "allowed_annotations": ["*.example/allowed", "cdi.example/*"],
            "default_annotations": ["a.example/default=1"],
            "seccomp_profile": str(profile),
            "container_min_memory": 12 * MIB,
            "privileged_without_host_devices": True,
        }
        settings = {f"runtimes.crun.{key}": value for key, value in keys.items()}
        with private_daemon(**settings) as started:
            yield started


async def test_allowed_annotations_of_a_pod_are_in_the_documents_of_its_containers(
    cri: Cri,
) -> None:
    asked = {"a.example/allowed": "yes", "a.example/other": "no", "run.oci.x": "no"}
    for handler, expected in (
        ("crun", {"a.example/allowed": "yes", "a.example/default": "1"}),
        ("runc", {}),
    ):
        pod = await cri.run_pod(pod_config(cri.daemon, annotations=asked), handler=handler)
        container = await cri.run(pod, ["sleep", "60"])
        found = (await cri.info(container))["runtimeSpec"]["annotations"]
        assert {k: v for k, v in found.items() if k in {*asked, "a.example/default"}} == expected


async def test_runtime_default_is_the_profile_of_the_handler(cri: Cri) -> None:
    for handler, works in (("crun", False), ("runc", True)):
        pod = await cri.run_pod(handler=handler)
        config = container_config(["sleep", "60"])
        config.linux.security_context.seccomp.profile_type = api.SecurityProfile.RuntimeDefault
        container = await cri.create(pod, config)
        await cri.start(container)
        answer = await cri.exec(container, "mkdir", "/tmp-of-test")
        assert (answer.exit_code == 0) == works, answer


async def test_a_limit_below_the_minimum_is_refused_and_changes_nothing(cri: Cri) -> None:
    pod = await cri.run_pod(handler="crun")
    config = container_config(["sleep", "60"])
    config.linux.resources.memory_limit_in_bytes = 12 * MIB - 1
    with pytest.raises(InvalidArgument, match="container_min_memory"):
        await cri.create(pod, config)
    assert await cri.containers(pod_sandbox_id=pod) == []
    config.linux.resources.memory_limit_in_bytes = 20 * MIB
    container = await cri.create(pod, config)
    await cri.start(container)
    less = api.LinuxContainerResources(memory_limit_in_bytes=11 * MIB)
    with pytest.raises(InvalidArgument, match="container_min_memory"):
        await cri.runtime.UpdateContainerResources(
            api.UpdateContainerResourcesRequest(container_id=container, linux=less)
        )
    assert (await cri.status(container)).resources.linux.memory_limit_in_bytes == 20 * MIB


async def test_a_privileged_container_of_the_handler_has_no_devices_of_the_node(cri: Cri) -> None:
    found = {}
    for handler in ("crun", "runc"):
        pod = pod_config(cri.daemon)
        pod.linux.security_context.privileged = True
        config = container_config(["sleep", "60"])
        config.linux.security_context.privileged = True
        container = await cri.create(await cri.run_pod(pod, handler=handler), config)
        await cri.start(container)
        found[handler] = set((await cri.sh(container, "find /dev -type b -o -type c")).split())
    usual = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")}
    assert usual <= found["crun"]
    assert found["crun"] - usual <= {"/dev/console", "/dev/ptmx", "/dev/pts/ptmx"}
    assert found["runc"] - found["crun"]  # the others of the node
