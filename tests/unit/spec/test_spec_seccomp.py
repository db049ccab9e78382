"""The choice of a seccomp profile, and the conversion of a profile file."""

import json
from typing import Any

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.seccomp import Machine, ProfileRequest, parse, requested, to_oci

RUNTIME_DEFAULT, UNCONFINED, LOCALHOST = range(3)
AMD64 = Machine("amd64", (6, 1))
ARM64 = Machine("arm64", (4, 7))
PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrno": "ENOSYS",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": None},
    ],
    "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": ""},
        {
            "names": ["bpf"],
            "action": "SCMP_ACT_ALLOW",
            "includes": {"caps": ["CAP_BPF", "CAP_PERFMON"]},
        },
        {
            "names": ["bpf"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
            "errno": "EPERM",
            "excludes": {"caps": ["CAP_BPF"]},
        },
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
        {"names": ["cacheflush"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["old"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}},
        {
            "name": "personality",
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 4294967295, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
        },
    ],
}
READ = {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}
PERSONALITY = {
    "names": ["personality"],
    "action": "SCMP_ACT_ALLOW",
    "args": [{"index": 0, "value": 4294967295, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
}


def test_a_profile_is_converted_for_this_processor_kernel_and_no_capability() -> None:
    assert to_oci(PROFILE, AMD64, ()) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            READ,
            {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW"},
            PERSONALITY,
        ],
    }


def test_another_processor_and_an_older_kernel_have_other_rules() -> None:
    found = to_oci(PROFILE, ARM64, ())
    assert found["architectures"] == ["SCMP_ARCH_AARCH64"]
    names = [rule["names"] for rule in found["syscalls"]]
    assert names == [["read", "write"], ["bpf"], ["cacheflush"], ["old"], ["personality"]]


@pytest.mark.parametrize(
    ("capabilities", "actions"),
    [
        ((), ["SCMP_ACT_ERRNO"]),
        (("CAP_BPF",), []),
        (("CAP_BPF", "CAP_PERFMON"), ["SCMP_ACT_ALLOW"]),
    ],
)
def test_rules_need_all_included_capabilities_and_no_excluded_one(
    capabilities: tuple[str, ...], actions: list[str]
) -> None:
    rules = to_oci(PROFILE, AMD64, capabilities)["syscalls"]
    assert [rule["action"] for rule in rules if rule["names"] == ["bpf"]] == actions


def test_a_profile_in_oci_form_passes_unchanged() -> None:
    oci = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "defaultErrnoRet": 22,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}],
    }
    assert to_oci(parse(json.dumps(oci), "f"), AMD64, ()) == oci


def test_a_processor_that_the_map_does_not_know_has_its_own_calls_only() -> None:
    assert "architectures" not in to_oci(PROFILE, Machine("riscv64", (6, 1)), ())


def rule(fields: str) -> str:
    """A profile with one rule, of the call `a` unless `fields` has another."""
    return f'{{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{{"names": ["a"], {fields}}}]}}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "a JSON object is expected"),
        ("{}", "defaultAction is None"),
        ('{"defaultAction": "ALLOW"}', "defaultAction is 'ALLOW'"),
        ('{"defaultAction": "SCMP_ACT_LOG", "syscalls": {}}', "syscalls is not a list"),
        ('{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{}]}', r"syscalls\[0\] names no"),
        ('{"defaultAction": []}', "defaultAction is no text"),
        ('{"defaultAction": "SCMP_ACT_LOG", "defaultErrnoRet": "x"}', "defaultErrnoRet is not"),
        ('{"defaultAction": "SCMP_ACT_LOG", "syscalls": [[]]}', r"syscalls\[0\] is not an object"),
        ('{"defaultAction": "SCMP_ACT_LOG", "archMap": [1]}', "archMap is not a list of objects"),
        ('{"defaultAction": "SCMP_ACT_LOG", "architectures": 1}', "architectures is not a list"),
        ('{"defaultAction": "SCMP_ACT_LOG", "listenerPath": {}}', "listenerPath is not a text"),
        (
            '{"defaultAction": "SCMP_ACT_LOG", "archMap": [{"subArchitectures": [{}]}]}',
            "archMap has subArchitectures that are not",
        ),
        (rule('"action": "no"'), r"syscalls\[0\].action is 'no'"),
        (rule('"action": {}'), r"syscalls\[0\].action is no text"),
        (rule('"names": [1]'), r"syscalls\[0\].names is not a list of names"),
        (rule('"action": "SCMP_ACT_LOG", "errnoRet": []'), r"syscalls\[0\].errnoRet is not"),
        (rule('"action": "SCMP_ACT_LOG", "args": [{"a": []}]'), r"syscalls\[0\].args is not"),
        (rule('"action": "SCMP_ACT_LOG", "includes": 1'), r"syscalls\[0\].includes is not"),
        (rule('"action": "SCMP_ACT_LOG", "excludes": {"caps": 1}'), r"\[0\].excludes has caps"),
    ],
)
def test_a_malformed_profile_is_refused_with_its_field(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^the.field: .*{problem}"):
        parse(text, "the.field")


def context(**fields: Any) -> api.LinuxContainerSecurityContext:
    return api.LinuxContainerSecurityContext(**fields)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({}, None),
        ({"seccomp": {}}, ProfileRequest("seccomp")),
        ({"seccomp": {"profile_type": UNCONFINED}}, None),
        (
            {"seccomp": {"profile_type": LOCALHOST, "localhost_ref": "/p.json"}},
            ProfileRequest("seccomp.localhost_ref", "/p.json"),
        ),
        ({"seccomp": {}, "privileged": True}, None),
        ({"seccomp_profile_path": "unconfined"}, None),
        ({"seccomp_profile_path": "runtime/default"}, ProfileRequest("seccomp_profile_path")),
        ({"seccomp_profile_path": "docker/default"}, ProfileRequest("seccomp_profile_path")),
        (
            {"seccomp_profile_path": "localhost//a/b"},
            ProfileRequest("seccomp_profile_path", "/a/b"),
        ),
        ({"seccomp_profile_path": "localhost/b"}, ProfileRequest("seccomp_profile_path", "b")),
        (
            {"seccomp": {"profile_type": UNCONFINED}, "seccomp_profile_path": "runtime/default"},
            None,
        ),
    ],
)
def test_the_profile_of_a_security_context_is_read(
    fields: dict[str, Any], meant: ProfileRequest | None
) -> None:
    assert requested(context(**fields)) == meant
