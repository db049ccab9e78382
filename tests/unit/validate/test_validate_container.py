"""CreateContainer requests: valid ones pass, and the error of others names the field."""

from collections.abc import Callable

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.validate.requests import Validator

Change = Callable[[api.ContainerConfig], object]


def request() -> api.CreateContainerRequest:
    """The kubelet's request for a plain container."""
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="app"),
        image=api.ImageSpec(image="sha256:" + "a" * 64),
        command=["sh"],
        args=["-c", "echo a\nb"],
        working_dir="/srv",
        envs=[api.KeyValue(key="A.b-c", value=b"\xff=\n")],
        mounts=[api.Mount(container_path="/etc/hosts", host_path="/var/lib/hosts")],
        devices=[api.Device(container_path="/dev/x", host_path="/dev/null", permissions="rwm")],
        log_path="app/0.log",
        linux=api.LinuxContainerConfig(
            resources=api.LinuxContainerResources(
                cpu_period=100000,
                cpu_quota=-1,
                cpu_shares=2,
                memory_limit_in_bytes=1 << 20,
                memory_swap_limit_in_bytes=1 << 20,
                oom_score_adj=-997,
                cpuset_cpus="0-1,3",
                hugepage_limits=[api.HugepageLimit(page_size="2MB")],
                unified={"memory.high": "max", "hugetlb.1GB.max": "0"},
            ),
            security_context=api.LinuxContainerSecurityContext(
                namespace_options=api.NamespaceOption(pid=api.TARGET, target_id="c0ffee"),
                run_as_user=api.Int64Value(value=1000),
                run_as_group=api.Int64Value(value=0),
                capabilities=api.Capability(add_capabilities=["ALL", "net_admin", "CAP_SYS_TIME"]),
                masked_paths=["/proc/kcore"],
                seccomp=api.SecurityProfile(profile_type=api.SecurityProfile.Unconfined),
            ),
        ),
        stop_signal=api.SIGNAL_SIGUSR1,
    )
    return api.CreateContainerRequest(pod_sandbox_id="f00", config=config)


def refusal(change: Change) -> str:
    bad = request()
    change(bad.config)
    with pytest.raises(InvalidArgument) as caught:
        Validator()(bad)
    return caught.value.field


def test_requests_of_the_kubelet_pass() -> None:
    Validator()(request())


def test_a_name_and_an_image_are_enough() -> None:
    config = api.ContainerConfig(
        metadata=api.ContainerMetadata(name="a"), image=api.ImageSpec(image="busybox")
    )
    Validator()(api.CreateContainerRequest(pod_sandbox_id="f", config=config))


def test_a_request_without_pod_or_config_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"^pod_sandbox_id: is required$"):
        Validator()(api.CreateContainerRequest())
    with pytest.raises(InvalidArgument, match=r"^config: is required$"):
        Validator()(api.CreateContainerRequest(pod_sandbox_id="f00"))


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("metadata.name", lambda c: c.ClearField("metadata")),
        ("image.image", lambda c: c.ClearField("image")),
        ("image.image", lambda c: setattr(c.image, "image", "a b")),
        ("command[0]", lambda c: c.command.__setitem__(0, "a\0")),
        ("args[2]", lambda c: c.args.append("\0")),
        ("working_dir", lambda c: setattr(c, "working_dir", "srv")),
        ("envs[1].key", lambda c: c.envs.add(key="", value=b"x")),
        ("envs[1].key", lambda c: c.envs.add(key="A=B", value=b"x")),
        ("envs[1].key", lambda c: c.envs.add(key="A\0B", value=b"x")),
        ("envs[1].value", lambda c: c.envs.add(key="A", value=b"\0")),
        ("stop_signal", lambda c: setattr(c, "stop_signal", 66)),
        ("mounts[1].container_path", lambda c: c.mounts.add(host_path="/a")),
        ("mounts[1].container_path", lambda c: c.mounts.add(container_path="a", host_path="/a")),
        ("mounts[1].container_path", lambda c: c.mounts.add(container_path="//", host_path="/a")),
        ("mounts[1].container_path", lambda c: c.mounts.add(container_path="/a/..", host_path="/")),
        ("mounts[1].host_path", lambda c: c.mounts.add(container_path="/a")),
        ("mounts[1].host_path", lambda c: c.mounts.add(container_path="/a", host_path="a")),
        ("mounts[0].propagation", lambda c: setattr(c.mounts[0], "propagation", 3)),
        ("mounts[0].recursive_read_only", lambda c: setattr(c.mounts[0], "recursive_read_only", 1)),
        ("mounts[0].mount_options[0]", lambda c: c.mounts[0].mount_options.append("")),
        ("mounts[0].host_path", lambda c: setattr(c.mounts[0].image, "image", "busybox")),
        ("mounts[0].image.image", lambda c: c.mounts[0].image.SetInParent()),
        ("devices[1].host_path", lambda c: c.devices.add(host_path="dev/null")),
        ("devices[0].container_path", lambda c: setattr(c.devices[0], "container_path", "x")),
        ("devices[0].permissions", lambda c: setattr(c.devices[0], "permissions", "rx")),
        ("devices[0].permissions", lambda c: setattr(c.devices[0], "permissions", "rr")),
        ("log_path", lambda c: setattr(c, "log_path", "/var/log/x")),
        ("log_path", lambda c: setattr(c, "log_path", "a/../../x")),
        ("log_path", lambda c: setattr(c, "log_path", "a/")),
        ("log_path", lambda c: setattr(c, "log_path", "a/.")),
        ("log_path", lambda c: setattr(c, "log_path", "a/b:c.log")),
        ("log_path", lambda c: setattr(c, "log_path", "a/" + "x" * 252)),
        ("windows", lambda c: c.windows.SetInParent()),
    ],
)
def test_a_bad_container_names_its_field(field: str, change: Change) -> None:
    assert refusal(change) == f"config.{field}"


