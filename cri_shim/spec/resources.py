"""CPU, memory, huge pages and cgroup v2 files: CRI's LinuxContainerResources as OCI, and updates.

0 or empty means "not set" at creation, and "unchanged" in an update. The swap limit is the sum of
memory and swap, in CRI and in OCI.
"""

from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec.host import Host
from cri_shim.spec.origins import BUILT_IN, OFF, Origins, cri, node

UNLIMITED = -1
PARTS = ("cpu", "memory", "hugepageLimits", "unified")  # keys of linux.resources that are made here
_NUMBERS = ("cpu_period", "cpu_quota", "cpu_shares", "memory_limit_in_bytes", "oom_score_adj")
_AT = ("linux", "resources")
_FIELDS = {
    "cpu": {
        "shares": "cpu_shares",
        "quota": "cpu_quota",
        "period": "cpu_period",
        "cpus": "cpuset_cpus",
        "mems": "cpuset_mems",
    },
    "memory": {"limit": "memory_limit_in_bytes", "swap": "memory_swap_limit_in_bytes"},
}
_TEXTS = ("cpuset_cpus", "cpuset_mems")


def to_oci(
    resources: api_pb2.LinuxContainerResources,
    host: Host,
    field: str = "config.linux.resources",
    origins: Origins = OFF,
) -> dict[str, Any]:
    """Return linux.resources of a new container, without values that are not limited.

    -1, unlimited, is left out too: a new cgroup is unlimited, and some versions of crun turn it
    into a wrong limit, or fail. InvalidArgument names the field below `field`.
    """
    found = _document(resources, host, field, unset=(0, "", UNLIMITED))
    if origins:
        for part, name in ((p, n) for p in found for n in _FIELDS.get(p, {})):
            origins.put(cri(f"{field}.{_FIELDS[part][name]}"), *_AT, part, name)
        origins.put(cri(f"{field}.hugepage_limits"), *_AT, "hugepageLimits")
        origins.put(cri(f"{field}.unified"), *_AT, "unified")
        if not resources.memory_swap_limit_in_bytes:  # no swap unless it is requested
            origins.put(BUILT_IN, *_AT, "memory", "swap")
    return found


def changes(
    current: api_pb2.LinuxContainerResources,
    merged: api_pb2.LinuxContainerResources,
    host: Host,
) -> dict[str, Any]:
    """Return the document for the OCI runtime's `update`: the differences from `current`, or {}.

    Values that only work together stay together: memory with swap, CPU quota with period.
    """
    before = _document(current, host, "linux", unset=(0, ""))
    after = _document(merged, host, "linux", unset=(0, ""))
    # A quota that was never set is unlimited already, and some versions of crun cannot set this
    # again.
    old_cpu = {"quota": UNLIMITED} | before.get("cpu", {})
    found = {key: value for key, value in after.items() if value != before.get(key)}
    cpu = after.get("cpu", {})
    changed = {key for key, value in cpu.items() if value != old_cpu.get(key)}
    if "period" in changed and cpu.get("quota", UNLIMITED) != UNLIMITED:
        changed.add("quota")
    if "quota" in changed:
        changed.add("period")
    found["cpu"] = {key: value for key, value in cpu.items() if key in changed}
    return {key: value for key, value in found.items() if value}


def memory(resources: api_pb2.LinuxContainerResources, host: Host, field: str) -> dict[str, Any]:
    """Return only the limits of memory and swap as a document; {} for none."""
    limits = _document(resources, host, field, unset=(0, ""))
    return {"memory": limits["memory"]} if "memory" in limits else {}


def merge(
    current: api_pb2.LinuxContainerResources, update: api_pb2.LinuxContainerResources
) -> api_pb2.LinuxContainerResources:
    """Return the values after UpdateContainerResources: 0 and empty leave a value unchanged.

    Huge pages are merged by page size, `unified` by key. If only the memory limit changes, a
    container without swap stays without swap; one with swap keeps its total, but at least the new
    limit.
    """
    merged = api_pb2.LinuxContainerResources()
    merged.CopyFrom(current)
    for name in (*_NUMBERS, *_TEXTS):
        if getattr(update, name):
            setattr(merged, name, getattr(update, name))
    merged.memory_swap_limit_in_bytes = _merged_swap(current, update)
    pages = {h.page_size: h.limit for h in (*current.hugepage_limits, *update.hugepage_limits)}
    del merged.hugepage_limits[:]
    for size, limit in pages.items():
        merged.hugepage_limits.add(page_size=size, limit=limit)
    merged.unified.update(update.unified)
    return merged


