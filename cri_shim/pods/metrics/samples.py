"""Computes the values of all metrics from the facts. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from cri_shim.isolation.cgroup_files import BlockIo, Pressure
from cri_shim.isolation.cgroup_stats import Detail
from cri_shim.linux.netdev import Interface
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods.metrics.facts import Facts, FileSystem
from cri_shim.pods.metrics.table import PREFIX, SORTS

Sample: TypeAlias = tuple[str, int | None, tuple[str, ...]]  # name, value, labels of this metric

_NS = 1_000_000_000
_DEFAULT_CPU_PERIOD_US = 100_000  # the kernel's default
_DEFAULT_CPU_SHARES = 1024


def messages(
    samples: Iterator[Sample], base: tuple[str, ...], timestamp: int
) -> Iterator[api.Metric]:
    """Yield CRI messages of the known samples; `base` are the values of the base labels."""
    for name, value, labels in samples:
        if value is not None:
            yield api.Metric(
                name=PREFIX + name,
                timestamp=timestamp,
                metric_type=SORTS[name].kind,
                label_values=base + labels,
                value=api.UInt64Value(value=value),
            )


def of_container(
    container: state.ContainerRecord, facts: Facts, written: int | None, fs: FileSystem
) -> Iterator[Sample]:
    """`written`: bytes in its writable layer, if they have been measured."""
    yield from _cpu(facts)
    yield from _memory(facts)
    yield from _file_system(written, fs)
    yield from _block(facts)
    yield from _processes(facts)
    yield from _spec(container.resources)
    yield from _pressures(facts)
    for pages in facts.detail.huge_pages:
        yield "hugetlb_usage_bytes", pages.usage, (pages.size,)
        yield "hugetlb_max_usage_bytes", pages.max_usage, (pages.size,)
    yield "last_seen", facts.usage.at // _NS, ()
    yield "start_time_seconds", container.started_at // _NS, ()
    yield "oom_events_total", facts.detail.oom_kills, ()


def of_network(interfaces: Sequence[Interface]) -> Iterator[Sample]:
    for one in interfaces:
        label = (one.name,)
        yield "network_receive_bytes_total", one.rx_bytes, label
        yield "network_receive_errors_total", one.rx_errors, label
        yield "network_receive_packets_total", one.rx_packets, label
        yield "network_receive_packets_dropped_total", one.rx_dropped, label
        yield "network_transmit_bytes_total", one.tx_bytes, label
        yield "network_transmit_errors_total", one.tx_errors, label
        yield "network_transmit_packets_total", one.tx_packets, label
        yield "network_transmit_packets_dropped_total", one.tx_dropped, label


def _cpu(facts: Facts) -> Iterator[Sample]:
    detail = facts.detail
    yield "cpu_usage_seconds_total", _seconds(facts.usage.cpu_ns), ("total",)
    yield "cpu_user_seconds_total", _seconds(detail.user_ns), ()
    yield "cpu_system_seconds_total", _seconds(detail.system_ns), ()
    yield "cpu_cfs_periods_total", detail.periods, ()
    yield "cpu_cfs_throttled_periods_total", detail.throttled_periods, ()
    yield "cpu_cfs_throttled_seconds_total", _seconds(detail.throttled_ns), ()


def _memory(facts: Facts) -> Iterator[Sample]:
    detail, memory, swap = facts.detail, facts.usage.memory, facts.usage.swap
    yield "memory_cache", detail.cache, ()
    yield "memory_failcnt", detail.fail_count, ()
    yield "memory_kernel_usage", detail.kernel, ()
    yield "memory_mapped_file", detail.mapped, ()
    yield "memory_max_usage_bytes", detail.max_usage, ()
    yield "memory_swap", None if swap is None else swap.usage, ()
    if memory is not None:
        yield "memory_rss", memory.rss, ()
        yield "memory_usage_bytes", memory.usage, ()
        yield "memory_working_set_bytes", memory.working_set, ()
        yield "memory_failures_total", memory.faults, ("pgfault", "hierarchy")
        yield "memory_failures_total", memory.major_faults, ("pgmajfault", "hierarchy")
    yield "memory_failures_total", detail.own_faults, ("pgfault", "container")
    yield "memory_failures_total", detail.own_major_faults, ("pgmajfault", "container")


def _file_system(written: int | None, fs: FileSystem) -> Iterator[Sample]:
    label = (fs.device,)
    yield "fs_usage_bytes", written, label
    yield "fs_limit_bytes", fs.size, label
    yield "fs_inodes_total", fs.inodes, label
    yield "fs_inodes_free", fs.inodes_free, label


def _block(facts: Facts) -> Iterator[Sample]:
    detail: Detail = facts.detail
    for io in detail.block_bytes:
        major, _, minor = io.device.partition(":")
        label = (facts.devices[io.device], major, minor, io.operation)
        yield "blkio_device_usage_total", io.amount, label
    for name, operation, amounts in (
        ("fs_reads_bytes_total", "Read", detail.block_bytes),
        ("fs_writes_bytes_total", "Write", detail.block_bytes),
        ("fs_reads_total", "Read", detail.block_operations),
        ("fs_writes_total", "Write", detail.block_operations),
    ):
        for device, amount in _by_device(amounts, operation).items():
            yield name, amount, (facts.devices[device],)


def _by_device(amounts: Sequence[BlockIo], operation: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for io in amounts:
        if io.operation == operation:
            found[io.device] += io.amount
    return found


def _processes(facts: Facts) -> Iterator[Sample]:
    yield "processes", facts.processes, ()
    yield "file_descriptors", facts.open_files, ()
    yield "sockets", facts.sockets, ()
    yield "threads", facts.detail.threads, ()
    yield "threads_max", facts.detail.threads_max or 0, ()
    yield "ulimits_soft", facts.open_files_limit, ("max_open_files",)


def _spec(limits: api.LinuxContainerResources) -> Iterator[Sample]:
    protected = limits.unified.get("memory.low", "")
    yield "spec_cpu_period", limits.cpu_period or _DEFAULT_CPU_PERIOD_US, ()
    yield "spec_cpu_quota", limits.cpu_quota if limits.cpu_quota > 0 else None, ()
    yield "spec_cpu_shares", limits.cpu_shares or _DEFAULT_CPU_SHARES, ()
    yield "spec_memory_limit_bytes", max(0, limits.memory_limit_in_bytes), ()
    yield "spec_memory_swap_limit_bytes", max(0, limits.memory_swap_limit_in_bytes), ()
    yield (
        "spec_memory_reservation_limit_bytes",
        int(protected) if protected.isdecimal() else 0,
        (),
    )


def _pressures(facts: Facts) -> Iterator[Sample]:
    usage = facts.usage
    yield from _pressure("cpu", usage.cpu_pressure)
    yield from _pressure("memory", usage.memory_pressure)
    yield from _pressure("io", usage.io_pressure)


def _pressure(of: str, pressure: Pressure | None) -> Iterator[Sample]:
    if pressure is None:
        return
    for word, stall in (("waiting", pressure.some), ("stalled", pressure.full)):
        total = None if stall is None else stall.total_ns
        yield f"pressure_{of}_{word}_seconds_total", _seconds(total), ()


def _seconds(ns: int | None) -> int | None:
    return None if ns is None else ns // _NS
