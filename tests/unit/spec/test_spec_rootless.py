"""The document of a container of an unprivileged user."""

from collections.abc import Sequence
from typing import Any

import pytest

from cri_shim.pb import api_pb2
from cri_shim.spec import pause, plan
from cri_shim.spec.container import ContainerInput
from cri_shim.spec.host import Host, HostDevice
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.pause import PauseInput
from cri_shim.spec.users import User

OWN = {"net": "/ns/net", "ipc": "/ns/ipc", "uts": "/ns/uts", "pid": ""}
BOUND = ["rbind", "rprivate", "nosuid", "noexec", "nodev"]


def built(
    namespaces: dict[str, str], *, limits: bool = False, devices: Sequence[HostDevice] = ()
) -> dict[str, Any]:
    host = Host(cgroup_v2=True, bounding=frozenset(), rootless=True, limits=limits)
    return plan.edited(
        ContainerInput(
            id="c",
            pod_id="p",
            pod=api_pb2.PodSandboxConfig(),
            config=api_pb2.ContainerConfig(command=["sh"]),
            image=ImageConfig(),
            user=User(),
            host=host,
            cgroups_path="/c",
            namespaces=namespaces,
            hostname="h",
            pids_limit=7,
            devices=devices,
        )
    )


def mounted(document: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    return {m["destination"]: (m["type"], m["options"]) for m in document["mounts"]}


def test_a_container_with_its_own_namespaces_has_its_own_file_systems() -> None:
    found = mounted(built(OWN))
    kinds = {at: found[at][0] for at in ("/proc", "/sys", "/dev/mqueue")}
    assert kinds == {"/proc": "proc", "/sys": "sysfs", "/dev/mqueue": "mqueue"}


def test_of_a_shared_network_the_nodes_sysfs_is_bound_read_only() -> None:
    shared = {kind: path for kind, path in OWN.items() if kind != "net"}
    assert mounted(built(shared))["/sys"] == ("bind", [*BOUND, "ro"])


def test_of_a_shared_pid_namespace_the_nodes_proc_is_bound() -> None:
    shared = {kind: path for kind, path in OWN.items() if kind != "pid"}
    assert mounted(built(shared))["/proc"] == ("bind", BOUND)


def test_of_a_shared_ipc_namespace_no_message_queues_are_shown() -> None:
    shared = {kind: path for kind, path in OWN.items() if kind != "ipc"}
    assert "/dev/mqueue" not in mounted(built(shared))


def test_without_control_groups_the_document_has_none() -> None:
    document = built(OWN)
    assert {"cgroupsPath", "resources"}.isdisjoint(document["linux"])
    assert {"type": "cgroup"} not in document["linux"]["namespaces"]
    assert "/sys/fs/cgroup" not in mounted(document)


def test_with_control_groups_they_are_used_and_shown() -> None:
    document = built(OWN, limits=True)
    assert document["linux"]["cgroupsPath"] == "/c"
    assert document["linux"]["resources"]["pids"] == {"limit": 7}
    assert "/sys/fs/cgroup" in mounted(document)


def test_a_device_is_bound_from_its_path_on_the_node() -> None:
    device = HostDevice("/dev/mine", "c", 10, 229, source="/dev/fuse")
    document = built(OWN, devices=(device,))
    assert "devices" not in document["linux"]
    bound = {m["destination"]: m for m in document["mounts"]}["/dev/mine"]
    assert (bound["type"], bound["source"]) == ("bind", "/dev/fuse")


def test_nodes_that_the_oci_runtime_makes_are_not_added() -> None:
    node = HostDevice("/dev/null", "c", 1, 3, source="/dev/null")
    assert "/dev/null" not in mounted(built(OWN, devices=(node,)))


@pytest.mark.parametrize("limits", [False, True])
def test_a_pause_process_follows_the_same_rules(limits: bool) -> None:
    host = Host(cgroup_v2=False, bounding=frozenset(), rootless=True, limits=limits)
    document = pause.build(
        PauseInput("p", api_pb2.PodSandboxConfig(), "/init", host, "/c", {"net": "/n"})
    )
    assert ("cgroupsPath" in document["linux"]) is limits
    assert mounted(document)["/proc"][0] == "proc"
