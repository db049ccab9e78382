"""Limits of plugins in the OCI document, in the CRI's form, and as messages."""

from typing import Any

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.nri.document import resources
from cri_shim.nri.document.described import describe
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec.host import Host
from tests.unit.nri.facts import DOCUMENT, facts

HOST = Host(cgroup_v2=True, bounding=frozenset(), hugepage_sizes=frozenset({"2MB"}))


def limits(**fields: Any) -> pb.LinuxResources:
    found = pb.LinuxResources()
    for name, value in fields.items():
        part, _, field = name.partition("_")
        target = getattr(found, part)
        if isinstance(value, str):
            setattr(target, field, value)
        else:
            getattr(target, field).value = value
    return found


def changed(wanted: pb.LinuxResources, **of: Any) -> dict[str, Any]:
    adjust = pb.LinuxContainerAdjustment(resources=wanted)
    return resources.adjusted(DOCUMENT["linux"], adjust, facts(**of))


def test_each_limit_replaces_only_itself() -> None:
    found = changed(limits(memory_limit=200, cpu_quota=5, cpu_mems="1"))["resources"]

    assert found["memory"] == {"limit": 200, "swap": 200}
    assert found["cpu"] == {"shares": 2, "cpus": "0", "quota": 5, "mems": "1"}
    assert found["pids"] == {"limit": 9}


def test_a_limit_of_swap_is_kept() -> None:
    found = changed(limits(memory_limit=200, memory_swap=300))["resources"]

    assert found["memory"] == {"limit": 200, "swap": 300}


def test_huge_pages_unified_values_pids_and_rules() -> None:
    wanted = pb.LinuxResources(
        hugepage_limits=[pb.HugepageLimit(page_size="2MB", limit=8)],
        unified={"cpu.idle": "1"},
        pids=pb.LinuxPids(limit=3),
        devices=[pb.LinuxDeviceCgroup(allow=True, type="c", major=pb.OptionalInt64(value=7))],
    )
    found = changed(wanted)["resources"]

    assert found["hugepageLimits"] == [{"pageSize": "2MB", "limit": 8}]
    assert found["unified"] == {"memory.high": "50", "cpu.idle": "1"}
    assert found["pids"] == {"limit": 3}
    assert found["devices"][-1] == {"allow": True, "access": "rwm", "type": "c", "major": 7}


def test_a_class_of_caches_has_the_keys_of_old_and_new_runtimes() -> None:
    rdt = pb.LinuxRdt(
        clos_id=pb.OptionalString(value="gold"),
        schemata=pb.OptionalRepeatedString(value=["L3:0=f", "MB:0=50"]),
        enable_monitoring=pb.OptionalBool(value=True),
    )
    adjust = pb.LinuxContainerAdjustment(rdt=rdt)
    found = resources.adjusted(DOCUMENT["linux"], adjust, facts(resctrl=True))

    assert found["intelRdt"] == {
        "closID": "gold",
        "schemata": ["L3:0=f", "MB:0=50"],
        "l3CacheSchema": "L3:0=f",
        "memBwSchema": "MB:0=50",
        "enableMonitoring": True,
    }


def test_a_named_class_is_a_class_of_caches() -> None:
    wanted = pb.LinuxResources(rdt_class=pb.OptionalString(value="gold"))

    assert changed(wanted, resctrl=True)["intelRdt"] == {"closID": "gold"}


@pytest.mark.parametrize(
    ("wanted", "of", "sentence"),
    [
        (pb.LinuxResources(unified={"a": "b"}), {"v2": False}, "this host has cgroup v1"),
        (pb.LinuxResources(unified={"../a": "b"}), {}, "it is not the name of a file of cgroup v2"),
        (
            pb.LinuxResources(hugepage_limits=[pb.HugepageLimit(page_size="1GB")]),
            {},
            "HugepageLimits 1GB, which is refused: it cannot be limited here (known: 2MB)",
        ),
        (
            pb.LinuxResources(blockio_class=pb.OptionalString(value="x")),
            {},
            "BlockioClass, which is refused: classes of block devices are not supported",
        ),
        (
            pb.LinuxResources(rdt_class=pb.OptionalString(value="x")),
            {},
            "RdtClass, which is refused: this node has no classes of caches (resctrl)",
        ),
        (limits(memory_limit=5, memory_swap=4), {}, "less than the memory limit"),
    ],
)
def test_limits_that_the_node_does_not_have_are_refused(
    wanted: pb.LinuxResources, of: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ToolFailed) as raised:
        changed(wanted, **of)

    assert "NRI plugin 10-a sets " in str(raised.value)
    assert sentence in str(raised.value)


def test_limits_of_the_cri_there_and_back() -> None:
    given = api.LinuxContainerResources(
        cpu_shares=1, cpu_quota=2, cpu_period=3, cpuset_cpus="0", cpuset_mems="1",
        memory_limit_in_bytes=4, memory_swap_limit_in_bytes=5, unified={"a": "b"},
        hugepage_limits=[api.HugepageLimit(page_size="2MB", limit=6)],
    )  # fmt: skip
    unknown = api.LinuxContainerResources()
    unknown.CopyFrom(given)
    unknown.hugepage_limits.add(page_size="64KB", limit=0)

    assert resources.to_cri(resources.from_cri(unknown, HOST)) == given
    assert resources.beyond_cri(resources.from_cri(given, HOST)) == {}


def test_limits_that_the_cri_has_not() -> None:
    wanted = limits(memory_reservation=1, memory_limit=2, cpu_realtime_runtime=3, cpu_shares=4)
    wanted.pids.limit = 5

    assert resources.beyond_cri(wanted) == {
        "memory": {"reservation": 1},
        "cpu": {"realtimeRuntime": 3},
        "pids": {"limit": 5},
    }


def test_a_document_is_described_and_its_limits_are_the_same_again() -> None:
    found = pb.Container()
    describe(DOCUMENT, found)

    of = DOCUMENT["linux"]["resources"]
    assert resources.to_oci(found.linux.resources) == {k: of[k] for k in of if k != "devices"}
    assert (list(found.args), list(found.env)) == (["sh"], ["PATH=/bin", "A=1"])
    assert [m.destination for m in found.mounts] == ["/proc", "/data"]
    assert [(n.type, n.path) for n in found.linux.namespaces] == [
        ("mount", ""),
        ("network", "/run/netns/x"),
    ]
    [device] = found.linux.devices
    assert (device.file_mode.value, device.uid.value, device.HasField("gid")) == (0o600, 0, False)
    assert (found.user.uid, found.linux.oom_score_adj.value) == (1, 5)
    assert found.hooks.poststop[0].timeout.value == 3
    policy = found.linux.seccomp_policy
    assert (policy.default_errno.value, policy.syscalls[0].args[0].op) == (1, "SCMP_CMP_EQ")


def test_bytes_that_are_not_text_are_replaced_in_a_message() -> None:
    found = pb.Container()
    describe({"process": {"env": ["A=\udcff"]}}, found)

    assert list(found.env) == ["A=?"]
