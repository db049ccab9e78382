"""Statistics of groups, from trees as kernels have them: v1 as on this kernel, v2 as documented."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cri_shim.isolation import cgroup_files as files
from cri_shim.isolation.cgroup_files import BlockIo, Pressure, Stall
from cri_shim.isolation.cgroup_stats import HugePages, Memory, Meter, Swap
from cri_shim.isolation.cgroup_stats_v1 import MeterV1
from cri_shim.isolation.cgroup_stats_v2 import MeterV2

GROUP = "kubepods/podx/c"
V1 = {
    "cpuacct/cpuacct.usage": "1234567890\n",
    "cpuacct/cpuacct.stat": "user 100\nsystem 23\n",
    "cpu/cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 5000\nnr_bursts 0\n",
    "memory/memory.usage_in_bytes": "9000\n",
    "memory/memory.kmem.usage_in_bytes": "800\n",
    "memory/memory.failcnt": "3\n",
    "memory/memory.max_usage_in_bytes": "9500\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "memory/memory.stat": (
        "cache 1\nrss 2\npgfault 40\npgmajfault 4\n"
        "hierarchical_memory_limit 10000\nhierarchical_memsw_limit 15000\n"
        "total_cache 4000\ntotal_rss 3000\ntotal_mapped_file 500\ntotal_swap 1000\n"
        "total_pgfault 50\ntotal_pgmajfault 5\ntotal_inactive_file 2500\n"
    ),
    "pids/cgroup.procs": "11\n12\n",
    "pids/pids.current": "5\n",
    "pids/pids.max": "max\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "254:0 Read 4096\nTotal 4096\n",
    "blkio/blkio.throttle.io_serviced_recursive": "254:0 Read 1\nTotal 1\n",
    "hugetlb/hugetlb.2MB.usage_in_bytes": "2097152\n",
    "hugetlb/hugetlb.2MB.max_usage_in_bytes": "4194304\n",
}
PSI = (
    "some avg10=1.50 avg60=0.25 avg300=0.00 total=1000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=10\n"
)
PRESSURE = Pressure(Stall(1_000_000, 1.5, 0.25, 0.0), Stall(10_000, 0.0, 0.0, 0.0))
V2 = {
    "cpu.stat": (
        "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n"
        "nr_periods 7\nnr_throttled 2\nthrottled_usec 5\n"
    ),
    "cpu.pressure": PSI,
    "memory.pressure": PSI,
    "io.pressure": PSI,
    "memory.current": "9000\n",
    "memory.peak": "9500\n",
    "memory.max": "10000\n",
    "memory.swap.current": "1000\n",
    "memory.swap.max": "5000\n",
    "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
    "memory.stat": (
        "anon 3000\nfile 4000\nkernel 800\nfile_mapped 500\ninactive_file 2500\n"
        "pgfault 50\npgmajfault 5\n"
    ),
    "cgroup.procs": "11\n12\n",
    "pids.current": "5\n",
    "pids.max": "100\n",
    "io.stat": "254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
    "hugetlb.2MB.current": "2097152\n",
    "hugetlb.2MB.rsvd.current": "0\n",
}


def _without(tree: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in tree.items() if name not in names}


def _v1(root: Path, tree: Mapping[str, str] = V1) -> MeterV1:
    for name, text in tree.items():
        controller, file = name.split("/")
        group = root / controller / GROUP
        group.mkdir(parents=True, exist_ok=True)
        (group / file).write_text(text)
        (root / controller / file).write_text(text)  # the root has these files, too
    return MeterV1({name.split("/")[0]: str(root / name.split("/")[0]) for name in tree})


def _v2(root: Path, tree: Mapping[str, str] = V2) -> MeterV2:
    group = root / GROUP
    group.mkdir(parents=True)
    for file, text in tree.items():
        (group / file).write_text(text)
    return MeterV2(str(root))


def test_v1_has_cpu_memory_and_swap_but_no_pressure(tmp_path: Path) -> None:
    usage = _v1(tmp_path).usage(GROUP)
    assert usage.cpu_ns == 1234567890
    assert usage.memory == Memory(9000, 2500, 3000, 50, 5, 10000)
    assert usage.swap == Swap(1000, 4000)
    assert (usage.cpu_pressure, usage.memory_pressure, usage.io_pressure) == (None, None, None)


def test_v2_has_cpu_memory_swap_and_pressure(tmp_path: Path) -> None:
    usage = _v2(tmp_path).usage(GROUP)
    assert usage.cpu_ns == 1234567000
    assert usage.memory == Memory(9000, 2500, 3000, 50, 5, 10000)
    assert usage.swap == Swap(1000, 4000)
    assert usage.cpu_pressure == usage.memory_pressure == usage.io_pressure == PRESSURE


def test_the_working_set_leaves_out_inactive_file_pages_and_is_never_negative() -> None:
    assert Memory(9000, 2500, 0, 0, 0, 10000).working_set == 6500
    assert Memory(9000, 2500, 0, 0, 0, 10000).available == 3500
    assert Memory(1000, 2500, 0, 0, 0, None).working_set == 0
    assert Memory(1000, 2500, 0, 0, 0, None).available is None


def test_the_bytes_of_a_group_without_the_controller_are_not_known(tmp_path: Path) -> None:
    meters: list[Meter] = [_v1(tmp_path / "one"), _v2(tmp_path / "two")]
    for meter in meters:
        assert BlockIo("254:0", "Read", 4096) in (meter.block_bytes(GROUP) or [])
        assert meter.block_bytes("none") is None


def test_both_versions_have_the_same_details(tmp_path: Path) -> None:
    one = _v1(tmp_path / "one").detail(GROUP)
    two = _v2(tmp_path / "two").detail(GROUP)
    assert one.user_ns == two.user_ns == 1_000_000_000
    assert (one.periods, one.throttled_periods, one.throttled_ns) == (7, 2, 5000)
    assert (two.periods, two.throttled_periods, two.throttled_ns) == (7, 2, 5000)
    for detail in (one, two):
        assert (detail.cache, detail.mapped, detail.kernel) == (4000, 500, 800)
        assert (detail.fail_count, detail.max_usage, detail.oom_kills) == (3, 9500, 1)
        assert detail.threads == 5
        assert BlockIo("254:0", "Read", 4096) in detail.block_bytes
        assert BlockIo("254:0", "Read", 1) in detail.block_operations
    assert (one.own_faults, one.own_major_faults) == (40, 4)
    assert (one.threads_max, two.threads_max) == (None, 100)
    assert one.huge_pages == [HugePages("2MB", 2097152, 4194304)]
    assert two.huge_pages == [HugePages("2MB", 2097152, None)]


def test_the_processes_of_a_group_are_listed(tmp_path: Path) -> None:
    assert _v1(tmp_path / "one").processes(GROUP) == [11, 12]
    assert _v2(tmp_path / "two").processes(GROUP) == [11, 12]


def test_a_removed_group_is_unknown_and_not_idle(tmp_path: Path) -> None:
    for meter in (_v1(tmp_path / "one"), _v2(tmp_path / "two")):
        usage = meter.usage("kubepods/gone")
        assert not usage.known
        assert (usage.memory, usage.swap, usage.cpu_ns) == (None, None, None)
        assert meter.detail("kubepods/gone").threads is None
        assert meter.processes("kubepods/gone") == []


def test_a_missing_controller_leaves_its_values_unknown(tmp_path: Path) -> None:
    only = {name: text for name, text in V1.items() if name.startswith("cpuacct/")}
    usage = _v1(tmp_path, only).usage(GROUP)
    assert usage.known
    assert usage.memory is None


def test_without_a_pids_controller_the_threads_are_counted(tmp_path: Path) -> None:
    one = {**_without(V1, "pids/pids.current", "pids/pids.max"), "memory/tasks": "1\n2\n3\n"}
    two = {**_without(V2, "pids.current"), "cgroup.threads": "1\n2\n3\n"}
    assert _v1(tmp_path / "one", one).threads(GROUP) == 3
    assert _v2(tmp_path / "two", two).threads(GROUP) == 3


def test_without_swap_accounting_there_is_no_swap(tmp_path: Path) -> None:
    stat = "hierarchical_memory_limit 10000\ntotal_swap 0\n"
    assert _v1(tmp_path / "one", {**V1, "memory/memory.stat": stat}).usage(GROUP).swap is None
    two = _without(V2, "memory.swap.current", "memory.swap.max")
    assert _v2(tmp_path / "two", two).usage(GROUP).swap is None


def test_peak_and_kernel_memory_have_a_fallback_on_older_kernels(tmp_path: Path) -> None:
    old = {
        **_without(V2, "memory.peak"),
        "memory.stat": "anon 1\nslab 10\nkernel_stack 20\npagetables 30\npercpu 40\n",
    }
    detail = _v2(tmp_path, old).detail(GROUP)
    assert (detail.max_usage, detail.kernel) == (9000, 100)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0\n", 0), ("max\n", None), ("9223372036854771712\n", None), (None, None), ("", None)],
)
def test_no_limit_is_unknown(text: str | None, value: int | None) -> None:
    assert files.number(text) == value


def test_pressure_may_lack_its_second_line() -> None:
    told = files.pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n")
    assert told == Pressure(Stall(5000, 0.0, 0.0, 0.0), None)


def test_pressure_that_is_switched_off_is_unknown() -> None:
    assert files.pressure(None) is None
    assert files.pressure("") is None


def test_the_sum_line_of_block_io_is_left_out() -> None:
    text = "254:0 Read 1\n254:0 Write 2\n254:0 Total 3\nTotal 3\n"
    assert [(io.operation, io.amount) for io in files.block_v1(text)] == [
        ("Read", 1),
        ("Write", 2),
        ("Total", 3),
    ]


def test_a_device_without_numbers_in_io_stat_is_left_out() -> None:
    assert list(files.block_v2("254:0\n", "bytes")) == []


def test_v2_takes_the_limits_of_the_inner_group_where_they_are_less(tmp_path: Path) -> None:
    inner = {"container/memory.swap.max": "0\n", "container/memory.max": "max\n"}
    meter = _v2(tmp_path)
    (tmp_path / GROUP / "container").mkdir()
    for file, text in inner.items():
        (tmp_path / GROUP / file).write_text(text)
    usage = meter.usage(GROUP)
    assert usage.swap == Swap(1000, 0)
    assert usage.memory is not None
    assert usage.memory.limit == 10000
