"""Resources: limits in OCI form, oom scores, and what an update leaves in force."""

from dataclasses import replace
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import resources
from cri_shim.spec.host import Host

V1 = Host(cgroup_v2=False, bounding=frozenset(), hugepage_sizes=frozenset({"2MB"}))
V2 = replace(V1, cgroup_v2=True)


def asked(**fields: Any) -> api_pb2.LinuxContainerResources:
    return api_pb2.LinuxContainerResources(**fields)


def to_oci(host: Host = V1, **fields: Any) -> dict[str, Any]:
    return resources.to_oci(asked(**fields), host)


def test_unset_values_are_left_out() -> None:
    assert to_oci() == {}


def test_cpu_limits_are_given_as_they_are() -> None:
    found = to_oci(
        cpu_period=100000, cpu_quota=5000, cpu_shares=2, cpuset_cpus="0-1", cpuset_mems="0"
    )

    assert found == {
        "cpu": {"shares": 2, "quota": 5000, "period": 100000, "cpus": "0-1", "mems": "0"}
    }


UNLIMITED: Any = {
    "cpu_quota": -1,
    "cpu_period": 100000,
    "memory_limit_in_bytes": -1,
    "memory_swap_limit_in_bytes": -1,
}


def test_unlimited_is_left_out_at_creation() -> None:
    assert to_oci(**UNLIMITED) == {"cpu": {"period": 100000}}
    assert to_oci(memory_limit_in_bytes=5, memory_swap_limit_in_bytes=-1) == {
        "memory": {"limit": 5}
    }


LIMITED: Any = {
    "cpu_quota": 5000,
    "cpu_period": 100000,
    "cpu_shares": 2,
    "memory_limit_in_bytes": 100,
    "memory_swap_limit_in_bytes": 150,
}


@pytest.mark.parametrize(
    ("current", "update", "expected"),
    [
        (LIMITED, {}, {}),
        (LIMITED, {"cpu_shares": 3}, {"cpu": {"shares": 3}}),
        (LIMITED, {"cpu_quota": -1}, {"cpu": {"quota": -1, "period": 100000}}),
        (LIMITED, {"cpu_period": 50000}, {"cpu": {"quota": 5000, "period": 50000}}),
        (LIMITED, {"memory_limit_in_bytes": 120}, {"memory": {"limit": 120, "swap": 150}}),
        (LIMITED, UNLIMITED, {
            "cpu": {"quota": -1, "period": 100000}, "memory": {"limit": -1, "swap": -1}
        }),
        (UNLIMITED, {"cpu_quota": -1}, {}),
        ({}, {"cpu_quota": -1}, {}),
        ({}, {"cpu_quota": -1, "cpu_period": 50000}, {"cpu": {"period": 50000}}),
        ({}, {"cpu_quota": 1000}, {"cpu": {"quota": 1000}}),
    ],
)  # fmt: skip
def test_an_update_gives_the_runtime_only_the_changes(
    current: dict[str, Any], update: dict[str, Any], expected: dict[str, Any]
) -> None:
    merged = resources.merge(asked(**current), asked(**update))

    assert resources.changes(asked(**current), merged, V1) == expected


def test_an_update_includes_huge_pages_and_unified() -> None:
    pages = [{"page_size": "2MB", "limit": 5}]

    found = resources.changes(
        asked(), asked(hugepage_limits=pages, unified={"memory.high": "7"}), V2
    )

    assert found == {
        "hugepageLimits": [{"pageSize": "2MB", "limit": 5}],
        "unified": {"memory.high": "7"},
    }


def test_an_impossible_update_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidArgument) as caught:
        resources.changes(asked(), asked(unified={"memory.high": "7"}), V1)

    assert caught.value.field == "linux.unified"


def test_a_memory_limit_alone_means_no_swap() -> None:
    assert to_oci(memory_limit_in_bytes=100) == {"memory": {"limit": 100, "swap": 100}}


def test_swap_is_memory_and_swap_together() -> None:
    found = to_oci(memory_limit_in_bytes=100, memory_swap_limit_in_bytes=150)

    assert found == {"memory": {"limit": 100, "swap": 150}}


def test_swap_is_not_mentioned_on_a_host_that_cannot_limit_it() -> None:
    host = replace(V1, swap_accounting=False)

    found = to_oci(host, memory_limit_in_bytes=100, memory_swap_limit_in_bytes=150)
    assert found == {"memory": {"limit": 100}}


def test_swap_is_not_derived_from_the_limit_if_unified_sets_it() -> None:
    found = to_oci(V2, memory_limit_in_bytes=100, unified={"memory.swap.max": "50"})

    assert found["memory"] == {"limit": 100}


