"""Collects limits of resources that several plugins set, field by field."""

from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb

# The fields of a message -> their names in the ownership.
_MEMORY = {
    "limit": "MemLimit",
    "reservation": "MemReservation",
    "swap": "MemSwapLimit",
    "kernel": "MemKernelLimit",
    "kernel_tcp": "MemTCPLimit",
    "swappiness": "MemSwappiness",
    "disable_oom_killer": "MemDisableOomKiller",
    "use_hierarchy": "MemUseHierarchy",
}
_CPU = {
    "shares": "CPUShares",
    "quota": "CPUQuota",
    "period": "CPUPeriod",
    "realtime_runtime": "CPURealtimeRuntime",
    "realtime_period": "CPURealtimePeriod",
}
_CPU_TEXTS = {"cpus": "CPUSetCPUs", "mems": "CPUSetMems"}
_WHOLE = {"blockio_class": "BlockioClass", "rdt_class": "RdtClass", "pids": "PidsLimit"}


def collect(
    owners: Owners,
    id: str,
    plugin: str,
    wanted: pb.LinuxResources,
    *targets: pb.LinuxResources,
) -> None:
    """Claim every limit that is set in `wanted`, and set it in each target.

    ToolFailed if another plugin has set one; the targets are half changed then.
    """
    for part, fields in (("memory", _MEMORY), ("cpu", _CPU)):
        message = getattr(wanted, part)
        for name, field in fields.items():
            if message.HasField(name):
                owners.claim(id, field, plugin)
                for target in targets:
                    getattr(getattr(target, part), name).CopyFrom(getattr(message, name))
    for name, field in _CPU_TEXTS.items():
        if text := getattr(wanted.cpu, name):
            owners.claim(id, field, plugin)
            for target in targets:
                setattr(target.cpu, name, text)
    for name, field in _WHOLE.items():
        if wanted.HasField(name):  # type: ignore[arg-type]
            owners.claim(id, field, plugin)
            for target in targets:
                getattr(target, name).CopyFrom(getattr(wanted, name))
    for limit in wanted.hugepage_limits:
        owners.claim(id, "HugepageLimits", plugin, limit.page_size)
        for target in targets:
            _set_pages(target, limit)
    for key, value in wanted.unified.items():
        owners.claim(id, "CgroupsUnified", plugin, key)
        for target in targets:
            target.unified[key] = value


def _set_pages(target: pb.LinuxResources, limit: pb.HugepageLimit) -> None:
    for known in target.hugepage_limits:
        if known.page_size == limit.page_size:
            known.limit = limit.limit
            return
    target.hugepage_limits.append(limit)
