"""The verbose status of a pod, with and without a pause process."""

from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config
from tests.integration.pods.test_pods_stopped import SHAPES

OCI_KINDS = {"net": "network", "ipc": "ipc", "uts": "uts", "user": "user", "pid": "pid"}


def paths(info: dict[str, Any]) -> dict[str, str]:
    """As `jq '.info.runtimeSpec.linux.namespaces[] | select(.type=="network").path'`."""
    entries = info["runtimeSpec"]["linux"]["namespaces"]
    return {entry["type"]: entry["path"] for entry in entries if "path" in entry}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_document_of_a_pod_names_the_namespaces_that_its_containers_are_in(
    cri: Cri, handler: str, shape: str
) -> None:
    options = api.NamespaceOption(**SHAPES[shape])
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=options)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux), handler)
    context = api.LinuxContainerSecurityContext(namespace_options=options)
    inside = api.LinuxContainerConfig(security_context=context)
    container = await cri.run(pod, ["sleep", "600"], linux=inside)
    pid = (await cri.info(container))["pid"]
    found = paths(await cri.pod_info(pod))
    for kind, oci_kind in OCI_KINDS.items():
        own = Path(f"/proc/{pid}/ns/{kind}").stat().st_ino
        shared = Path(f"/proc/self/ns/{kind}").stat().st_ino
        if oci_kind in found:
            assert Path(found[oci_kind]).stat().st_ino == own != shared
        elif kind != "pid":
            assert own == shared


async def test_a_pod_without_pause_process_shows_annotations_cgroup_and_configuration(
    cri: Cri,
) -> None:
    config = pod_config(cri.daemon, annotations={"note": "x", "run.oci.handler": "krun"})
    config.linux.sysctls["net.ipv4.ip_forward"] = "1"
    pod = await cri.run_pod(config)
    info = await cri.pod_info(pod)
    document = info["runtimeSpec"]
    assert document["hostname"] == config.hostname
    assert document["annotations"]["note"] == "x"
    assert document["annotations"]["io.kubernetes.cri.sandbox-id"] == pod
    assert document["annotations"]["io.kubernetes.cri.sandbox-uid"] == config.metadata.uid
    assert "run.oci.handler" not in document["annotations"]
    assert document["linux"]["cgroupsPath"].endswith(pod)
    assert document["linux"]["sysctl"] == {"net.ipv4.ip_forward": "1"}
    assert info["config"]["metadata"]["name"] == config.metadata.name
    assert info["config"]["log_directory"] == config.log_directory
    assert "pid" not in info, "it has no process of its own"
    assert info["netNamespaceClosed"] is False


@pytest.mark.parametrize("shape", ["of its own", "sharing pids"])
async def test_a_stopped_pod_keeps_its_verbose_status(cri: Cri, shape: str) -> None:
    options = api.NamespaceOption(**SHAPES[shape])
    of_pod = api.LinuxSandboxSecurityContext(namespace_options=options)
    linux = api.LinuxPodSandboxConfig(security_context=of_pod)
    pod = await cri.run_pod(pod_config(cri.daemon, linux=linux))
    before = await cri.pod_info(pod)
    await cri.stop_pod(pod)
    after = await cri.pod_info(pod)
    assert after["runtimeSpec"] == before["runtimeSpec"]
    assert (after.get("pid", 0), after["netNamespaceClosed"]) == (0, True)
    assert not Path(paths(after)["network"]).exists()
