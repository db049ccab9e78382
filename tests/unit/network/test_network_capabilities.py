"""The network settings of a pod as CNI_ARGS and runtimeConfig."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.errors import InvalidArgument
from cri_shim.network import capabilities
from cri_shim.network.conflist import NetworkList
from cri_shim.pb import api_pb2, state_pb2


def record(**config) -> state_pb2.PodRecord:
    metadata = api_pb2.PodSandboxMetadata(name="web", namespace="shop", uid="u-1")
    return state_pb2.PodRecord(
        id="abc", config=api_pb2.PodSandboxConfig(metadata=metadata, **config)
    )


def test_plugins_get_the_names_of_the_pod():
    assert capabilities.cni_args(record()) == [
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", "shop"),
        ("K8S_POD_NAME", "web"),
        ("K8S_POD_INFRA_CONTAINER_ID", "abc"),
        ("K8S_POD_UID", "u-1"),
    ]


def test_a_name_that_reads_as_another_argument_is_refused():
    pod = record()
    pod.config.metadata.name = "web;IP=10.0.0.1"

    with pytest.raises(InvalidArgument, match=r"config.metadata.name"):
        capabilities.check_names(pod)


def test_port_mappings_without_a_host_port_are_dropped():
    asked = [
        api_pb2.PortMapping(container_port=80, host_port=8080, host_ip="127.0.0.1"),
        api_pb2.PortMapping(container_port=53, host_port=5353, protocol=api_pb2.UDP),
        api_pb2.PortMapping(container_port=81),
        api_pb2.PortMapping(container_port=82, host_port=-1),
    ]

    assert capabilities.arguments(record(port_mappings=asked))["portMappings"] == [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"},
        {"hostPort": 5353, "containerPort": 53, "protocol": "udp"},
    ]


def test_a_pod_without_network_settings_has_no_arguments():
    assert capabilities.arguments(record()) == {}


def test_bandwidth_comes_from_the_annotations_of_kubernetes():
    pod = record(annotations={capabilities.INGRESS: "10M", capabilities.EGRESS: "1Mi"})

    assert capabilities.arguments(pod)["bandwidth"] == {
        "ingressRate": 10_000_000,
        "ingressBurst": capabilities.BURST_BITS,
        "egressRate": 1 << 20,
        "egressBurst": capabilities.BURST_BITS,
    }


@pytest.mark.parametrize("rate", ["fast", "", "1", "10E", "-5M"])
def test_an_impossible_bandwidth_is_refused_with_its_annotation(rate):
    with pytest.raises(InvalidArgument) as refusal:
        capabilities.arguments(record(annotations={capabilities.EGRESS: rate}))

    assert refusal.value.field == f"config.annotations[{capabilities.EGRESS}]"


def test_dns_cgroup_addresses_and_annotations_are_passed_on():
    annotations = {capabilities.ADDRESSES: "10.1.2.3/24, fd00::3/64",
                   capabilities.HARDWARE_ADDRESS: "02:00:00:00:00:01"}  # fmt: skip
    pod = record(annotations=annotations, dns_config=api_pb2.DNSConfig(servers=["10.0.0.10"]))
    pod.cgroup_parent = "/kubepods/pod1"

    assert capabilities.arguments(pod, ["10.1.0.0/16"]) == {
        "ips": ["10.1.2.3/24", "fd00::3/64"],
        "mac": "02:00:00:00:00:01",
        "dns": {"servers": ["10.0.0.10"], "searches": [], "options": []},
        "cgroupPath": "/kubepods/pod1",
        "ipRanges": [[{"subnet": "10.1.0.0/16"}]],
        "io.kubernetes.cri.pod-annotations": annotations,
    }


@pytest.mark.parametrize(
    "annotations",
    [{capabilities.ADDRESSES: "10.1.2.300"}, {capabilities.HARDWARE_ADDRESS: "02:00"}],
)
def test_a_malformed_address_is_refused(annotations):
    with pytest.raises(InvalidArgument, match=r"config.annotations"):
        capabilities.arguments(record(annotations=annotations))


def test_a_plugin_gets_only_the_capabilities_it_declares_true():
    plugins: list[dict[str, Any]] = [
        {"type": "a", "capabilities": {"mac": True, "ips": False}},
        {"type": "b"},
    ]

    told = capabilities.inline(plugins, {"mac": "m", "ips": ["i"], "cgroupPath": "/c"})

    assert [plugin.get("runtimeConfig") for plugin in told] == [{"mac": "m"}, None]


def test_portmap_and_bandwidth_are_idle_without_settings_for_them():
    plugins = [{"type": "bridge"}, {"type": "portmap"}, {"type": "bandwidth"}, {"type": "tuning"}]

    assert capabilities.idle_plugins(plugins) == ["bandwidth", "portmap"]


@pytest.mark.parametrize(
    "plugins",
    [
        [{"type": "portmap"}],  # the first plugin makes the result
        [{"type": "bridge"}, {"type": "bandwidth", "ingressRate": 1000}],
        [{"type": "bridge"}, {"type": "portmap", "runtimeConfig": {"portMappings": [{}]}}],
        [{"type": "bridge"}, {"type": "bandwidth"}, {"type": "bandwidth", "egressRate": 1}],
    ],
)
def test_a_plugin_with_settings_is_not_idle(plugins):
    assert capabilities.idle_plugins(plugins) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("10k", 10_000), ("1.5M", 1_500_000), ("1Gi", 1 << 30), ("1e3", 1000),
     ("100m", 1), ("2E", 2 * 10**18), ("1E2", 100), ("+.5k", 500)],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_reads_them(text, value):
    assert capabilities.quantity(text) == value


@given(st.text(max_size=8))
def test_any_other_text_is_no_quantity_and_no_crash(text):
    with contextlib.suppress(ValueError):
        capabilities.quantity(text)


def network(*plugins: dict[str, Any]) -> NetworkList:
    return NetworkList("web", "1.0.0", ("1.0.0",), plugins, "/etc/cni/net.d/10-web.conflist")


def test_host_ports_are_refused_if_no_plugin_maps_them():
    ports = [{"container_port": 80}, {"container_port": 81, "host_port": 8081}]
    without = network({"type": "bridge"}, {"type": "portmap", "capabilities": {"dns": True}})

    with pytest.raises(InvalidArgument, match=r"10-web.conflist.*unmapped_host_ports") as caught:
        capabilities.check_host_ports(record(port_mappings=ports).config, without)

    assert caught.value.field == "config.port_mappings[1].host_port"


def test_a_plugin_that_declares_port_mappings_gets_host_ports():
    ports = [{"container_port": 80, "host_port": 80}]
    mapping = network({"type": "x"}, {"type": "any", "capabilities": {"portMappings": True}})

    capabilities.check_host_ports(record(port_mappings=ports).config, mapping)

    assert capabilities.arguments(record(port_mappings=ports))["portMappings"]


def test_a_pod_without_host_ports_needs_no_such_plugin():
    capabilities.check_host_ports(record().config, network({"type": "bridge"}))
    asked = record(port_mappings=[{"container_port": 80}]).config
    capabilities.check_host_ports(asked, network({"type": "bridge"}))
