"""The arguments of pasta and slirp4netns."""

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.network.user_programs import PASTA, SLIRP, Program, port_options
from cri_shim.pb import api_pb2 as api


def pod(**mapping: object) -> api.PodSandboxConfig:
    return api.PodSandboxConfig(port_mappings=[api.PortMapping(**mapping)])  # type: ignore[arg-type]


@pytest.mark.parametrize("program", [PASTA, SLIRP])
def test_the_path_of_the_namespace_is_an_argument_of_its_own(program: Program) -> None:
    command = program.command("/bin/x", "/run/netns/pod", [])
    assert command[0] == "/bin/x"
    assert "/run/netns/pod" in command


def test_ports_of_the_node_are_closed_unless_requested() -> None:
    command = " ".join(PASTA.command("pasta", "/n", []))
    assert "-t none" in command
    assert "-u none" in command


def test_a_host_port_is_published_by_pasta() -> None:
    asked = pod(host_port=8080, container_port=80, host_ip="127.0.0.1")
    options = port_options(PASTA, asked)
    assert options == ["-t", "127.0.0.1/8080:80"]
    command = " ".join(PASTA.command("pasta", "/n", options))
    assert "-t none" not in command
    assert "-u none" in command


def test_udp_ports_are_published_too() -> None:
    asked = pod(host_port=53, container_port=5353, protocol=api.UDP)
    assert port_options(PASTA, asked) == ["-u", "53:5353"]


def test_a_container_port_without_a_host_port_needs_no_argument() -> None:
    assert port_options(None, pod(container_port=80)) == []


@pytest.mark.parametrize("program", [SLIRP, None])
def test_an_unusable_host_port_is_refused(program: Program | None) -> None:
    with pytest.raises(InvalidArgument, match=r"port_mappings\[0\].host_port: .*install passt"):
        port_options(program, pod(host_port=8080, container_port=80))


def test_an_sctp_port_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"port_mappings\[0\].protocol"):
        port_options(PASTA, pod(host_port=1, container_port=1, protocol=api.SCTP))
