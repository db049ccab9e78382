"""RunPodSandbox requests: valid ones pass, and the error of others names the field."""

from collections.abc import Callable

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.validate.requests import Validator

Change = Callable[[api.PodSandboxConfig], object]


def request() -> api.RunPodSandboxRequest:
    """The kubelet's request for a plain pod."""
    security = api.LinuxSandboxSecurityContext(
        namespace_options=api.NamespaceOption(
            pid=api.CONTAINER, userns_options=api.UserNamespace(mode=api.NODE)
        ),
        seccomp=api.SecurityProfile(profile_type=api.SecurityProfile.RuntimeDefault),
    )
    config = api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name="web-1", namespace="default", uid="u-1"),
        hostname="web-1",
        log_directory="/var/log/pods/default_web-1_u-1",
        dns_config=api.DNSConfig(
            servers=["10.96.0.10", "fe80::1%eth0"],
            searches=["default.svc.cluster.local", "."],
            options=["ndots:5"],
        ),
        port_mappings=[api.PortMapping(container_port=80, host_port=8080, host_ip="::1")],
        linux=api.LinuxPodSandboxConfig(
            cgroup_parent="/kubepods/burstable/podu-1",
            sysctls={"net.ipv4.ip_unprivileged_port_start": "0", "net/ipv4/conf/eth0.1/mtu": "1"},
            security_context=security,
        ),
    )
    return api.RunPodSandboxRequest(config=config, runtime_handler="")


def refusal(change: Change) -> str:
    bad = request()
    change(bad.config)
    with pytest.raises(InvalidArgument) as caught:
        Validator()(bad)
    return caught.value.field


def test_requests_of_the_kubelet_pass() -> None:
    Validator()(request())


def test_metadata_alone_is_enough() -> None:
    metadata = api.PodSandboxMetadata(name="p", namespace="n", uid="u")
    config = api.PodSandboxConfig(metadata=metadata)
    Validator()(api.RunPodSandboxRequest(config=config))


