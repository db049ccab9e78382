"""The files under /etc that a pod's containers see."""

from cri_shim.pb import api_pb2 as api
from cri_shim.pods import files


def test_resolv_conf_holds_servers_searches_and_options() -> None:
    dns = api.DNSConfig(servers=["10.0.0.1", "::1"], searches=["a.b", "c"], options=["ndots:5"])
    assert files.resolv_conf(dns) == (
        "nameserver 10.0.0.1\nnameserver ::1\nsearch a.b c\noptions ndots:5\n"
    )


def test_without_dns_settings_the_nodes_file_is_used(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "_host_file", lambda path: f"copy of {path}\n")
    assert files.resolv_conf(api.DNSConfig()) == "copy of /etc/resolv.conf\n"


def test_hosts_names_the_pod_by_each_of_its_addresses(tmp_path) -> None:
    config = api.PodSandboxConfig(hostname="web")
    files.write_hosts(tmp_path, config, ["10.1.2.3", "fd00::3"])
    text = (tmp_path / "hosts").read_text()
    assert "127.0.0.1\tlocalhost\n" in text
    assert text.endswith("10.1.2.3\tweb\nfd00::3\tweb\n")


def test_a_pod_on_the_nodes_network_has_the_nodes_hosts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "_host_file", lambda path: f"copy of {path}\n")
    files.write(tmp_path, api.PodSandboxConfig(hostname="web"), host_network=True)
    assert (tmp_path / "hosts").read_text() == "copy of /etc/hosts\n"
    assert (tmp_path / "hostname").read_text() == "web\n"
