"""The message of a container as plugins get it, from the container's OCI document."""

from collections.abc import Mapping
from typing import Any

from cri_shim.nri.document.mounts import STAGES
from cri_shim.nri.document.resources import CPU, MEMORY
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec.document import Document


def describe(document: Document, into: pb.Container) -> None:
    """Fill in everything that the document of a container says."""
    process, linux = document.get("process", {}), document.get("linux", {})
    into.args.extend(map(_utf8, process.get("args") or []))
    into.env.extend(map(_utf8, process.get("env") or []))
    for mount in document.get("mounts") or []:
        into.mounts.add(
            destination=_utf8(mount["destination"]),
            type=mount.get("type", ""),
            source=_utf8(mount.get("source", "")),
            options=mount.get("options") or [],
        )
    for name, stage in STAGES.items():
        getattr(into.hooks, name).extend(map(_hook, (document.get("hooks") or {}).get(stage) or []))
    for limit in process.get("rlimits") or []:
        into.rlimits.add(type=limit["type"], hard=limit["hard"], soft=limit["soft"])
    user = process.get("user", {})
    into.user.uid, into.user.gid = user.get("uid", 0), user.get("gid", 0)
    into.user.additional_gids.extend(user.get("additionalGids") or [])
    _linux(linux, into.linux)
    if "oomScoreAdj" in process:
        into.linux.oom_score_adj.value = process["oomScoreAdj"]
    if priority := process.get("ioPriority"):
        number = pb.IOPrioClass.Value(priority["class"])
        message = pb.LinuxIOPriority(**{"class": number}, priority=priority.get("priority", 0))
        into.linux.io_priority.CopyFrom(message)
    if scheduler := process.get("scheduler"):
        into.linux.scheduler.CopyFrom(pb.LinuxScheduler(**scheduler))


def _utf8(text: str) -> str:
    """Return text that a message can contain: arguments and paths may have other bytes."""
    return text.encode(errors="replace").decode()


def _hook(hook: Mapping[str, Any]) -> pb.Hook:
    found = pb.Hook(path=hook["path"], args=hook.get("args") or [], env=hook.get("env") or [])
    if "timeout" in hook:
        found.timeout.value = hook["timeout"]
    return found


def _linux(linux: Mapping[str, Any], into: pb.LinuxContainer) -> None:
    for namespace in linux.get("namespaces") or []:
        into.namespaces.add(type=namespace["type"], path=namespace.get("path", ""))
    for device in linux.get("devices") or []:
        into.devices.append(_device(device))
    into.cgroups_path = linux.get("cgroupsPath", "")
    into.resources.CopyFrom(resources(linux.get("resources") or {}))
    into.sysctl.update(linux.get("sysctl") or {})
    for name, device in (linux.get("netDevices") or {}).items():
        into.net_devices[name].name = device.get("name", "")
    if seccomp := linux.get("seccomp"):
        into.seccomp_policy.CopyFrom(_seccomp(seccomp))
    if rdt := linux.get("intelRdt"):
        into.rdt.clos_id.value = rdt.get("closID", "")


def _device(device: Mapping[str, Any]) -> pb.LinuxDevice:
    found = pb.LinuxDevice(
        path=device["path"],
        type=device["type"],
        major=device.get("major", 0),
        minor=device.get("minor", 0),
    )
    for key, name in (("fileMode", "file_mode"), ("uid", "uid"), ("gid", "gid")):
        if device.get(key) is not None:
            getattr(found, name).value = device[key]
    return found


def resources(limits: Mapping[str, Any]) -> pb.LinuxResources:
    """Return OCI linux.resources as a message."""
    found = pb.LinuxResources()
    for part, keys in (("memory", MEMORY), ("cpu", CPU)):
        for name, key in keys.items():
            if key in limits.get(part, {}):
                getattr(getattr(found, part), name).value = limits[part][key]
    found.cpu.cpus = limits.get("cpu", {}).get("cpus", "")
    found.cpu.mems = limits.get("cpu", {}).get("mems", "")
    for page in limits.get("hugepageLimits") or []:
        found.hugepage_limits.add(page_size=page["pageSize"], limit=page["limit"])
    found.unified.update(limits.get("unified") or {})
    if "pids" in limits:
        found.pids.limit = limits["pids"].get("limit", 0)
    for rule in limits.get("devices") or []:
        message = found.devices.add(
            allow=rule["allow"], type=rule.get("type", ""), access=rule.get("access", "")
        )
        for name in ("major", "minor"):
            if rule.get(name) is not None:
                getattr(message, name).value = rule[name]
    return found


def _seccomp(policy: Mapping[str, Any]) -> pb.LinuxSeccomp:
    found = pb.LinuxSeccomp(
        default_action=policy["defaultAction"],
        architectures=policy.get("architectures") or [],
        flags=policy.get("flags") or [],
        listener_path=policy.get("listenerPath", ""),
        listener_metadata=policy.get("listenerMetadata", ""),
    )
    if policy.get("defaultErrnoRet") is not None:
        found.default_errno.value = policy["defaultErrnoRet"]
    for rule in policy.get("syscalls") or []:
        message = found.syscalls.add(names=rule["names"], action=rule["action"])
        if rule.get("errnoRet") is not None:
            message.errno_ret.value = rule["errnoRet"]
        for condition in rule.get("args") or []:
            message.args.add(
                index=condition["index"],
                value=condition["value"],
                value_two=condition.get("valueTwo", 0),
                op=condition["op"],
            )
    return found
