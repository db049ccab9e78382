"""A malformed result is a ValueError that names the key; results of real plugins are accepted."""

import json
from typing import Any

import pytest

from cri_shim.network import result

SOUND: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": "/n"}],
    "ips": [{"interface": 1, "address": "10.1.2.3/24", "gateway": "10.1.2.1"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}],
    "dns": {"nameservers": ["10.0.0.10"], "domain": "x", "search": ["y"], "options": ["ndots:2"]},
}


def parse(document: Any, version: str = "1.0.0") -> result.Result:
    return result.parse(json.dumps(document).encode(), version)


def ip(**keys: Any) -> dict[str, Any]:
    return SOUND | {"ips": [SOUND["ips"][0] | keys]}


def test_a_sound_result_is_kept_as_it_is() -> None:
    assert parse(SOUND | {"vendor": {"a": 1}}) == SOUND | {"vendor": {"a": 1}}


@pytest.mark.parametrize(
    "keys",
    [
        {"interfaces": None, "ips": None, "routes": None, "dns": None},
        {"interfaces": [{"name": "dummy0123456789a", "mac": "1234", "sandbox": "0"}] * 2},  # AWS's
        {"ips": [{"interface": 1, "address": "10.1.2.3/24", "gateway": ""}]},
        {"routes": [{"dst": "10.0.0.0/8", "gw": None, "mtu": 1400}]},
        {"ip4": {}, "ip6": None},
    ],
)
def test_known_deviations_of_plugins_are_accepted(keys: dict[str, Any]) -> None:
    parse(SOUND | keys)


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ([], "the result: "),
        ("text", "the result: "),
        (5, "the result: "),
        (SOUND | {"cniVersion": 1}, "cniVersion: 1 "),
        (SOUND | {"cniVersion": "1.0.0\n"}, r"cniVersion: '1.0.0\\n' "),
        (SOUND | {"cniVersion": "9" * 5000 + ".0.0"}, "cniVersion: "),
        (SOUND | {"interfaces": {}}, "interfaces: {} is not a list"),
        (SOUND | {"interfaces": ["eth0", "eth0"]}, r"interfaces\[0\]: 'eth0' is not an object"),
        (SOUND | {"interfaces": [{"name": "a\nb"}] * 2}, r"interfaces\[0\].name: "),
        (SOUND | {"interfaces": [{"name": 5}] * 2}, r"interfaces\[0\].name: "),
        (SOUND | {"interfaces": [{"sandbox": ["/n"]}] * 2}, r"interfaces\[0\].sandbox: "),
        (SOUND | {"interfaces": [{"name": "x" * 2000}] * 2}, r"interfaces\[0\].name: "),
        (SOUND | {"ips": 5}, "ips: 5 is not a list"),
        (SOUND | {"ips": "10.1.2.3/24"}, "ips: "),
        (SOUND | {"ips": [5]}, r"ips\[0\]: 5 is not an object"),
        (SOUND | {"ips": [{}]}, r"ips\[0\].address: None "),
        (SOUND | {"ips": [{"address": "10.1.2.3/8"}] * 129}, "ips: it has 129 entries; 128 are"),
        (ip(address=167838211), r"ips\[0\].address: 167838211 "),
        (ip(address=""), r"ips\[0\].address: "),
        (ip(address="10.1.2.3"), r"ips\[0\].address: "),
        (ip(address="10.1.2.3/33"), r"ips\[0\].address: "),
        (ip(address="10.1.2.3/" + "9" * 5000), r"ips\[0\].address: "),
        (ip(address="10.1.2.3/255.255.255.0"), r"ips\[0\].address: "),
        (ip(address="10.1.2.3/24\n"), r"ips\[0\].address: "),
        (ip(address="10.1.2.3\n6.6.6.6 registry/24"), r"ips\[0\].address: "),
        (ip(address="10.1.2.03/24"), r"ips\[0\].address: "),
        (ip(address="fe80::1%eth0/64"), r"ips\[0\].address: "),
        (ip(address="fe80::1%a\nb/64"), r"ips\[0\].address: "),
        (ip(address="web.example/24"), r"ips\[0\].address: "),
        (ip(gateway="10.1.2.1\n"), r"ips\[0\].gateway: "),
        (ip(gateway="10.1.2.1/24"), r"ips\[0\].gateway: "),
        (ip(gateway=["10.1.2.1"]), r"ips\[0\].gateway: "),
        (ip(interface="1"), r"ips\[0\].interface: '1' is not the index of one of 2 interfaces"),
        (ip(interface=True), r"ips\[0\].interface: "),
        (ip(interface=-1), r"ips\[0\].interface: "),
        (ip(interface=2), r"ips\[0\].interface: "),
        (ip(interface=1.0), r"ips\[0\].interface: "),
        (SOUND | {"routes": [{"gw": "10.1.2.1"}]}, r"routes\[0\].dst: "),
        (SOUND | {"routes": [{"dst": "0.0.0.0/0", "gw": "x"}]}, r"routes\[0\].gw: "),
        (SOUND | {"dns": []}, r"dns: \[\] is not an object"),
        (SOUND | {"dns": {"nameservers": "10.0.0.10"}}, "dns.nameservers: "),
        (SOUND | {"dns": {"search": ["a\nb"]}}, r"dns.search\[0\]: "),
        (SOUND | {"dns": {"domain": 5}}, "dns.domain: "),
        (SOUND | {"vendor": [2**63]}, "larger than 64 bits"),
        (SOUND | {"a\x1b[31m": 1}, "a key: "),
        (SOUND | {"ip4": {"ip": "fd00::1/64"}}, "ip4.ip: .* is of the other family"),
        (SOUND | {"ip4": {"ip": "10.1.2.3/24", "routes": 5}}, "ip4.routes: 5 is not a list"),
        (SOUND | {"vendor": "x" * (1 << 16)}, "it has more than 65536 bytes"),
    ],
)
def test_a_malformed_result_is_refused_with_its_key(document: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        parse(document)
    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "data",
    [b"[" * 3000, b'{"a":' * 3000, b'{"a": 1e999}', b'{"a": NaN}', b'{"a": "\\ud800"}', b"\xff"],
)
def test_malformed_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"is JSON|is not|too large|surrogate"):
        result.parse(data, "1.0.0")


def test_too_deep_nesting_is_refused() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(SOUND | {"vendor": deep})


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("10.1.2.3/24", ["10.1.2.3"]),
        ("FD00:0:0::3/64", ["fd00::3"]),
        ("::ffff:10.1.2.3/120", ["10.1.2.3"]),
        ("169.254.2.1/16", ["169.254.2.1"]),
        ("127.0.0.1/8", []),
        ("::1/128", []),
        ("0.0.0.0/0", []),
        ("::/0", []),
        ("224.0.0.1/4", []),
        ("255.255.255.255/32", []),
    ],
)
def test_the_address_of_a_pod_has_one_form_and_can_be_reached(
    address: str, taken: list[str]
) -> None:
    assert result.pod_ips(parse(ip(address=address)), "eth0") == taken


def test_an_address_that_is_named_twice_is_one() -> None:
    twice = SOUND | {"ips": SOUND["ips"] * 2}
    assert result.pod_ips(parse(twice), "eth0") == ["10.1.2.3"]
