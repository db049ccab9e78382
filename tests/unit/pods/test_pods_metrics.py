"""The metrics' table is whole, and every sample fits its row."""

from collections.abc import Sequence

import pytest

from cri_shim.isolation.cgroup_files import BlockIo, Pressure, Stall
from cri_shim.isolation.cgroup_stats import Detail, HugePages, Memory, Swap, Usage
from cri_shim.linux.netdev import Interface
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.metrics import samples, table
from cri_shim.pods.metrics.facts import Facts, FileSystem

# The metrics of cAdvisor that dashboards use, without the prefix "container_".
NAMES = """
blkio_device_usage_total
cpu_cfs_periods_total cpu_cfs_throttled_periods_total cpu_cfs_throttled_seconds_total
cpu_system_seconds_total cpu_usage_seconds_total cpu_user_seconds_total
file_descriptors
fs_inodes_free fs_inodes_total fs_limit_bytes fs_usage_bytes
fs_reads_bytes_total fs_reads_total fs_writes_bytes_total fs_writes_total
hugetlb_max_usage_bytes hugetlb_usage_bytes
last_seen
memory_cache memory_failcnt memory_failures_total memory_kernel_usage memory_mapped_file
memory_max_usage_bytes memory_rss memory_swap memory_usage_bytes memory_working_set_bytes
network_receive_bytes_total network_receive_errors_total
network_receive_packets_dropped_total network_receive_packets_total
network_transmit_bytes_total network_transmit_errors_total
network_transmit_packets_dropped_total network_transmit_packets_total
oom_events_total
pressure_cpu_stalled_seconds_total pressure_cpu_waiting_seconds_total
pressure_io_stalled_seconds_total pressure_io_waiting_seconds_total
pressure_memory_stalled_seconds_total pressure_memory_waiting_seconds_total
processes sockets
spec_cpu_period spec_cpu_quota spec_cpu_shares
spec_memory_limit_bytes spec_memory_reservation_limit_bytes spec_memory_swap_limit_bytes
start_time_seconds threads threads_max ulimits_soft
""".split()  # noqa: SIM905

_STALL = Stall(3_500_000_000, 0.0, 0.0, 0.0)
_PRESSURE = Pressure(_STALL, _STALL)
FACTS = Facts(
    usage=Usage(
        at=1_700_000_000_500_000_000,
        cpu_ns=7_900_000_000,
        memory=Memory(9000, 2500, 3000, 50, 5, 10000),
        swap=Swap(1000, None),
        cpu_pressure=_PRESSURE,
        memory_pressure=_PRESSURE,
        io_pressure=_PRESSURE,
    ),
    detail=Detail(
        user_ns=5_000_000_000,
        system_ns=2_000_000_000,
        periods=7,
        throttled_periods=2,
        throttled_ns=1_999_999_999,
        cache=4000,
        mapped=500,
        kernel=800,
        fail_count=3,
        max_usage=9500,
        own_faults=40,
        own_major_faults=4,
        oom_kills=1,
        threads=5,
        threads_max=None,
        block_bytes=[BlockIo("8:0", "Read", 4096), BlockIo("8:0", "Write", 1)],
        block_operations=[BlockIo("8:0", "Read", 2), BlockIo("8:0", "Write", 1)],
        huge_pages=[HugePages("2MB", 2 << 20, 4 << 20)],
    ),
    processes=2,
    open_files=9,
    sockets=1,
    open_files_limit=1024,
    devices={"8:0": "/dev/sda"},
)
FS = FileSystem("/dev/sda", 1 << 30, 1000, 900)
LIMITS = api.LinuxContainerResources(
    cpu_period=50_000, cpu_quota=20_000, memory_limit_in_bytes=1 << 20
)
CONTAINER = state.ContainerRecord(id="c", started_at=1_600_000_000_000_000_000, resources=LIMITS)
BASE = ("/pod/c", "c", "image", "main", "web", "default")


def _metrics() -> list[api.Metric]:
    own = samples.of_container(CONTAINER, FACTS, 8192, FS)
    network = samples.of_network([Interface("eth0", 1, 2, 3, 4, 5, 6, 7, 8)])
    return [*samples.messages(own, BASE, 5), *samples.messages(network, BASE, 5)]


def _value(name: str, labels: Sequence[str] = ()) -> int:
    (found,) = (
        metric.value.value
        for metric in _metrics()
        if metric.name == f"container_{name}" and list(metric.label_values[6:]) == list(labels)
    )
    return int(found)


def test_every_name_of_cadvisor_has_a_descriptor() -> None:
    described = sorted(descriptor.name for descriptor in table.descriptors())
    assert described == sorted(f"container_{name}" for name in NAMES)


def test_every_descriptor_has_a_help_text_and_labels() -> None:
    assert all(descriptor.help for descriptor in table.descriptors())
    labels = [list(descriptor.label_keys) for descriptor in table.descriptors()]
    assert all(len(set(keys)) == len(keys) >= 6 for keys in labels)


def test_every_descriptor_has_a_sample_if_everything_is_known() -> None:
    described = {descriptor.name for descriptor in table.descriptors()}
    assert {metric.name for metric in _metrics()} == described


def test_every_sample_has_a_value_for_each_label_and_the_sort_of_its_row() -> None:
    keys = {d.name: len(d.label_keys) for d in table.descriptors()}
    assert all(len(metric.label_values) == keys[metric.name] for metric in _metrics())
    total = [m for m in _metrics() if m.name.endswith("_total")]
    gauges = {metric.name for metric in total if metric.metric_type != api.COUNTER}
    assert gauges == {"container_fs_inodes_total"}


def test_no_two_samples_are_of_the_same_series() -> None:
    series = [(metric.name, tuple(metric.label_values)) for metric in _metrics()]
    assert len(set(series)) == len(series)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("cpu_usage_seconds_total", ["total"], 7),
        ("cpu_cfs_throttled_seconds_total", [], 1),
        ("memory_working_set_bytes", [], 6500),
        ("memory_failures_total", ["pgfault", "container"], 40),
        ("memory_failures_total", ["pgmajfault", "hierarchy"], 5),
        ("fs_usage_bytes", ["/dev/sda"], 8192),
        ("fs_reads_bytes_total", ["/dev/sda"], 4096),
        ("fs_writes_total", ["/dev/sda"], 1),
        ("blkio_device_usage_total", ["/dev/sda", "8", "0", "Read"], 4096),
        ("network_transmit_packets_dropped_total", ["eth0"], 8),
        ("hugetlb_max_usage_bytes", ["2MB"], 4 << 20),
        ("pressure_io_waiting_seconds_total", [], 3),
        ("spec_cpu_period", [], 50_000),
        ("spec_cpu_shares", [], 1024),
        ("spec_memory_limit_bytes", [], 1 << 20),
        ("threads_max", [], 0),
        ("last_seen", [], 1_700_000_000),
        ("start_time_seconds", [], 1_600_000_000),
        ("ulimits_soft", ["max_open_files"], 1024),
    ],
)
def test_values_are_in_the_units_of_their_names(name: str, labels: list[str], value: int) -> None:
    assert _value(name, labels) == value


def test_an_unknown_value_has_no_sample() -> None:
    own = samples.of_container(CONTAINER, FACTS, None, FS)
    names = {metric.name for metric in samples.messages(own, BASE, 5)}
    assert "container_fs_usage_bytes" not in names
