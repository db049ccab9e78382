"""Plugin results of every version, and the addresses of a pod."""

import json
from typing import Any

import pytest

from cri_shim.network import result

CURRENT: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "br0", "mac": "m0"},
        {"name": "eth0", "mac": "m1", "sandbox": "/n", "mtu": 1400},
    ],
    "ips": [
        {"interface": 1, "address": "10.1.2.3/24", "gateway": "10.1.2.1"},
        {"interface": 1, "address": "fd00::3/64"},
    ],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1", "mtu": 1400}, {"dst": "::/0"}],
    "dns": {"nameservers": ["10.0.0.10"]},
}


def test_the_keys_of_1_1_are_left_out_for_1_0():
    older = result.convert(CURRENT, "1.0.0")

    assert older["cniVersion"] == "1.0.0"
    assert older["interfaces"][1] == {"name": "eth0", "mac": "m1", "sandbox": "/n"}
    assert older["routes"][0] == {"dst": "0.0.0.0/0", "gw": "10.1.2.1"}


def test_addresses_carry_their_family_before_1_0():
    assert [ip["version"] for ip in result.convert(CURRENT, "0.4.0")["ips"]] == ["4", "6"]


def test_the_first_format_has_one_address_a_family_and_their_routes():
    assert result.convert(CURRENT, "0.2.0") == {
        "cniVersion": "0.2.0",
        "dns": {"nameservers": ["10.0.0.10"]},
        "ip4": {
            "ip": "10.1.2.3/24", "gateway": "10.1.2.1",
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}],
        },
        "ip6": {"ip": "fd00::3/64", "routes": [{"dst": "::/0"}]},
    }  # fmt: skip


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_addresses_survive_every_conversion_there_and_back(version):
    there = result.convert(CURRENT, version)
    back = result.convert(there, "1.1.0")

    assert result.pod_ips(there, "eth0") == ["10.1.2.3", "fd00::3"]
    assert result.pod_ips(back, "eth0") == ["10.1.2.3", "fd00::3"]


def test_a_result_of_the_same_version_is_unchanged():
    odd = CURRENT | {"vendor": 1}

    assert result.convert(odd, "1.1.0") == odd


def test_a_result_without_a_version_is_of_the_version_of_its_configuration():
    data = json.dumps({"ips": [{"version": "4", "address": "10.0.0.2/8"}]}).encode()

    assert result.parse(data, "0.4.0")["cniVersion"] == "0.4.0"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"cniVersion": "x"}'])
def test_an_unreadable_result_is_a_value_error(data):
    with pytest.raises(ValueError):
        result.parse(data, "1.0.0")


def test_addresses_of_host_interfaces_are_not_the_pods():
    ips = [{"interface": 0, "address": "10.1.2.1/24"}, *CURRENT["ips"]]

    assert result.pod_ips(CURRENT | {"ips": ips}, "eth0") == ["10.1.2.3", "fd00::3"]


def test_addresses_without_an_interface_are_all_taken():
    found = {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]}

    assert result.pod_ips(found, "eth0") == ["10.1.2.3"]


def test_an_interface_index_out_of_range_names_nothing():
    found = {"cniVersion": "1.0.0", "ips": [{"interface": 7, "address": "10.1.2.3/24"}]}

    assert result.pod_ips(found, "eth0") == []


def test_an_interface_that_a_plugin_renamed_is_accepted():
    renamed = CURRENT["interfaces"][1] | {"name": "net0"}
    found = CURRENT | {"interfaces": [CURRENT["interfaces"][0], renamed]}

    assert result.pod_ips(found, "eth0") == ["10.1.2.3", "fd00::3"]
