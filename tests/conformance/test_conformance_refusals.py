"""Bad input: each refusal names the field, leaves nothing behind, and keeps no name taken."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from tests.fixtures.busybox import NAME
from tests.fixtures.cri import Cri, container_config, pod_config
from tests.fixtures.host import until

Spoil = Callable[[Any], Any]
MIB = 1 << 20
PROFILE = api.SecurityProfile
ONE = {"container_id": 0, "host_id": 1000, "length": 100000}
RROS: list[dict[str, Any]] = [
    {"readonly": True, "propagation": api.PROPAGATION_HOST_TO_CONTAINER},
    {"readonly": True, "propagation": api.PROPAGATION_BIDIRECTIONAL},
    {"readonly": False},
]


QUOTA = api.LinuxContainerResources(cpu_quota=10)


def named(path: str) -> str:
    """The beginning of a refusal; two kinds have a prefix for the kubelet before it."""
    return rf"^(RROUnsupported: |ImageVolumeMountFailed: )?config\.{re.escape(path)}[.:]"


def mount(**fields: Any) -> Spoil:
    return lambda c: c.mounts.add(**{"container_path": "/mnt", **fields})


def rro(**fields: Any) -> Spoil:
    return mount(host_path="/tmp", recursive_read_only=True, **fields)


def volume(**fields: Any) -> Spoil:
    return mount(**{"readonly": True, "image": api.ImageSpec(image=NAME), **fields})


def secure(**fields: Any) -> Spoil:
    """Fields of the security context, beside those that are there."""
    return lambda c: c.linux.security_context.MergeFrom(type(c.linux.security_context)(**fields))


def spaces(**fields: Any) -> Spoil:
    return secure(namespace_options=fields)


def limit(**fields: Any) -> Spoil:
    return lambda c: c.linux.resources.MergeFrom(api.LinuxContainerResources(**fields))


def field(**fields: Any) -> Spoil:
    return lambda c: c.MergeFrom(type(c)(**fields))


CONTEXT, RESOURCES = "linux.security_context", "linux.resources"
OPTIONS = f"{CONTEXT}.namespace_options"
OF_CONTAINERS: list[tuple[str, Spoil]] = [
    (f"{CONTEXT}.run_as_group", secure(run_as_group={"value": 1})),
    (f"{CONTEXT}.run_as_username", secure(run_as_user={"value": 1}, run_as_username="web")),
    (f"{CONTEXT}.run_as_username", secure(run_as_username="nobody-here")),
    (f"{CONTEXT}.run_as_user", secure(run_as_user={"value": -1})),
    (f"{CONTEXT}.supplemental_groups[0]", secure(supplemental_groups=[-1])),
    (f"{CONTEXT}.privileged", secure(privileged=True)),
    (
        f"{CONTEXT}.capabilities.add_capabilities[0]",
        secure(capabilities={"add_capabilities": ["FLY"]}),
    ),
    (f"{CONTEXT}.masked_paths[0]", secure(masked_paths=["proc"])),
    (f"{CONTEXT}.readonly_paths[0]", secure(readonly_paths=["proc"])),
    (f"{CONTEXT}.apparmor_profile", secure(apparmor_profile="localhost/unloaded")),
    (
        f"{CONTEXT}.apparmor.localhost_ref",
        secure(apparmor={"profile_type": PROFILE.Localhost, "localhost_ref": "unloaded"}),
    ),
    (f"{CONTEXT}.apparmor.localhost_ref", secure(apparmor={"profile_type": PROFILE.Localhost})),
    (f"{CONTEXT}.seccomp.localhost_ref", secure(seccomp={"profile_type": PROFILE.Localhost})),
    (f"{CONTEXT}.seccomp.localhost_ref", secure(seccomp={"localhost_ref": "/etc/passwd"})),
    (
        f"{CONTEXT}.seccomp.localhost_ref",
        secure(seccomp={"profile_type": PROFILE.Localhost, "localhost_ref": "/no/such.json"}),
    ),
    (f"{OPTIONS}.network", spaces(network=api.CONTAINER)),
    (f"{OPTIONS}.ipc", spaces(ipc=api.TARGET)),
    (f"{OPTIONS}.target_id", spaces(target_id="f" * 64)),
    (f"{OPTIONS}.target_id", spaces(pid=api.TARGET, target_id="f" * 64)),
    (f"{OPTIONS}.userns_options", spaces(userns_options={"uids": [ONE], "gids": [ONE]})),
    *(("mounts[0]", rro(**fields)) for fields in RROS),
    ("mounts[0].readonly", volume(readonly=False)),
    ("mounts[0].host_path", volume(host_path="/tmp")),
    ("mounts[0].image_sub_path", volume(image_sub_path="not-existing")),
    ("mounts[0].image_sub_path", mount(host_path="/tmp", image_sub_path="etc")),
    ("mounts[0].image", volume(image=api.ImageSpec(image="none/such:1"))),
    ("mounts[0].host_path", mount(host_path="/no/such/directory")),
    ("mounts[0].container_path", mount(host_path="/tmp", container_path="mnt")),
    ("mounts[0].container_path", mount(host_path="/tmp", container_path="/")),
    ("mounts[0].mount_options[0]", mount(host_path="/tmp", mount_options=["size=1m"])),
    ("mounts[0].uidMappings", mount(host_path="/tmp", uidMappings=[ONE], gidMappings=[ONE])),
    ("devices[0].host_path", lambda c: c.devices.add(host_path="/dev/no-such")),
    ("devices[0].permissions", lambda c: c.devices.add(host_path="/dev/null", permissions="x")),
    ("CDI_devices[0].name", lambda c: c.CDI_devices.add(name="vendor.com/none=0")),
    (f"{RESOURCES}.cpu_period", limit(cpu_period=10)),
    (f"{RESOURCES}.cpu_quota", limit(cpu_quota=10)),
    (f"{RESOURCES}.cpuset_cpus", limit(cpuset_cpus="3-1")),
    (f"{RESOURCES}.memory_limit_in_bytes", limit(memory_limit_in_bytes=-2)),
    (
        f"{RESOURCES}.memory_swap_limit_in_bytes",
        limit(memory_limit_in_bytes=2 * MIB, memory_swap_limit_in_bytes=MIB),
    ),
    (f"{RESOURCES}.oom_score_adj", limit(oom_score_adj=1001)),
    (f"{RESOURCES}.unified", limit(unified={"no": "1"})),
    (f"{RESOURCES}.hugepage_limits[0].page_size", limit(hugepage_limits=[{"page_size": "3"}])),
    ("envs[0].key", lambda c: c.envs.add(key="A=B")),
    ("working_dir", field(working_dir="tmp")),
    ("log_path", field(log_path="../outside")),
    ("stop_signal", field(stop_signal=66)),
    ("windows", field(windows={})),
]


@pytest.mark.parametrize(("path", "spoil"), OF_CONTAINERS)
async def test_an_impossible_container_is_refused_by_field_and_leaves_nothing(
    cri: Cri, path: str, spoil: Spoil
) -> None:
    pod = await cri.run_pod()
    good, bad = container_config(["true"]), container_config(["true"])
    spoil(bad)

    with pytest.raises(InvalidArgument, match=named(path)):
        await cri.create(pod, bad)

    assert await cri.containers() == []
    places = [cri.daemon.root / "containers", cri.daemon.run_root / "containers"]
    await until(lambda: not [entry for place in places for entry in place.glob("*")])
    await cri.create(pod, good)


def pod_spaces(**fields: Any) -> Spoil:
    """Namespace options in the place of those that are there."""

    def spoil(config: api.PodSandboxConfig) -> None:
        options = config.linux.security_context.namespace_options
        options.CopyFrom(api.NamespaceOption(**{"pid": api.CONTAINER, **fields}))

    return spoil


def users(**fields: Any) -> Spoil:
    return pod_spaces(userns_options={"mode": api.POD, "uids": [ONE], "gids": [ONE], **fields})


OF_PODS: list[tuple[str, Spoil]] = [
    (f"{OPTIONS}.userns_options.uids", users(uids=[ONE, ONE])),
    (f"{OPTIONS}.userns_options.gids", users(gids=[ONE, ONE])),
    (f"{OPTIONS}.userns_options.uids[0].container_id", users(uids=[{**ONE, "container_id": 1}])),
    (f"{OPTIONS}.userns_options.mode", users(mode=api.CONTAINER)),
    (f"{OPTIONS}.userns_options.mode", users(mode=api.TARGET)),
    (f"{OPTIONS}.network", pod_spaces(network=api.CONTAINER)),
    (f"{OPTIONS}.ipc", pod_spaces(ipc=api.CONTAINER)),
    (f"{OPTIONS}.pid", pod_spaces(pid=api.TARGET, target_id="f" * 64)),
    (f"{CONTEXT}.run_as_group", secure(run_as_group={"value": 1})),
    (f"{CONTEXT}.seccomp.localhost_ref", secure(seccomp={"profile_type": PROFILE.Localhost})),
    (
        f"{CONTEXT}.seccomp.localhost_ref",
        secure(seccomp={"profile_type": PROFILE.Localhost, "localhost_ref": "/no/such.json"}),
    ),
    (
        f"{CONTEXT}.apparmor.localhost_ref",
        secure(apparmor={"profile_type": PROFILE.Localhost, "localhost_ref": "unloaded"}),
    ),
    (
        "linux.sysctls[vm.swappiness]",
        lambda c: c.linux.sysctls.update({"vm.swappiness": "1"}),
    ),
    ("linux.sysctls", lambda c: c.linux.sysctls.update({"kernel": "1"})),
    ("linux.cgroup_parent", lambda c: c.linux.MergeFrom(type(c.linux)(cgroup_parent="/a/../b"))),
    ("linux.resources.cpu_quota", lambda c: c.linux.resources.MergeFrom(QUOTA)),
    ("linux.overhead.cpu_quota", lambda c: c.linux.overhead.MergeFrom(QUOTA)),
    ("metadata.uid", lambda c: c.metadata.ClearField("uid")),
    ("hostname", field(hostname="no name")),
    ("log_directory", field(log_directory="logs")),
    ("dns_config.servers[0]", field(dns_config={"servers": ["resolver"]})),
    ("dns_config.searches[0]", field(dns_config={"searches": ["a b"]})),
    ("port_mappings[0].container_port", field(port_mappings=[{"host_port": 80}])),
    ("port_mappings[0].host_port", field(port_mappings=[{"host_port": 70000}])),
    ("port_mappings[0].host_ip", field(port_mappings=[{"host_ip": "here"}])),
    ("windows", field(windows={})),
]


@pytest.mark.parametrize(("path", "spoil"), OF_PODS)
async def test_an_impossible_pod_is_refused_by_field_and_leaves_nothing(
    cri: Cri, path: str, spoil: Spoil
) -> None:
    good, bad = pod_config(cri.daemon), api.PodSandboxConfig()
    bad.CopyFrom(good)
    spoil(bad)

    with pytest.raises(InvalidArgument, match=named(path)):
        await cri.run_pod(bad)

    assert await cri.pods() == []
    assert cri.daemon.traces() == []
    await cri.run_pod(good)


async def test_an_unknown_handler_is_refused_by_field(cri: Cri) -> None:
    with pytest.raises(InvalidArgument, match=r"^runtime_handler: "):
        await cri.run_pod(pod_config(cri.daemon), "no-such-handler")

    assert await cri.pods() == []
