"""Adjustments of the Linux part of a document, except for limits of resources."""

import posixpath
import re
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.nri.document.facts import Facts
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec import seccomp

_KINDS = ("b", "c", "u", "p")
_MOST_NUMBER = (1 << 32) - 1
_NAMESPACES = frozenset({"network", "ipc", "uts", "pid", "cgroup", "time"})
_FIXED = frozenset({"user", "mount"})  # the root file system is mounted for these of the pod
_INTERFACE = re.compile(r"[^/:%\s]{1,15}")
_NODES = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", re.ASCII)


def adjusted(
    linux: dict[str, Any], adjust: pb.LinuxContainerAdjustment, facts: Facts
) -> dict[str, Any]:
    """Return the Linux part with the adjustments. ToolFailed says which plugin asks for what."""
    linux = dict(linux)
    if adjust.devices:
        _devices(linux, adjust, facts)
    if adjust.cgroups_path:
        linux["cgroupsPath"] = _cgroups_path(adjust.cgroups_path, facts)
    if adjust.namespaces:
        linux["namespaces"] = _namespaces(linux.get("namespaces") or [], adjust, facts)
    if adjust.sysctl:
        linux["sysctl"] = _sysctl(linux.get("sysctl") or {}, adjust, facts)
    if adjust.HasField("seccomp_policy"):
        linux["seccomp"] = _seccomp(adjust.seccomp_policy, facts)
    if adjust.net_devices:
        linux["netDevices"] = _net_devices(linux.get("netDevices") or {}, adjust, facts)
    if adjust.HasField("memory_policy"):
        linux["memoryPolicy"] = _memory_policy(adjust.memory_policy, facts)
    return linux


def _devices(linux: dict[str, Any], adjust: pb.LinuxContainerAdjustment, facts: Facts) -> None:
    names = {posixpath.normpath(device.path.removeprefix("-")) for device in adjust.devices}
    kept = [d for d in linux.get("devices") or [] if posixpath.normpath(d["path"]) not in names]
    rules = list(linux["resources"].get("devices") or [])
    for device in adjust.devices:
        if not device.path.startswith("-"):
            kept.append(_device(device, facts))
            rules.append(_rule(device))
    linux["devices"] = kept
    linux["resources"] = {**linux["resources"], "devices": rules}


def _device(wanted: pb.LinuxDevice, facts: Facts) -> dict[str, Any]:
    path = posixpath.normpath(wanted.path)
    if not wanted.path.startswith("/") or path.startswith("/proc/") or "\0" in path:
        raise facts.refused("Devices", wanted.path, "no device can be made there")
    if wanted.type not in _KINDS:
        raise facts.refused("Devices", wanted.path, f"its type must be one of {', '.join(_KINDS)}")
    if not all(0 <= number <= _MOST_NUMBER for number in (wanted.major, wanted.minor)):
        raise facts.refused("Devices", wanted.path, "there is no device of these numbers")
    device: dict[str, Any] = {"path": path, "type": wanted.type}
    if wanted.type != "p":
        device |= {"major": wanted.major, "minor": wanted.minor}
    if wanted.HasField("file_mode"):
        device["fileMode"] = wanted.file_mode.value & 0o7777
    for name in ("uid", "gid"):
        if wanted.HasField(name):
            device[name] = getattr(wanted, name).value
    return device


def _rule(device: pb.LinuxDevice) -> dict[str, Any]:
    kind = "c" if device.type == "u" else device.type
    access = "rwm" if kind == "b" else "rw"
    if kind == "p":
        kind, access = "c", "m"
    return {
        "allow": True, "type": kind, "major": device.major, "minor": device.minor, "access": access
    }  # fmt: skip


def _cgroups_path(wanted: str, facts: Facts) -> str:
    """Return the cgroup. It must be the container's alone: what is in it is killed at the end."""
    separator = ":" if ":" in facts.cgroups_path else "/"
    parts = wanted.split(separator)
    fits = len(parts) == 3 if separator == ":" else wanted.startswith("/")
    if not fits or {".", ".."} & set(wanted.split("/")) or "\0" in wanted:
        raise facts.refused("CgroupsPath", None, f"{wanted!r} has not the form of this node's")
    if parts[-1] != facts.id:
        raise facts.refused("CgroupsPath", None, "its last part must be the id of the container")
    return wanted


