"""Adjustments of limits, and the forms of limits: NRI's, OCI's and the CRI's."""

from typing import Any

from cri_shim.nri.document.facts import Facts, Refusing
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec.host import Host

# Fields of NRI's messages -> keys of the OCI document.
MEMORY = {
    "limit": "limit",
    "reservation": "reservation",
    "swap": "swap",
    "kernel": "kernel",
    "kernel_tcp": "kernelTCP",
    "swappiness": "swappiness",
    "disable_oom_killer": "disableOOMKiller",
    "use_hierarchy": "useHierarchy",
}
CPU = {
    "shares": "shares",
    "quota": "quota",
    "period": "period",
    "realtime_runtime": "realtimeRuntime",
    "realtime_period": "realtimePeriod",
}
_TEXTS = ("cpus", "mems")
_OF_THE_CRI = frozenset({"limit", "swap", "shares", "quota", "period", *_TEXTS})
_RESCTRL = "this node has no classes of caches (resctrl)"


def adjusted(
    linux: dict[str, Any], adjust: pb.LinuxContainerAdjustment, facts: Facts
) -> dict[str, Any]:
    """Return the Linux part with the limits. ToolFailed says which plugin asks for what."""
    linux = dict(linux)
    wanted = adjust.resources
    check(wanted, facts)
    found = dict(linux["resources"])
    new = to_oci(wanted)
    memory = new.get("memory", {})
    if "limit" in memory and facts.host.swap_accounting:
        memory.setdefault("swap", memory["limit"])  # as for every container without a swap limit
    for part in ("cpu", "memory", "unified", "pids"):
        if part in new:
            found[part] = {**found.get(part, {}), **new[part]}
    if pages := new.get("hugepageLimits"):
        sizes = {page["pageSize"]: page for page in [*found.get("hugepageLimits", []), *pages]}
        found["hugepageLimits"] = list(sizes.values())
    if wanted.devices:
        found["devices"] = [*found.get("devices", []), *map(_rule, wanted.devices)]
    if wanted.HasField("blockio_class"):
        found.pop("blockIO", None)
    linux["resources"] = found
    _rdt(linux, adjust, facts)
    return linux


def check(wanted: pb.LinuxResources, facts: Refusing) -> None:
    """Raise ToolFailed for limits that this node does not have."""
    host = facts.host
    if wanted.unified and not host.cgroup_v2:
        key = next(iter(wanted.unified))
        raise facts.refused("CgroupsUnified", key, "this host has cgroup v1; unified is for v2")
    for key in wanted.unified:
        if "/" in key or key.startswith(".") or "\0" in key:
            raise facts.refused("CgroupsUnified", key, "it is not the name of a file of cgroup v2")
    for limit in wanted.hugepage_limits:
        if limit.page_size not in host.hugepage_sizes:
            known = ", ".join(sorted(host.hugepage_sizes)) or "none"
            problem = f"it cannot be limited here (known: {known})"
            raise facts.refused("HugepageLimits", limit.page_size, problem)
    if wanted.blockio_class.value:
        raise facts.refused("BlockioClass", None, "classes of block devices are not supported")
    memory = wanted.memory
    if memory.HasField("limit") and memory.HasField("swap") and not _fits(memory):
        problem = f"{memory.swap.value} is memory and swap together: less than the memory limit"
        raise facts.refused("MemSwapLimit", None, problem)


def _fits(memory: pb.LinuxMemory) -> bool:
    return memory.swap.value < 0 or memory.swap.value >= memory.limit.value


def to_oci(wanted: pb.LinuxResources) -> dict[str, Any]:
    """Return the limits that are set, in OCI form, without rules of devices and classes."""
    cpu: dict[str, Any] = {
        key: getattr(wanted.cpu, name).value
        for name, key in CPU.items()
        if wanted.cpu.HasField(name)  # type: ignore[arg-type]
    }
    cpu |= {name: text for name in _TEXTS if (text := getattr(wanted.cpu, name))}
    parts: dict[str, Any] = {
        "cpu": cpu,
        "memory": {
            key: getattr(wanted.memory, name).value
            for name, key in MEMORY.items()
            if wanted.memory.HasField(name)  # type: ignore[arg-type]
        },
        "hugepageLimits": [
            {"pageSize": limit.page_size, "limit": limit.limit} for limit in wanted.hugepage_limits
        ],
        "unified": dict(wanted.unified),
        "pids": {"limit": wanted.pids.limit} if wanted.HasField("pids") else {},
    }
    return {name: part for name, part in parts.items() if part}