def test_a_request_without_config_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"^config: is required$"):
        Validator()(api.RunPodSandboxRequest())


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("metadata.name", lambda c: c.ClearField("metadata")),
        ("metadata.name", lambda c: c.metadata.ClearField("name")),
        ("metadata.name", lambda c: setattr(c.metadata, "name", "a\nb")),
        ("metadata.name", lambda c: setattr(c.metadata, "name", "a" * 254)),
        ("metadata.namespace", lambda c: c.metadata.ClearField("namespace")),
        ("metadata.uid", lambda c: c.metadata.ClearField("uid")),
        ("hostname", lambda c: setattr(c, "hostname", "a" * 65)),
        ("hostname", lambda c: setattr(c, "hostname", "a b")),
        ("hostname", lambda c: setattr(c, "hostname", "a/b")),
        ("hostname", lambda c: setattr(c, "hostname", "a#b")),
        ("hostname", lambda c: setattr(c, "hostname", "b\u00fccher")),
        ("hostname", lambda c: setattr(c, "hostname", "a\n")),
        ("log_directory", lambda c: setattr(c, "log_directory", "var/log")),
        ("log_directory", lambda c: setattr(c, "log_directory", "/var/../etc")),
        ("log_directory", lambda c: setattr(c, "log_directory", "/var\0")),
        ("log_directory", lambda c: setattr(c, "log_directory", "/" + "a" * 4096)),
        ("dns_config.servers", lambda c: c.dns_config.servers.extend(["1.1.1.1"] * 2)),
        ("dns_config.servers[0]", lambda c: c.dns_config.servers.__setitem__(0, "dns.local")),
        (
            "dns_config.servers[0]",
            lambda c: c.dns_config.servers.__setitem__(0, "fe80::1%e\nsearch evil"),
        ),
        ("dns_config.searches", lambda c: c.dns_config.searches.extend(["a"] * 32)),
        ("dns_config.searches", lambda c: c.dns_config.searches.append("a" * 2048)),
        ("dns_config.searches[2]", lambda c: c.dns_config.searches.append("a b")),
        ("dns_config.searches[2]", lambda c: c.dns_config.searches.append("")),
        ("dns_config.options[1]", lambda c: c.dns_config.options.append("a\nnameserver 6.6.6.6")),
        ("port_mappings[0].protocol", lambda c: setattr(c.port_mappings[0], "protocol", 7)),
        ("port_mappings[0].host_port", lambda c: setattr(c.port_mappings[0], "host_port", 65536)),
        ("port_mappings[0].host_port", lambda c: setattr(c.port_mappings[0], "host_port", -1)),
        (
            "port_mappings[0].container_port",
            lambda c: c.port_mappings[0].ClearField("container_port"),
        ),
        ("port_mappings[0].host_ip", lambda c: setattr(c.port_mappings[0], "host_ip", "300.1.1.1")),
        ("windows", lambda c: c.windows.SetInParent()),
        ("linux.cgroup_parent", lambda c: setattr(c.linux, "cgroup_parent", "/a/../../b")),
        ("linux.sysctls", lambda c: c.linux.sysctls.update({"hostname": "x"})),
        ("linux.sysctls", lambda c: c.linux.sysctls.update({"net/../kernel/x": "x"})),
        ("linux.sysctls", lambda c: c.linux.sysctls.update({"/net/ipv4/x": "x"})),
        ("linux.sysctls[kernel.sem]", lambda c: c.linux.sysctls.update({"kernel.sem": "1\0"})),
        ("linux.resources.cpu_shares", lambda c: setattr(c.linux.resources, "cpu_shares", -1)),
        ("linux.overhead.cpu_quota", lambda c: setattr(c.linux.overhead, "cpu_quota", -2)),
    ],
)
def test_a_bad_pod_names_its_field(field: str, change: Change) -> None:
    assert refusal(change) == f"config.{field}"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("namespace_options.network", lambda s: setattr(s.namespace_options, "network", 3)),
        ("namespace_options.network", lambda s: setattr(s.namespace_options, "network", 9)),
        ("namespace_options.ipc", lambda s: setattr(s.namespace_options, "ipc", api.CONTAINER)),
        ("namespace_options.pid", lambda s: setattr(s.namespace_options, "pid", api.TARGET)),
        ("namespace_options.target_id", lambda s: setattr(s.namespace_options, "target_id", "a")),
        ("run_as_group", lambda s: setattr(s.run_as_group, "value", 0)),
        ("run_as_user", lambda s: setattr(s.run_as_user, "value", -1)),
        ("run_as_user", lambda s: setattr(s.run_as_user, "value", 2**31)),
        ("supplemental_groups[1]", lambda s: s.supplemental_groups.extend([1, -1])),
        ("supplemental_groups_policy", lambda s: setattr(s, "supplemental_groups_policy", 2)),
        ("seccomp.localhost_ref", lambda s: setattr(s.seccomp, "localhost_ref", "/p.json")),
        ("apparmor.localhost_ref", lambda s: setattr(s.apparmor, "profile_type", 2)),
        ("apparmor.profile_type", lambda s: setattr(s.apparmor, "profile_type", 3)),
    ],
)
def test_a_bad_security_context_of_a_pod_names_its_field(
    field: str, change: Callable[[api.LinuxSandboxSecurityContext], object]
) -> None:
    at = "config.linux.security_context"
    assert refusal(lambda c: change(c.linux.security_context)) == f"{at}.{field}"


def userns(mode: int, uids: list[tuple[int, int, int]], gids: list[tuple[int, int, int]]) -> Change:
    def change(config: api.PodSandboxConfig) -> None:
        options = config.linux.security_context.namespace_options.userns_options
        options.mode = mode  # type: ignore[assignment]
        for rows, target in ((uids, options.uids), (gids, options.gids)):
            for host, container, length in rows:
                target.add(host_id=host, container_id=container, length=length)

    return change


ONE = (65536, 0, 65536)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("mode", userns(api.CONTAINER, [ONE], [ONE])),
        ("mode", userns(api.TARGET, [ONE], [ONE])),
        ("mode", userns(api.NODE, [ONE], [ONE])),
        ("uids", userns(api.POD, [], [])),
        ("uids", userns(api.POD, [ONE, ONE], [ONE])),
        ("gids", userns(api.POD, [ONE], [])),
        ("gids[0].container_id", userns(api.POD, [ONE], [(1, 1, 1)])),
        ("uids[0].container_id", userns(api.POD, [(65536, 1, 65536)], [ONE])),
        ("uids[0].length", userns(api.POD, [(65536, 0, 0)], [ONE])),
        ("uids[0].length", userns(api.POD, [(65536, 0, 2**32 - 1)], [ONE])),
    ],
)
def test_a_bad_user_namespace_names_its_field(field: str, change: Change) -> None:
    at = "config.linux.security_context.namespace_options.userns_options"
    assert refusal(change) == f"{at}.{field}"
