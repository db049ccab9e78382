"""Capability sets: defaults, ALL, names in any form, and the capabilities of the host."""

from typing import Any

import pytest

from cri_shim.config import Config
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import capabilities
from cri_shim.spec.host import Host

ALL = frozenset(capabilities.KNOWN)
WITHOUT_RESOURCE = ALL - {"CAP_SYS_RESOURCE"}


def build(
    add: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    ambient: tuple[str, ...] = (),
    *,
    bounding: frozenset[str] = ALL,
    default: frozenset[str] = capabilities.DEFAULT,
    inheritable: bool = False,
    **context: Any,
) -> dict[str, list[str]]:
    asked = api_pb2.Capability(
        add_capabilities=add, drop_capabilities=drop, add_ambient_capabilities=ambient
    )
    message = api_pb2.LinuxContainerSecurityContext(capabilities=asked, **context)
    host = Host(cgroup_v2=True, bounding=bounding)
    return capabilities.build(message, host, default, inheritable=inheritable)


def test_the_default_set_has_fourteen_in_all_three_sets() -> None:
    sets = build()

    assert set(sets) == {"bounding", "effective", "permitted"}
    assert all(set(names) == capabilities.DEFAULT for names in sets.values())
    assert len(sets["bounding"]) == 14


def test_the_default_set_is_cut_to_what_the_host_has() -> None:
    assert build(bounding=frozenset({"CAP_KILL", "CAP_BPF"}))["bounding"] == ["CAP_KILL"]


@pytest.mark.parametrize("name", ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"])
def test_a_name_is_taken_in_any_case_with_or_without_prefix(name: str) -> None:
    assert set(build((name,))["bounding"]) == capabilities.DEFAULT | {"CAP_NET_ADMIN"}


def test_drop_all_leaves_nothing() -> None:
    assert build(drop=("all",))["bounding"] == []


def test_drop_all_and_add_one_leaves_that_one() -> None:
    assert build(("NET_RAW",), ("ALL",))["effective"] == ["CAP_NET_RAW"]


def test_add_all_and_drop_one_gives_the_others() -> None:
    assert set(build(("ALL",), ("NET_RAW",))["bounding"]) == ALL - {"CAP_NET_RAW"}


def test_all_means_the_capabilities_of_the_host() -> None:
    assert set(build(("ALL",), bounding=WITHOUT_RESOURCE)["bounding"]) == WITHOUT_RESOURCE


def test_privileged_means_all_capabilities_of_the_host() -> None:
    sets = build(("SYS_RESOURCE",), ("ALL",), privileged=True, bounding=WITHOUT_RESOURCE)

    assert set(sets["bounding"]) == WITHOUT_RESOURCE


def test_a_named_capability_that_the_host_lacks_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidArgument, match="CAP_SYS_RESOURCE: not in the bounding set") as e:
        build(("NET_ADMIN", "sys_resource"), bounding=WITHOUT_RESOURCE)

    assert e.value.field == "config.linux.security_context.capabilities.add_capabilities[1]"


def test_dropping_a_capability_that_the_host_lacks_is_allowed() -> None:
    assert "CAP_KILL" in build(drop=("SYS_RESOURCE",), bounding=WITHOUT_RESOURCE)["bounding"]


@pytest.mark.parametrize(
    ("lists", "field"),
    [
        ({"add": ("FLY",)}, "add_capabilities[0]"),
        ({"drop": ("KILL", "FLY")}, "drop_capabilities[1]"),
        ({"ambient": ("FLY",)}, "add_ambient_capabilities[0]"),
        ({"add": ("",)}, "add_capabilities[0]"),
    ],
)
def test_an_unknown_name_is_refused_by_its_field(lists: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument, match="no capability is called") as caught:
        build(**lists)

    assert caught.value.field == f"config.linux.security_context.capabilities.{field}"


def test_a_capability_newer_than_our_table_is_taken_if_the_host_has_it() -> None:
    assert build(("NEWEST",), bounding=ALL | {"CAP_NEWEST"})["bounding"][-1] == "CAP_NEWEST"


def test_ambient_capabilities_are_in_all_five_sets() -> None:
    sets = build(drop=("ALL",), ambient=("NET_BIND_SERVICE",))

    assert len(sets) == 5
    assert all(names == ["CAP_NET_BIND_SERVICE"] for names in sets.values())


def test_the_configured_default_is_the_default_set() -> None:
    configured = Config().containers.default_capabilities
    assert capabilities.named(configured) == capabilities.DEFAULT
    assert list(configured) == [
        name.removeprefix("CAP_") for name in capabilities.in_kernel_order(capabilities.DEFAULT)
    ]


def test_a_nodes_set_takes_the_place_of_the_default_before_add_and_drop() -> None:
    own = capabilities.named(["kill", "CAP_CHOWN"])
    assert build(default=own)["bounding"] == ["CAP_CHOWN", "CAP_KILL"]
    assert build(("NET_RAW",), ("KILL",), default=own)["bounding"] == ["CAP_CHOWN", "CAP_NET_RAW"]
    assert build(default=frozenset())["effective"] == []
    assert set(build(default=own, privileged=True)["bounding"]) == ALL


def test_a_node_may_make_all_capabilities_inheritable() -> None:
    sets = build(("NET_ADMIN",), ("ALL",), inheritable=True)
    assert sets["inheritable"] == sets["bounding"] == ["CAP_NET_ADMIN"]
    assert "ambient" not in sets
    sets = build(ambient=("KILL",), default=frozenset({"CAP_CHOWN"}), inheritable=True)
    assert (sets["inheritable"], sets["ambient"]) == (["CAP_CHOWN", "CAP_KILL"], ["CAP_KILL"])


def test_an_unknown_name_in_a_nodes_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no capability is called 'FLY'"):
        capabilities.named(["KILL", "fly"])