def _namespaces(
    before: list[dict[str, Any]], adjust: pb.LinuxContainerAdjustment, facts: Facts
) -> list[dict[str, Any]]:
    found = {namespace["type"]: namespace for namespace in before}
    for namespace in adjust.namespaces:
        kind = namespace.type.removeprefix("-")
        if kind in _FIXED:
            raise facts.refused("Namespace", kind, "it is part of the root file system's mount")
        if kind not in _NAMESPACES:
            raise facts.refused("Namespace", kind, "there is no such kind of namespaces")
        if namespace.path and (not namespace.path.startswith("/") or "\0" in namespace.path):
            raise facts.refused("Namespace", kind, "its path must be absolute")
        found.pop(kind, None)
        if not namespace.type.startswith("-"):
            path = {"path": namespace.path} if namespace.path else {}
            found[kind] = {"type": kind, **path}
    return list(found.values())


def _sysctl(
    before: dict[str, str], adjust: pb.LinuxContainerAdjustment, facts: Facts
) -> dict[str, str]:
    found = dict(before)
    for name in adjust.sysctl:
        if name.startswith("-"):
            found.pop(name[1:], None)
    for name, value in adjust.sysctl.items():
        if not name.startswith("-"):
            try:
                facts.check_sysctl(name, value)
            except InvalidArgument as e:
                raise facts.refused("Sysctl", name, str(e)) from e
            found[name] = value
    return found


def _seccomp(wanted: pb.LinuxSeccomp, facts: Facts) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "defaultAction": wanted.default_action,
        "architectures": list(wanted.architectures),
        "flags": list(wanted.flags),
        "listenerPath": wanted.listener_path,
        "listenerMetadata": wanted.listener_metadata,
        "syscalls": [_syscall(each) for each in wanted.syscalls],
    }
    if wanted.HasField("default_errno"):
        policy["defaultErrnoRet"] = wanted.default_errno.value
    policy = {name: value for name, value in policy.items() if value or name == "defaultAction"}
    if problem := seccomp.problem(policy):
        raise facts.refused("SeccompPolicy", None, problem)
    return policy


def _syscall(wanted: pb.LinuxSyscall) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": list(wanted.names), "action": wanted.action}
    if wanted.HasField("errno_ret"):
        rule["errnoRet"] = wanted.errno_ret.value
    if wanted.args:
        rule["args"] = [
            {"index": a.index, "value": a.value, "valueTwo": a.value_two, "op": a.op}
            for a in wanted.args
        ]
    return rule


def _net_devices(
    before: dict[str, Any], adjust: pb.LinuxContainerAdjustment, facts: Facts
) -> dict[str, Any]:
    found = {name: each for name, each in before.items() if f"-{name}" not in adjust.net_devices}
    for name, device in adjust.net_devices.items():
        if name.startswith("-"):
            continue
        for text in (name, device.name or name):
            if not _INTERFACE.fullmatch(text) or text in (".", ".."):
                raise facts.refused("LinuxNetDevices", name, f"{text!r} is no interface's name")
        found[name] = {"name": device.name} if device.name else {}
    return found


def _memory_policy(wanted: pb.LinuxMemoryPolicy, facts: Facts) -> dict[str, Any]:
    mode = pb.MpolMode.DESCRIPTOR.values_by_number.get(wanted.mode)
    flags = [pb.MpolFlag.DESCRIPTOR.values_by_number.get(flag) for flag in wanted.flags]
    if mode is None or None in flags or (wanted.nodes and not _NODES.fullmatch(wanted.nodes)):
        raise facts.refused("MemoryPolicy", None, "its mode, its nodes or a flag is not valid")
    policy = {
        "mode": mode.name,
        "nodes": wanted.nodes,
        "flags": [flag.name for flag in flags if flag is not None],
    }
    return {name: value for name, value in policy.items() if value}
