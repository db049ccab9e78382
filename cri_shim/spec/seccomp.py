"""Seccomp filters: chooses the profile of a process, and makes the OCI form of a profile.

A profile on disk is for every machine and every set of capabilities. A rule with `includes` or
`excludes` is kept or dropped by the properties of this container, and `archMap` is looked up for
this processor. A profile in OCI form has neither, and its rules stay unchanged.
"""

import errno
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cri_shim import untrusted
from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2

Filter = dict[str, Any]  # OCI linux.seccomp
_Context = api_pb2.LinuxContainerSecurityContext | api_pb2.LinuxSandboxSecurityContext

_ACTIONS = frozenset(
    f"SCMP_ACT_{name}"
    for name in (
        *("KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO"),
        *("TRACE", "ALLOW", "LOG", "NOTIFY"),
    )
)
_PASSED_ON = ("flags", "listenerPath", "listenerMetadata")
# The processor's name in image platforms and profile rules -> its name in libseccomp.
_NATIVE = {
    "amd64": "SCMP_ARCH_X86_64",
    "386": "SCMP_ARCH_X86",
    "arm64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
    "mips64le": "SCMP_ARCH_MIPSEL64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390x": "SCMP_ARCH_S390X",
    "loong64": "SCMP_ARCH_LOONGARCH64",
}


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """The profile that a request asks for: the path of a file, or the runtime's default."""

    field: str  # of the security context
    path: str = ""  # "" = the default


@dataclass(frozen=True, slots=True)
class Machine:
    """Properties of the node that rules may depend on, besides capabilities."""

    architecture: str  # as in image platforms: "amd64"
    kernel: tuple[int, int]


def requested(context: _Context) -> ProfileRequest | None:
    """Return the profile that the security context of a pod or container asks for; None: no filter.

    "privileged" wins over any profile; a context without a profile runs unconfined. `seccomp` wins
    over the deprecated `seccomp_profile_path`.
    """
    if context.privileged:
        return None
    profile = context.seccomp
    if context.HasField("seccomp"):
        if profile.profile_type == api_pb2.SecurityProfile.Localhost:
            return ProfileRequest("seccomp.localhost_ref", profile.localhost_ref)
        default = profile.profile_type == api_pb2.SecurityProfile.RuntimeDefault
        return ProfileRequest("seccomp") if default else None
    name = context.seccomp_profile_path
    if name in ("", "unconfined"):
        return None
    if name in ("runtime/default", "docker/default"):
        return ProfileRequest("seccomp_profile_path")
    return ProfileRequest("seccomp_profile_path", name.removeprefix("localhost/"))


def parse(text: bytes | str, field: str) -> Mapping[str, Any]:
    """Parse a profile file, and check everything that `to_oci` relies on.

    InvalidArgument names `field` if the text is no seccomp profile.
    """
    try:
        profile = untrusted.parse_json(text)
    except ValueError as e:
        raise InvalidArgument(field, f"the seccomp profile {e}") from e
    if wrong := problem(profile):
        raise InvalidArgument(field, f"the file is no seccomp profile: {wrong}")
    return dict(profile)


def problem(profile: Any) -> str:
    """Return what is wrong with a profile; "" if `to_oci` can read it."""
    if not isinstance(profile, dict):
        return "a JSON object is expected"
    if not _is_action(profile.get("defaultAction")):
        return f"defaultAction is {_shown(profile.get('defaultAction'))}"
    if not _is(int, profile.get("defaultErrnoRet")):
        return "defaultErrnoRet is not a number"
    if not _is(list, profile.get("syscalls")):
        return "syscalls is not a list"
    for key in ("architectures", "flags"):
        if not _are(str, profile.get(key)):
            return f"{key} is not a list of names"
    for key in ("listenerPath", "listenerMetadata"):
        if not _is(str, profile.get(key)):
            return f"{key} is not a text"
    if not _are(dict, profile.get("archMap")):
        return "archMap is not a list of objects"
    if not all(_are(str, entry.get("subArchitectures")) for entry in profile.get("archMap") or []):
        return "archMap has subArchitectures that are not a list of names"
    rules = enumerate(profile.get("syscalls") or [])
    return next((f"syscalls[{n}]{flaw}" for n, rule in rules if (flaw := _flaw(rule))), "")