def test_recursive_read_only_needs_private_propagation() -> None:
    def change(config: api.ContainerConfig) -> None:
        config.mounts[0].MergeFrom(
            api.Mount(readonly=True, recursive_read_only=True, propagation=1)  # type: ignore[arg-type]
        )

    assert refusal(change) == "config.mounts[0].recursive_read_only"


def test_an_image_volume_is_read_only_and_stays_inside_the_image() -> None:
    def volume(**values: object) -> Change:
        mount = api.Mount(container_path="/v", image=api.ImageSpec(image="busybox"))
        mount.MergeFrom(api.Mount(**values))  # type: ignore[arg-type]
        return lambda config: config.mounts.append(mount)

    assert refusal(volume()) == "config.mounts[1].readonly"
    escape = volume(readonly=True, image_sub_path="a/../..")
    assert refusal(escape) == "config.mounts[1].image_sub_path"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("namespace_options.network", lambda s: setattr(s.namespace_options, "network", 1)),
        ("namespace_options.ipc", lambda s: setattr(s.namespace_options, "ipc", api.TARGET)),
        ("namespace_options.pid", lambda s: setattr(s.namespace_options, "pid", 4)),
        ("namespace_options.target_id", lambda s: s.namespace_options.ClearField("target_id")),
        ("namespace_options.target_id", lambda s: s.namespace_options.ClearField("pid")),
        (
            "namespace_options.target_id",
            lambda s: setattr(s.namespace_options, "target_id", "../x"),
        ),
        ("run_as_username", lambda s: setattr(s, "run_as_username", "root")),
        ("run_as_group", lambda s: s.ClearField("run_as_user")),
        ("run_as_user", lambda s: setattr(s.run_as_user, "value", 2**31)),
        ("run_as_group", lambda s: setattr(s.run_as_group, "value", -1)),
        ("supplemental_groups[0]", lambda s: s.supplemental_groups.append(2**31)),
        ("masked_paths[1]", lambda s: s.masked_paths.append("proc")),
        ("readonly_paths[0]", lambda s: s.readonly_paths.append("")),
        (
            "capabilities.drop_capabilities[0]",
            lambda s: s.capabilities.drop_capabilities.append(""),
        ),
        ("seccomp.localhost_ref", lambda s: setattr(s.seccomp, "profile_type", 2)),
    ],
)
def test_a_bad_security_context_names_its_field(
    field: str, change: Callable[[api.LinuxContainerSecurityContext], object]
) -> None:
    at = "config.linux.security_context"
    assert refusal(lambda c: change(c.linux.security_context)) == f"{at}.{field}"


def test_the_largest_user_id_of_kubernetes_passes() -> None:
    good = request()
    good.config.linux.security_context.run_as_user.value = 2**31 - 1
    Validator()(good)


def test_a_user_name_can_have_a_group() -> None:
    good = request()
    context = good.config.linux.security_context
    context.ClearField("run_as_user")
    context.run_as_username = "www-data"
    Validator()(good)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("cpu_period", lambda r: setattr(r, "cpu_period", 999)),
        ("cpu_period", lambda r: setattr(r, "cpu_period", 1_000_001)),
        ("cpu_quota", lambda r: setattr(r, "cpu_quota", 999)),
        ("cpu_shares", lambda r: setattr(r, "cpu_shares", -1)),
        ("cpu_period", lambda r: setattr(r, "cpu_period", -1)),
        ("cpu_quota", lambda r: setattr(r, "cpu_quota", -2)),
        ("memory_limit_in_bytes", lambda r: setattr(r, "memory_limit_in_bytes", -1)),
        ("memory_swap_limit_in_bytes", lambda r: setattr(r, "memory_swap_limit_in_bytes", -2)),
        ("memory_swap_limit_in_bytes", lambda r: setattr(r, "memory_swap_limit_in_bytes", 4096)),
        ("oom_score_adj", lambda r: setattr(r, "oom_score_adj", 1001)),
        ("oom_score_adj", lambda r: setattr(r, "oom_score_adj", -1001)),
        ("cpuset_cpus", lambda r: setattr(r, "cpuset_cpus", "0,")),
        ("cpuset_cpus", lambda r: setattr(r, "cpuset_cpus", "3-1")),
        ("cpuset_cpus", lambda r: setattr(r, "cpuset_cpus", "\u0663")),
        ("cpuset_mems", lambda r: setattr(r, "cpuset_mems", "a")),
        ("hugepage_limits[1].page_size", lambda r: r.hugepage_limits.add(page_size="2M")),
        ("unified", lambda r: r.unified.update({"../x.y": "1"})),
        ("unified", lambda r: r.unified.update({"memory": "1"})),
    ],
)
def test_a_bad_resource_names_its_field(
    field: str, change: Callable[[api.LinuxContainerResources], object]
) -> None:
    assert refusal(lambda c: change(c.linux.resources)) == f"config.linux.resources.{field}"