def test_huge_page_sizes_that_the_host_lacks_may_only_have_a_limit_of_zero() -> None:
    pages = [{"page_size": "2MB", "limit": 0}, {"page_size": "1GB", "limit": 0}]

    assert to_oci(hugepage_limits=pages) == {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}


def test_unified_keys_go_to_cgroup_v2_as_they_are() -> None:
    assert to_oci(V2, unified={"memory.high": "7"}) == {"unified": {"memory.high": "7"}}


@pytest.mark.parametrize(
    ("host", "fields", "field"),
    [
        (
            V1,
            {"memory_limit_in_bytes": 100, "memory_swap_limit_in_bytes": 50},
            "memory_swap_limit_in_bytes",
        ),
        (V1, {"memory_swap_limit_in_bytes": 50}, "memory_swap_limit_in_bytes"),
        (V1, {"unified": {"memory.high": "1"}}, "unified"),
        (
            V1,
            {"hugepage_limits": [{"page_size": "1GB", "limit": 1}]},
            "hugepage_limits[0].page_size",
        ),
    ],
)
def test_impossible_limits_are_refused_by_their_field(
    host: Host, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resources.to_oci(asked(**fields), host, "linux")

    assert caught.value.field == f"linux.{field}"


def test_an_oom_score_is_unchanged_if_the_daemon_may_lower_it() -> None:
    assert resources.oom_score_adj(-998, V1) == -998


@pytest.mark.parametrize(("score", "expected"), [(-998, -5), (-5, -5), (0, 0), (1000, 1000)])
def test_an_oom_score_never_falls_below_the_daemons_own_without_the_capability(
    score: int, expected: int
) -> None:
    host = replace(V1, can_raise=False, oom_score_adj=-5)

    assert resources.oom_score_adj(score, host) == expected


def test_an_update_changes_only_what_it_names() -> None:
    current = asked(cpu_period=1, cpu_quota=2, cpu_shares=3, cpuset_cpus="0", oom_score_adj=5)

    merged = resources.merge(current, asked(cpu_quota=-1, cpuset_cpus="1"))

    assert merged == asked(
        cpu_period=1, cpu_quota=-1, cpu_shares=3, cpuset_cpus="1", oom_score_adj=5
    )


def test_an_update_does_not_change_its_arguments() -> None:
    current, update = asked(cpu_shares=3, unified={"a.b": "1"}), asked(unified={"a.b": "2"})

    resources.merge(current, update)

    assert current == asked(cpu_shares=3, unified={"a.b": "1"})
    assert update == asked(unified={"a.b": "2"})


def test_an_update_merges_huge_pages_by_size_and_unified_by_key() -> None:
    current = asked(
        hugepage_limits=[{"page_size": "2MB", "limit": 1}, {"page_size": "1GB", "limit": 2}],
        unified={"memory.high": "1", "memory.low": "2"},
    )
    update = asked(hugepage_limits=[{"page_size": "2MB", "limit": 9}], unified={"memory.high": "9"})

    merged = resources.merge(current, update)

    assert {h.page_size: h.limit for h in merged.hugepage_limits} == {"2MB": 9, "1GB": 2}
    assert dict(merged.unified) == {"memory.high": "9", "memory.low": "2"}


@pytest.mark.parametrize(
    ("limit", "swap", "new_limit", "new_swap", "expected_swap"),
    [
        (100, 0, 200, 0, 0),  # nothing was ever said of swap: to_oci follows the limit
        (100, 100, 200, 0, 200),  # no swap stays no swap
        (100, 100, 50, 0, 50),
        (100, 300, 200, 0, 300),  # the total stays
        (100, 150, 200, 0, 200),  # but is never less than the limit
        (100, -1, 200, 0, -1),
        (100, 100, -1, 0, -1),
        (100, 100, 0, 400, 400),
        (100, 100, 200, 400, 400),
        (100, 100, 0, 0, 100),
    ],
)
def test_swap_follows_a_memory_limit_that_changes_alone(
    limit: int, swap: int, new_limit: int, new_swap: int, expected_swap: int
) -> None:
    current = asked(memory_limit_in_bytes=limit, memory_swap_limit_in_bytes=swap)
    update = asked(memory_limit_in_bytes=new_limit, memory_swap_limit_in_bytes=new_swap)

    merged = resources.merge(current, update)

    assert merged.memory_swap_limit_in_bytes == expected_swap
    assert merged.memory_limit_in_bytes == (new_limit or limit)