def _flaw(rule: Any) -> str:
    """Return what is wrong with a rule, starting with the rest of its path; "" if it is correct."""
    if not isinstance(rule, dict):
        return " is not an object"
    if not _are(str, rule.get("names")) or not _is(str, rule.get("name")):
        return ".names is not a list of names"
    if not _names(rule):
        return " names no system call"
    if not _is_action(rule.get("action")):
        return f".action is {_shown(rule.get('action'))}"
    if not _is(int, rule.get("errnoRet")):
        return ".errnoRet is not a number"
    if not _are(dict, rule.get("args")) or not all(map(_is_flat, rule.get("args") or [])):
        return ".args is not a list of conditions"
    for key in ("includes", "excludes"):
        condition = rule.get(key) or {}
        if not isinstance(condition, dict):
            return f".{key} is not an object"
        if not (_are(str, condition.get("caps")) and _are(str, condition.get("arches"))):
            return f".{key} has caps or arches that are not a list of names"
    return ""


def _is(kind: type, value: Any) -> bool:
    return value is None or isinstance(value, kind)


def _are(kind: type, value: Any) -> bool:
    """Return whether the value is a list of `kind`; None counts as an empty list."""
    return value is None or (isinstance(value, list) and all(isinstance(v, kind) for v in value))


def _is_flat(condition: dict[str, Any]) -> bool:
    return all(isinstance(value, int | str) for value in condition.values())


def _is_action(value: Any) -> bool:
    return isinstance(value, str) and value in _ACTIONS


def _shown(value: Any) -> str:
    return untrusted.printable(repr(value), 80) if isinstance(value, str | None) else "no text"


def to_oci(profile: Mapping[str, Any], machine: Machine, capabilities: Collection[str]) -> Filter:
    """Return the OCI linux.seccomp of a parsed profile, for a process with these `capabilities`."""
    found: Filter = {"defaultAction": profile["defaultAction"]}
    number = _errno(profile, "defaultErrnoRet", "defaultErrno")
    if number is not None:
        found["defaultErrnoRet"] = number
    if architectures := _architectures(profile, machine):
        found["architectures"] = architectures
    found |= {key: profile[key] for key in _PASSED_ON if profile.get(key)}
    found["syscalls"] = [
        _rule(rule)
        for rule in profile.get("syscalls") or []
        if _applies(rule, machine, capabilities)
    ]
    return found


def _architectures(profile: Mapping[str, Any], machine: Machine) -> list[str]:
    """Return this processor's architecture and those it also runs.

    A profile without a map lists the architectures itself.
    """
    native = _NATIVE.get(machine.architecture)
    for entry in profile.get("archMap") or []:
        if entry.get("architecture") == native:
            return [native, *(entry.get("subArchitectures") or [])]
    return list(profile.get("architectures") or [])


def _applies(rule: Mapping[str, Any], machine: Machine, capabilities: Collection[str]) -> bool:
    """Return whether all conditions of `includes` and none of `excludes` hold."""
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    architectures, unwanted = includes.get("arches") or [], excludes.get("arches") or []
    if machine.architecture in unwanted:
        return False
    if architectures and machine.architecture not in architectures:
        return False
    if any(name in capabilities for name in excludes.get("caps") or []):
        return False
    if any(name not in capabilities for name in includes.get("caps") or []):
        return False
    if excludes.get("minKernel") and machine.kernel >= _kernel(excludes["minKernel"]):
        return False
    return not includes.get("minKernel") or machine.kernel >= _kernel(includes["minKernel"])


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"names": _names(rule), "action": rule["action"]}
    number = _errno(rule, "errnoRet", "errno")
    if number is not None:
        found["errnoRet"] = number
    if rule.get("args"):
        found["args"] = list(rule["args"])
    return found


def _names(rule: Mapping[str, Any]) -> list[str]:
    """Return `names`, or the `name` of old profiles."""
    return list(rule.get("names") or []) or ([rule["name"]] if rule.get("name") else [])


def _errno(of: Mapping[str, Any], number: str, name: str) -> int | None:
    """Return the error number of a refused call, by number or name; None: the runtime's EPERM."""
    if of.get(number) is not None:
        return int(of[number])
    value: int | None = getattr(errno, str(of.get(name) or "none"), None)
    return value


def _kernel(text: str) -> tuple[int, int]:
    """Parse "4.8" to (4, 8); text that is no version becomes a version above all kernels."""
    found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", str(text))
    return (int(found[1]), int(found[2])) if found else (1 << 30, 0)
