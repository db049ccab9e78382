"""The files under /etc that a pod's containers see."""

import os
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.pods import files

DNS = api.DNSConfig(servers=["10.0.0.1"])


def test_resolv_conf_holds_servers_searches_and_options() -> None:
    dns = api.DNSConfig(servers=["10.0.0.1", "::1"], searches=["a.b", "c"], options=["ndots:5"])
    assert files.resolv_conf(dns) == (
        "nameserver 10.0.0.1\nnameserver ::1\nsearch a.b c\noptions ndots:5\n"
    )


def test_without_dns_settings_the_nodes_file_is_used(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "_host_file", lambda path: f"copy of {path}\n")
    assert files.resolv_conf(api.DNSConfig()) == "copy of /etc/resolv.conf\n"


def test_hosts_names_the_pod_by_each_of_its_addresses() -> None:
    config = api.PodSandboxConfig(hostname="web", dns_config=DNS)
    texts = files.of_pod(files.of_node(config, False), config, ["10.1.2.3", "fd00::3"], ())
    assert "127.0.0.1\tlocalhost\n" in texts["hosts"]
    assert texts["hosts"].endswith("10.1.2.3\tweb\nfd00::3\tweb\n")


@pytest.mark.parametrize(
    ("of_node", "seen"),
    [
        ("nameserver 127.0.0.53\nsearch a\n", "nameserver 10.0.2.3\nsearch a\n"),
        ("nameserver 127.0.0.53\nnameserver 9.9.9.9\n", None),
        ("search a\n", "nameserver 10.0.2.3\nsearch a\n"),
    ],
)
def test_name_servers_on_the_nodes_loopback_are_replaced(of_node: str, seen: str | None) -> None:
    texts = {"resolv.conf": of_node, "hosts": "", "hostname": "web\n"}
    made = files.of_pod(texts, api.PodSandboxConfig(hostname="web"), (), ["10.0.2.3"])
    assert made["resolv.conf"] == (of_node if seen is None else seen)


def test_requested_name_servers_are_kept() -> None:
    config = api.PodSandboxConfig(dns_config=api.DNSConfig(servers=["127.0.0.1"]))
    made = files.of_pod(files.of_node(config, False), config, (), ["10.0.2.3"])
    assert made["resolv.conf"] == "nameserver 127.0.0.1\n"


def test_a_pod_on_the_nodes_network_has_the_nodes_hosts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "_host_file", lambda path: f"copy of {path}\n")
    files.write(tmp_path, files.of_node(api.PodSandboxConfig(hostname="web"), True))
    assert (tmp_path / "hosts").read_text() == "copy of /etc/hosts\n"
    assert (tmp_path / "hostname").read_text() == "web\n"


def test_the_configuration_of_the_node_adds_the_time_zone_and_an_empty_containerenv(
    tmp_path: Path,
) -> None:
    zone = tmp_path / "zone"
    zone.write_bytes(b"TZif2\0\xff\xfe\n")
    config = api.PodSandboxConfig(hostname="web", dns_config=DNS)
    texts = files.of_node(config, False, localtime=str(zone), containerenv=True)
    (tmp_path / "etc").mkdir()
    files.write(tmp_path / "etc", texts, (os.getuid(), os.getgid()))
    assert (tmp_path / "etc/localtime").read_bytes() == zone.read_bytes()
    assert (tmp_path / "etc/containerenv").read_bytes() == b""
    assert files.size(texts) == sum(f.stat().st_size for f in (tmp_path / "etc").iterdir())
