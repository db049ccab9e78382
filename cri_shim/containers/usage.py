"""The CRI's messages for the usage of a cgroup. An unknown value stays unset; it is not 0."""

from collections.abc import Callable, Iterable, Sequence

from cri_shim.isolation.cgroup_files import Pressure, Stall
from cri_shim.isolation.cgroup_stats import Memory, Swap, Usage
from cri_shim.pb import api_pb2 as api


def cpu(usage: Usage, nano_cores: int | None) -> api.CpuUsage:
    """`nano_cores`: the current rate; the kubelet computes it if it is unset."""
    return api.CpuUsage(
        timestamp=usage.at,
        usage_core_nano_seconds=wrapped(usage.cpu_ns),
        usage_nano_cores=wrapped(nano_cores),
        psi=_psi(usage.cpu_pressure),
    )


def memory(usage: Usage) -> api.MemoryUsage:
    m = usage.memory
    if m is None:
        return api.MemoryUsage(timestamp=usage.at, psi=_psi(usage.memory_pressure))
    return api.MemoryUsage(
        timestamp=usage.at,
        working_set_bytes=wrapped(m.working_set),
        available_bytes=wrapped(m.available),
        usage_bytes=wrapped(m.usage),
        rss_bytes=wrapped(m.rss),
        page_faults=wrapped(m.faults),
        major_page_faults=wrapped(m.major_faults),
        psi=_psi(usage.memory_pressure),
    )


def swap(usage: Usage) -> api.SwapUsage | None:
    if usage.swap is None:
        return None
    return api.SwapUsage(
        timestamp=usage.at,
        swap_usage_bytes=wrapped(usage.swap.usage),
        swap_available_bytes=wrapped(usage.swap.available),
    )


def io(usage: Usage) -> api.IoUsage | None:
    if usage.io_pressure is None:
        return None
    return api.IoUsage(timestamp=usage.at, psi=_psi(usage.io_pressure))


def wrapped(value: int | None) -> api.UInt64Value | None:
    return None if value is None else api.UInt64Value(value=value)


def total(usages: Sequence[Usage], at: int) -> Usage:
    """Return the sum of several cgroups. A sum has no limits and no pressure."""
    return Usage(
        at=at,
        cpu_ns=_sum(usage.cpu_ns for usage in usages),
        memory=_total_memory([usage.memory for usage in usages if usage.memory is not None]),
        swap=_total_swap([usage.swap for usage in usages if usage.swap is not None]),
    )


def _total_memory(all: Sequence[Memory]) -> Memory | None:
    def of(value: Callable[[Memory], int]) -> int:
        return sum(map(value, all))

    if not all:
        return None
    return Memory(
        usage=of(lambda m: m.usage),
        inactive_file=of(lambda m: min(m.usage, m.inactive_file)),
        rss=of(lambda m: m.rss),
        faults=of(lambda m: m.faults),
        major_faults=of(lambda m: m.major_faults),
        limit=None,
    )


def _total_swap(all: Sequence[Swap]) -> Swap | None:
    return Swap(sum(swap.usage for swap in all), None) if all else None


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _psi(pressure: Pressure | None) -> api.PsiStats | None:
    if pressure is None:
        return None
    return api.PsiStats(Some=_psi_data(pressure.some), Full=_psi_data(pressure.full))


def _psi_data(stall: Stall | None) -> api.PsiData | None:
    if stall is None:
        return None
    return api.PsiData(
        Total=stall.total_ns, Avg10=stall.avg10, Avg60=stall.avg60, Avg300=stall.avg300
    )