def check_minimum(
    resources: api_pb2.LinuxContainerResources, least: int, field: str = "config.linux.resources"
) -> None:
    """Refuse a limit of memory below `least` bytes, the least that a handler allows; 0 for none."""
    limit = resources.memory_limit_in_bytes
    if 0 < limit < least:
        problem = (
            f"{limit} bytes are less than the {least} that the handler's container_min_memory asks"
            " for; raise the limit"
        )
        raise InvalidArgument(f"{field}.memory_limit_in_bytes", problem)


def oom_score_adj(requested: int, host: Host, origins: Origins = OFF) -> int:
    """Return process.oomScoreAdj; not below the daemon's own if the kernel would refuse that."""
    found = requested if host.can_raise else max(requested, host.oom_score_adj)
    asked = cri("config.linux.resources.oom_score_adj")
    origins.put(asked if found == requested else node("oom score"), "process", "oomScoreAdj")
    return found


def _document(
    resources: api_pb2.LinuxContainerResources, host: Host, field: str, unset: tuple[Any, ...]
) -> dict[str, Any]:
    cpu, memory = _cpu(resources), _memory(resources, host, field)
    parts = {
        "cpu": {key: value for key, value in cpu.items() if value not in unset},
        "memory": {key: value for key, value in memory.items() if value not in unset},
        "hugepageLimits": _hugepages(resources, host, field),
        "unified": _unified(resources, host, field),
    }
    return {key: part for key, part in parts.items() if part}


def _merged_swap(
    current: api_pb2.LinuxContainerResources, update: api_pb2.LinuxContainerResources
) -> int:
    total, limit = current.memory_swap_limit_in_bytes, update.memory_limit_in_bytes
    if update.memory_swap_limit_in_bytes or not total or not limit or total == UNLIMITED:
        return update.memory_swap_limit_in_bytes or total
    if limit == UNLIMITED:
        return UNLIMITED
    return limit if total == current.memory_limit_in_bytes else max(total, limit)


def _cpu(resources: api_pb2.LinuxContainerResources) -> dict[str, Any]:
    return {
        "shares": resources.cpu_shares,
        "quota": resources.cpu_quota,
        "period": resources.cpu_period,
        "cpus": resources.cpuset_cpus,
        "mems": resources.cpuset_mems,
    }


def _memory(resources: api_pb2.LinuxContainerResources, host: Host, field: str) -> dict[str, Any]:
    limit, swap = resources.memory_limit_in_bytes, resources.memory_swap_limit_in_bytes
    if swap > 0 and (limit <= 0 or swap < limit):
        problem = (
            f"{swap} is memory and swap together: less than the memory limit ({limit or 'none'})"
        )
        raise InvalidArgument(f"{field}.memory_swap_limit_in_bytes", problem)
    swap_is_unified = not swap and "memory.swap.max" in resources.unified
    if swap_is_unified or not host.swap_accounting:
        return {"limit": limit}
    # No swap unless the request asks for it: otherwise the limit would only move memory to swap.
    return {"limit": limit, "swap": swap or limit}


def _hugepages(
    resources: api_pb2.LinuxContainerResources, host: Host, field: str
) -> list[dict[str, Any]]:
    limits = []
    for i, requested in enumerate(resources.hugepage_limits):
        if requested.page_size in host.hugepage_sizes:
            limits.append({"pageSize": requested.page_size, "limit": requested.limit})
        elif requested.limit:  # the kubelet sends a zero for every size that it knows
            known = ", ".join(sorted(host.hugepage_sizes)) or "none"
            problem = f"{requested.page_size!r} cannot be limited here (known: {known})"
            raise InvalidArgument(f"{field}.hugepage_limits[{i}].page_size", problem)
    return limits


def _unified(resources: api_pb2.LinuxContainerResources, host: Host, field: str) -> dict[str, str]:
    if resources.unified and not host.cgroup_v2:
        raise InvalidArgument(f"{field}.unified", "this host has cgroup v1; unified is for v2")
    return {key: resources.unified[key] for key in sorted(resources.unified)}
