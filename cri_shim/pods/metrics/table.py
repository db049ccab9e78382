"""All reported metrics, with cAdvisor's names, so that existing dashboards work."""

from dataclasses import dataclass

from cri_shim.pb import api_pb2 as api

# The first labels of every metric, in this order: cgroup, id, image, and the kubelet's names.
BASE_LABELS = ("id", "name", "image", "container", "pod", "namespace")

_COUNTER, _GAUGE = api.COUNTER, api.GAUGE
_DEVICE = ("device",)
_BLOCK = ("device", "major", "minor", "operation")
_FAILURE = ("failure_type", "scope")
_INTERFACE = ("interface",)


@dataclass(frozen=True, slots=True)
class Sort:
    """The properties of a metric that all its samples share."""

    name: str
    kind: api.MetricType.ValueType
    help: str
    labels: tuple[str, ...] = ()  # after the base labels


_ALL = (
    Sort("blkio_device_usage_total", _COUNTER, "Bytes to and from a device", _BLOCK),
    Sort("cpu_cfs_periods_total", _COUNTER, "Enforcement periods that have passed"),
    Sort("cpu_cfs_throttled_periods_total", _COUNTER, "Periods in which it was throttled"),
    Sort("cpu_cfs_throttled_seconds_total", _COUNTER, "Seconds it was throttled"),
    Sort("cpu_system_seconds_total", _COUNTER, "CPU seconds in the kernel"),
    Sort("cpu_usage_seconds_total", _COUNTER, "CPU seconds", ("cpu",)),
    Sort("cpu_user_seconds_total", _COUNTER, "CPU seconds in user space"),
    Sort("file_descriptors", _GAUGE, "Open file descriptors"),
    Sort("fs_inodes_free", _GAUGE, "Free inodes of the file system it writes to", _DEVICE),
    Sort("fs_inodes_total", _GAUGE, "Inodes of the file system it writes to", _DEVICE),
    Sort("fs_limit_bytes", _GAUGE, "Size of the file system it writes to", _DEVICE),
    Sort("fs_usage_bytes", _GAUGE, "Bytes it has written to its own layer", _DEVICE),
    Sort("fs_reads_bytes_total", _COUNTER, "Bytes read from a device", _DEVICE),
    Sort("fs_reads_total", _COUNTER, "Reads from a device", _DEVICE),
    Sort("fs_writes_bytes_total", _COUNTER, "Bytes written to a device", _DEVICE),
    Sort("fs_writes_total", _COUNTER, "Writes to a device", _DEVICE),
    Sort("hugetlb_usage_bytes", _GAUGE, "Bytes in huge pages", ("pagesize",)),
    Sort("hugetlb_max_usage_bytes", _GAUGE, "The most bytes in huge pages", ("pagesize",)),
    Sort("last_seen", _GAUGE, "When this was read, in seconds since the epoch"),
    Sort("memory_cache", _GAUGE, "Bytes of the page cache"),
    Sort("memory_failcnt", _COUNTER, "How often the memory limit was hit"),
    Sort("memory_failures_total", _COUNTER, "Page faults", _FAILURE),
    Sort("memory_kernel_usage", _GAUGE, "Bytes of kernel memory"),
    Sort("memory_mapped_file", _GAUGE, "Bytes of mapped files"),
    Sort("memory_max_usage_bytes", _GAUGE, "The most memory it has used"),
    Sort("memory_rss", _GAUGE, "Bytes of anonymous memory"),
    Sort("memory_swap", _GAUGE, "Bytes of swap"),
    Sort("memory_usage_bytes", _GAUGE, "Memory in use, the page cache included"),
    Sort("memory_working_set_bytes", _GAUGE, "Memory in use without inactive file pages"),
    Sort("network_receive_bytes_total", _COUNTER, "Bytes received", _INTERFACE),
    Sort("network_receive_errors_total", _COUNTER, "Errors on receiving", _INTERFACE),
    Sort("network_receive_packets_total", _COUNTER, "Packets received", _INTERFACE),
    Sort("network_receive_packets_dropped_total", _COUNTER, "Received and dropped", _INTERFACE),
    Sort("network_transmit_bytes_total", _COUNTER, "Bytes sent", _INTERFACE),
    Sort("network_transmit_errors_total", _COUNTER, "Errors on sending", _INTERFACE),
    Sort("network_transmit_packets_total", _COUNTER, "Packets sent", _INTERFACE),
    Sort("network_transmit_packets_dropped_total", _COUNTER, "Dropped on sending", _INTERFACE),
    Sort("oom_events_total", _COUNTER, "Processes killed for lack of memory"),
    Sort("pressure_cpu_waiting_seconds_total", _COUNTER, "Seconds some task waited for a CPU"),
    Sort("pressure_cpu_stalled_seconds_total", _COUNTER, "Seconds all tasks waited for a CPU"),
    Sort("pressure_memory_waiting_seconds_total", _COUNTER, "Seconds some waited for memory"),
    Sort("pressure_memory_stalled_seconds_total", _COUNTER, "Seconds all waited for memory"),
    Sort("pressure_io_waiting_seconds_total", _COUNTER, "Seconds some task waited for I/O"),
    Sort("pressure_io_stalled_seconds_total", _COUNTER, "Seconds all tasks waited for I/O"),
    Sort("processes", _GAUGE, "Processes"),
    Sort("sockets", _GAUGE, "Open sockets"),
    Sort("spec_cpu_period", _GAUGE, "CPU period, in microseconds"),
    Sort("spec_cpu_quota", _GAUGE, "CPU time in a period, in microseconds, if it is limited"),
    Sort("spec_cpu_shares", _GAUGE, "CPU shares"),
    Sort("spec_memory_limit_bytes", _GAUGE, "Memory limit; 0: none"),
    Sort("spec_memory_reservation_limit_bytes", _GAUGE, "Memory that is protected; 0: none"),
    Sort("spec_memory_swap_limit_bytes", _GAUGE, "Limit of memory and swap together; 0: none"),
    Sort("start_time_seconds", _GAUGE, "When it was started, in seconds since the epoch"),
    Sort("threads", _GAUGE, "Threads"),
    Sort("threads_max", _GAUGE, "Limit of threads; 0: none"),
    Sort("ulimits_soft", _GAUGE, "A soft limit of its first process", ("ulimit",)),
)
PREFIX = "container_"
SORTS = {sort.name: sort for sort in _ALL}


def descriptors() -> list[api.MetricDescriptor]:
    """Return the answer of ListMetricDescriptors."""
    return [
        api.MetricDescriptor(
            name=PREFIX + sort.name, help=sort.help, label_keys=BASE_LABELS + sort.labels
        )
        for sort in _ALL
    ]
