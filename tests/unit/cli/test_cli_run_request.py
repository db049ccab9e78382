"""What `run` asks for: volumes, ports, users and limits from their words."""

import argparse

import pytest

from cri_shim.cli import run_request
from cri_shim.cli.command_line import parser
from cri_shim.cli.exit_codes import UsageError
from cri_shim.pb import api_pb2 as api


def args(*words: str) -> argparse.Namespace:
    return parser().parse_args(["run", *words])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", (80, 80, "", api.TCP)),
        ("8080:80", (8080, 80, "", api.TCP)),
        ("53:53/udp", (53, 53, "", api.UDP)),
        ("127.0.0.1:8080:80", (8080, 80, "127.0.0.1", api.TCP)),
        ("[::1]:8080:80", (8080, 80, "::1", api.TCP)),
    ],
)
def test_a_port_is_on_the_node_and_in_the_pod(
    text: str, expected: tuple[int, int, str, int]
) -> None:
    found = run_request.port(text)
    assert (found.host_port, found.container_port, found.host_ip, found.protocol) == expected


@pytest.mark.parametrize("text", ["", "x", "0", "70000", "80:", ":80", "80/icmp", "8080:-1"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="-p"):
        run_request.port(text)


def test_a_volume_has_a_path_of_the_node_and_options() -> None:
    mount = run_request.volume("/data:/srv:ro,rslave,z")
    assert (mount.host_path, mount.container_path) == ("/data", "/srv")
    assert (mount.readonly, mount.selinux_relabel) == (True, True)
    assert mount.propagation == api.PROPAGATION_HOST_TO_CONTAINER


@pytest.mark.parametrize("text", ["/data", "data:/srv", "/data:srv", ":/srv", "/data:/srv:fast"])
def test_a_volume_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="-v"):
        run_request.volume(text)


def test_limits_user_and_variables_come_into_the_containers_config() -> None:
    asked = args("-m", "64m", "--cpus", "1.5", "-u", "7:8", "-e", "A=b=c", "image", "x", "-y")
    config = run_request.container(asked, "id")
    assert config.linux.resources.memory_limit_in_bytes == 64 << 20
    assert config.linux.resources.cpu_quota == 150_000
    context = config.linux.security_context
    assert (context.run_as_user.value, context.run_as_group.value) == (7, 8)
    assert [(one.key, one.value) for one in config.envs] == [("A", b"b=c")]
    assert list(config.args) == ["x", "-y"]


def test_a_name_of_a_user_is_looked_up_in_the_container() -> None:
    context = run_request.container(args("-u", "www", "image"), "id").linux.security_context
    assert (context.run_as_username, context.HasField("run_as_user")) == ("www", False)


def test_a_pods_host_name_is_its_name_as_far_as_a_host_can_have_it() -> None:
    assert run_request.pod(args("--name", "Web_1.a", "image")).hostname == "web-1-a"
    assert run_request.pod(args("--network", "host", "image")).hostname == ""