def to_cri(wanted: pb.LinuxResources) -> api.LinuxContainerResources:
    """Return the limits in the CRI's form, in which 0 and empty mean unset."""
    return api.LinuxContainerResources(
        cpu_shares=wanted.cpu.shares.value,
        cpu_quota=wanted.cpu.quota.value,
        cpu_period=wanted.cpu.period.value,
        cpuset_cpus=wanted.cpu.cpus,
        cpuset_mems=wanted.cpu.mems,
        memory_limit_in_bytes=wanted.memory.limit.value,
        memory_swap_limit_in_bytes=wanted.memory.swap.value,
        hugepage_limits=[
            api.HugepageLimit(page_size=limit.page_size, limit=limit.limit)
            for limit in wanted.hugepage_limits
        ],
        unified=wanted.unified,
    )


def beyond_cri(wanted: pb.LinuxResources) -> dict[str, Any]:
    """Return the limits for which the CRI has no field, in OCI form."""
    found = to_oci(wanted)
    kept = {
        part: {key: value for key, value in found.get(part, {}).items() if key not in _OF_THE_CRI}
        for part in ("cpu", "memory", "pids")
    }
    kept["pids"] = found.get("pids", {})
    return {part: values for part, values in kept.items() if values}


def from_cri(given: api.LinuxContainerResources, host: Host) -> pb.LinuxResources:
    """Return limits of the CRI as NRI's message, without those that are not set."""
    found = pb.LinuxResources()
    numbers = (
        (found.memory, "limit", given.memory_limit_in_bytes),
        (found.memory, "swap", given.memory_swap_limit_in_bytes),
        (found.cpu, "shares", given.cpu_shares),
        (found.cpu, "quota", given.cpu_quota),
        (found.cpu, "period", given.cpu_period),
    )
    for part, name, value in numbers:
        if value:
            getattr(part, name).value = value
    found.cpu.cpus, found.cpu.mems = given.cpuset_cpus, given.cpuset_mems
    for limit in given.hugepage_limits:
        if limit.page_size in host.hugepage_sizes:  # the kubelet names every size that it knows
            found.hugepage_limits.add(page_size=limit.page_size, limit=limit.limit)
    found.unified.update(given.unified)
    return found


def _rule(wanted: pb.LinuxDeviceCgroup) -> dict[str, Any]:
    rule: dict[str, Any] = {"allow": wanted.allow, "access": wanted.access or "rwm"}
    if wanted.type:
        rule["type"] = wanted.type
    for name in ("major", "minor"):
        if wanted.HasField(name):
            rule[name] = getattr(wanted, name).value
    return rule


def _rdt(linux: dict[str, Any], adjust: pb.LinuxContainerAdjustment, facts: Facts) -> None:
    wanted, named = adjust.rdt, adjust.resources
    if named.HasField("rdt_class"):
        linux.pop("intelRdt", None)
        if named.rdt_class.value:
            if not facts.resctrl:
                raise facts.refused("RdtClass", None, _RESCTRL)
            linux["intelRdt"] = {"closID": named.rdt_class.value}
    if wanted.remove:
        linux.pop("intelRdt", None)
    values: dict[str, Any] = {}
    if wanted.HasField("clos_id"):
        values["closID"] = wanted.clos_id.value
    if wanted.HasField("schemata"):
        values |= _schemata(list(wanted.schemata.value))
    if wanted.HasField("enable_monitoring"):
        values["enableMonitoring"] = wanted.enable_monitoring.value
    if values and not facts.resctrl:
        raise facts.refused("RdtClosID", None, _RESCTRL)
    if values:
        linux["intelRdt"] = {**linux.get("intelRdt", {}), **values}


def _schemata(lines: list[str]) -> dict[str, Any]:
    """Return the lines also in the keys that OCI runtimes before schema 1.3 read."""
    bandwidth = [line for line in lines if line.startswith("MB:")]
    caches = [line for line in lines if not line.startswith("MB:")]
    old = {"l3CacheSchema": "\n".join(caches), "memBwSchema": "\n".join(bandwidth)}
    return {"schemata": lines} | {key: text for key, text in old.items() if text}
