"""Files of network providers, and answers of their plugins."""

import json

from cri_shim.errors import ConfigError
from cri_shim.network import conflist, exec, result
from tests.hostile.fuzz import mutation
from tests.hostile.fuzz.target import Target, pure

_VERSIONS = ("0.2.0", "0.4.0", "1.0.0", "1.1.0")
_RESULTS = (
    {
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": "cni0", "mac": "0a:00:00:00:00:01"},
            {"name": "eth0", "mac": "0a:00:00:00:00:02", "sandbox": "/run/netns/x"},
        ],
        "ips": [
            {"address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 1},
            {"address": "fd00::3/64", "interface": 1},
        ],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}],
        "dns": {"nameservers": ["10.1.2.1"], "domain": "x", "search": ["y"], "options": ["z"]},
    },
    {
        "cniVersion": "0.4.0",
        "interfaces": [{"name": "eth0", "sandbox": "/run/netns/x"}],
        "ips": [{"version": "4", "address": "10.1.2.3/24", "interface": 0}],
    },
    {"cniVersion": "0.2.0", "ip4": {"ip": "10.1.2.3/24", "routes": [{"dst": "0.0.0.0/0"}]}},
    {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "eth0", "sandbox": "/x", "mtu": 1500, "pciID": "0", "socketPath": ""}
        ],
        "ips": [{"address": "10.1.2.3/24", "interface": 0}],
        "routes": [
            {"dst": "0.0.0.0/0", "mtu": 1, "advmss": 2, "priority": 3, "table": 4, "scope": 5}
        ],
    },
)
_LIST = {
    "cniVersion": "1.0.0",
    "cniVersions": ["0.4.0", "1.0.0"],
    "name": "net",
    "disableCheck": False,
    "disableGC": True,
    "loadOnlyInlinedPlugins": True,
    "plugins": [
        {"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/8"}]]}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def _result(data: bytes) -> None:
    """A result in each version of a configuration, and the addresses in it."""
    for version in _VERSIONS:
        found = result.parse(data, version)
        for ip in result.pod_ips(found, "eth0"):
            assert ip.isascii() and ip.isprintable() and len(ip) < 50
        json.dumps(found).encode()


def _network(data: bytes) -> None:
    found = conflist.from_json(data)
    assert found.name.isprintable()


def _failure(data: bytes) -> None:
    """The output of a failing plugin, on either stream."""
    for out, err in ((data, b""), (b"", data)):
        text = str(exec._failure("CNI plugin x: ADD", 1, out, err))
        assert len(text) < 8192 and text.isprintable(), text[:500]


TARGETS = (
    Target(
        "network result",
        lambda: [json.dumps(each).encode() for each in _RESULTS],
        pure(_result),
        (ValueError,),
        mutation.of_json,
    ),
    Target(
        "network list",
        lambda: [json.dumps(_LIST).encode()],
        pure(_network),
        (ConfigError,),
        mutation.of_json,
    ),
    Target(
        "network failure",
        lambda: [b'{"cniVersion": "1.0.0", "code": 7, "msg": "a", "details": "b"}', b"panic: x\n"],
        pure(_failure),
        mutate=mutation.of_json,
    ),
)
