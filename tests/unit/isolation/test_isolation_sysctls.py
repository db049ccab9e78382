"""Which kernel parameters a pod may set."""

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.isolation import sysctls

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
def test_what_is_no_name_is_refused(name: str) -> None:
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


def test_a_parameter_of_the_node_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        sysctls.check({"kernel.panic": "1"}, ALL)
    assert refusal.value.field == "config.linux.sysctls[kernel.panic]"
    assert "whole node" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("net.core.somaxconn", {"ipc", "uts"}),
        ("kernel.shmmax", {"net", "uts"}),
        ("kernel.hostname", {"net", "ipc"}),
    ],
)
def test_a_parameter_of_a_namespace_shared_with_the_node_is_refused(
    name: str, own: set[str]
) -> None:
    with pytest.raises(InvalidArgument, match="shares the node's"):
        sysctls.check({name: "1"}, own)


def test_a_refused_name_is_refused_before_any_is_set() -> None:
    with pytest.raises(InvalidArgument):
        sysctls.check({"net.core.somaxconn": "1", "vm.swappiness": "1"}, ALL)


def test_the_pods_own_parameters_get_their_paths() -> None:
    assert sysctls.check({"kernel.sem": "1", "net/core/somaxconn": "2"}, ALL) == {
        "kernel.sem": "kernel/sem",
        "net/core/somaxconn": "net/core/somaxconn",
    }
