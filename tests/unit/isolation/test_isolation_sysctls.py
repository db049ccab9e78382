"""Which kernel parameters a pod may set."""

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.isolation import sysctls
from cri_shim.isolation.sysctls import Parameter

ALL = {"net", "ipc", "uts"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.tcp_syncookies", "net/ipv4/tcp_syncookies"),
        ("net/ipv4/tcp_syncookies", "net/ipv4/tcp_syncookies"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("kernel.shmmax", "kernel/shmmax"),
    ],
)
def test_names_with_dots_or_slashes_are_the_same_parameter(name: str, path: str) -> None:
    assert sysctls.path_of(name) == path


@pytest.mark.parametrize(
    "name", ["", ".", "net..x", "net/../kernel/panic", "/net/x", "net.", "net/./x"]
)
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="not the name of a kernel parameter"):
        sysctls.path_of(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("net.core.somaxconn", "net"),
        ("kernel.shmmni", "ipc"),
        ("kernel.shm_rmid_forced", "ipc"),
        ("kernel.msgmax", "ipc"),
        ("kernel.sem", "ipc"),
        ("kernel.shm_next_id", "ipc"),
        ("kernel.auto_msgmni", "ipc"),
        ("kernel.hostname", "uts"),
        ("user.max_net_namespaces", "user"),
        ("fs.mqueue.msg_max", "ipc"),
        ("kernel.domainname", "uts"),
        ("kernel.panic", None),
        ("vm.swappiness", None),
        ("fs.file-max", None),
        ("network.x", None),
    ],
)
def test_each_parameter_has_its_namespace(name: str, kind: str | None) -> None:
    assert sysctls.namespace_of(sysctls.path_of(name)) == kind


@pytest.mark.parametrize(
    ("path", "interface"),
    [
        ("net/ipv4/conf/eth0/rp_filter", "eth0"),
        ("net/ipv6/conf/eth0.1/forwarding", "eth0.1"),
        ("net/ipv4/neigh/eth0/gc_stale_time", "eth0"),
        ("net/mpls/conf/eth0/input", "eth0"),
        ("net/ipv4/conf/all/rp_filter", ""),
        ("net/ipv6/conf/default/accept_ra", ""),
        ("net/ipv4/conf/lo/rp_filter", ""),
        ("net/ipv4/neigh/default/gc_thresh1", ""),
        ("net/ipv4/conf", ""),
        ("net/core/somaxconn", ""),
        ("net/netfilter/nf_conntrack_max", ""),
    ],
)
def test_a_parameter_of_an_interface_is_known_by_its_path(path: str, interface: str) -> None:
    assert Parameter("x", "1", path, "net", sysctls.FIELD).interface == interface


def test_a_parameter_of_the_node_is_refused_by_its_name_and_value() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        sysctls.parameters({"kernel.panic": "1"}, ALL)
    assert refusal.value.field == "config.linux.sysctls[kernel.panic]"
    assert "'1' is not set: it is not namespaced" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("net.core.somaxconn", {"ipc", "uts"}),
        ("kernel.shmmax", {"net", "uts"}),
        ("kernel.hostname", {"net", "ipc"}),
        ("user.max_user_namespaces", {"net", "ipc", "uts"}),
    ],
)
def test_a_parameter_of_a_namespace_shared_with_the_node_is_refused(
    name: str, own: set[str]
) -> None:
    with pytest.raises(InvalidArgument, match="shares the node's"):
        sysctls.parameters({name: "1"}, own)


def test_a_refused_name_is_refused_before_any_is_set() -> None:
    with pytest.raises(InvalidArgument):
        sysctls.parameters({"net.core.somaxconn": "1", "vm.swappiness": "1"}, ALL)


def test_the_pods_own_parameters_get_their_paths() -> None:
    found = sysctls.parameters({"kernel.sem": "1", "net/core/somaxconn": "2"}, ALL)
    assert [(p.path, p.kind) for p in found] == [
        ("kernel/sem", "ipc"),
        ("net/core/somaxconn", "net"),
    ]


DEFAULTS = {"net.core.somaxconn": "7", "kernel.domainname": "x", "kernel.shmmni": "8"}


def test_a_default_of_the_node_needs_a_pod_with_its_own_namespace() -> None:
    assert [p.name for p in sysctls.parameters({}, {"ipc"}, DEFAULTS)] == ["kernel.shmmni"]
    assert [p.name for p in sysctls.parameters({}, {"net", "uts"}, DEFAULTS)] == [
        "net.core.somaxconn",
        "kernel.domainname",
    ]


def test_a_requested_parameter_wins_over_a_default_in_any_spelling() -> None:
    found = sysctls.parameters({"net/core/somaxconn": "1"}, {"net"}, DEFAULTS)
    assert [(p.value, p.field) for p in found] == [("1", sysctls.FIELD)]


def test_a_default_that_no_pod_can_have_is_refused_by_its_own_name() -> None:
    for name in ("vm.swappiness", "net..x", "hostname"):
        with pytest.raises(InvalidArgument, match=f"the node's default_sysctls.{name}"):
            sysctls.check_defaults({name: "1"})
    sysctls.check_defaults(DEFAULTS)


def test_a_long_value_is_not_repeated_and_an_empty_one_is_written() -> None:
    long = Parameter("kernel.sem", "1 " * 5000, "kernel/sem", "ipc", sysctls.FIELD)
    assert len(str(long.refusal("x"))) < 200
    assert Parameter("x", "", "x", "net", sysctls.FIELD).data == b"\n"
