"""The system calls that seccomp RuntimeDefault allows, each made in a real container."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri, pod_config

PROGRAM = Path(__file__).with_name("syscalls.py")
RUNTIME_DEFAULT: dict[str, Any] = {"profile_type": api.SecurityProfile.RuntimeDefault}
UNCONFINED: dict[str, Any] = {"profile_type": api.SecurityProfile.Unconfined}
REFUSED = frozenset({"EPERM", "ENOSYS"})  # what a filter answers

# The results in a container without further capabilities.
FOR_NOBODY = {
    **dict.fromkeys(("keyctl", "add_key", "request_key", "userfaultfd", "swapon"), "EPERM"),
    **dict.fromkeys(("io_uring_setup", "io_uring_enter", "kexec_load", "pivot_root"), "EPERM"),
    **dict.fromkeys(("socket of AF_VSOCK", "socket of AF_ALG", "32 bits: keyctl"), "EPERM"),
    "32 bits: socket of AF_VSOCK": "EPERM",
    **dict.fromkeys(
        (f"socket of {name} and more bits" for name in ("AF_VSOCK", "AF_ALG")), "ENOSYS"
    ),
    "personality of another kind": "ENOSYS",
    "a call that no kernel has": "ENOSYS",
}
ADMIN = {
    **dict.fromkeys(
        (f"clone with {what}" for what in ("a user namespace", "two namespaces")), "EPERM"
    ),
    **dict.fromkeys(("clone with a network namespace", "unshare of a user namespace"), "EPERM"),
    **dict.fromkeys(("32 bits: clone with a user namespace", "32 bits: mount"), "EPERM"),
    "32 bits: unshare of nothing": "EPERM",
    "clone3": "ENOSYS",
    **dict.fromkeys(("setns", "mount", "umount2", "open_tree", "move_mount", "fsopen"), "EPERM"),
    **dict.fromkeys(("fsconfig", "fsmount", "fspick", "mount_setattr", "quotactl"), "EPERM"),
    **dict.fromkeys(("bpf", "perf_event_open", "sethostname"), "EPERM"),
}
BY_CAPABILITY = {
    "SYS_ADMIN": tuple(ADMIN),
    "BPF": ("bpf",),
    "PERFMON": ("perf_event_open",),
    "SYSLOG": ("syslog",),
    "DAC_READ_SEARCH": ("open_by_handle_at",),
    "SYS_PTRACE": ("kcmp", "pidfd_getfd"),
    "SYS_TIME": ("clock_settime",),
    "SYS_NICE": ("set_mempolicy",),
}
EVERYBODY = (
    *("ptrace", "process_vm_readv", "personality as it is", "socket of AF_INET", "fchmodat2"),
    *("clone with flags that exclude each other", "32 bits: socket of AF_INET"),
    *("32 bits: clone with flags that exclude each other", "32 bits: socketcall for a socket"),
)


def context(**fields: Any) -> api.LinuxContainerSecurityContext:
    namespaces = api.NamespaceOption(pid=api.CONTAINER)
    return api.LinuxContainerSecurityContext(namespace_options=namespaces, **fields)


async def results(cri: Cri, handler: str, **fields: Any) -> dict[str, str]:
    """The result of each call of syscalls.py in a container, by the Python of this machine."""
    python = Path(sys.executable).resolve()
    shared = {Path(at) for at in ("/usr", "/lib", "/lib64", sys.base_prefix)}
    host = [
        api.Mount(host_path=str(p), container_path=str(p), readonly=True) for p in sorted(shared)
    ]
    host.append(api.Mount(host_path=str(PROGRAM), container_path="/syscalls.py", readonly=True))
    security = context(**fields)
    config = pod_config(cri.daemon)
    config.linux.security_context.privileged = security.privileged
    pod = await cri.run_pod(config, handler)
    linux = api.LinuxContainerConfig(security_context=security)
    container = await cri.run(pod, ["sleep", "60"], linux=linux, mounts=host)
    answer = await cri.exec(container, str(python), "/syscalls.py")
    assert answer.exit_code == 0, answer
    return dict(json.loads(answer.stdout))


async def test_each_call_that_is_refused_without_capabilities(cri: Cri, handler: str) -> None:
    found = await results(cri, handler, seccomp=RUNTIME_DEFAULT)
    others = (name for names in BY_CAPABILITY.values() for name in names)
    expected = {**dict.fromkeys(others, "EPERM"), **ADMIN, **FOR_NOBODY}
    here = {name: word for name, word in expected.items() if name in found}  # arm64 has no 386
    assert {name: found[name] for name in here} == here
    assert {name: found[name] for name in EVERYBODY if found.get(name) in REFUSED} == {}


@pytest.mark.parametrize("capability", BY_CAPABILITY)
async def test_a_capability_lets_its_own_calls_through_and_no_others(
    cri: Cri, handler: str, capability: str
) -> None:
    able: dict[str, Any] = {"add_capabilities": [capability]}
    found = await results(cri, handler, seccomp=RUNTIME_DEFAULT, capabilities=able)
    mine = BY_CAPABILITY[capability]
    assert {name: found[name] for name in mine if found.get(name) in REFUSED} == {}
    others = {name for names in BY_CAPABILITY.values() for name in names} - set(mine)
    assert {found[name] for name in others & found.keys()} <= REFUSED
    nobody = {name: word for name, word in FOR_NOBODY.items() if name in found}
    assert {name: found[name] for name in nobody} == nobody


@pytest.mark.parametrize(
    "fields", [{"privileged": True, "seccomp": RUNTIME_DEFAULT}, {"seccomp": UNCONFINED}]
)
async def test_without_a_profile_no_call_is_filtered(
    cri: Cri, handler: str, fields: dict[str, Any]
) -> None:
    found = await results(cri, handler, **fields)
    filtered = (
        "keyctl",
        "add_key",
        "request_key",
        "io_uring_setup",
        "clone3",
        "socket of AF_VSOCK",
    )
    assert {name: found[name] for name in filtered if found[name] in REFUSED} == {}


async def test_making_a_namespace_fails_with_eperm(cri: Cri, handler: str) -> None:
    pod = await cri.run_pod(handler=handler)
    linux = api.LinuxContainerConfig(security_context=context(seccomp=RUNTIME_DEFAULT))
    container = await cri.run(pod, ["sleep", "60"], linux=linux)
    for options in ("-U", "-n", "-Un", "-m", "-Ur"):
        answer = await cri.exec(container, "/bin/busybox", "unshare", options, "true")
        assert (answer.exit_code, b"Operation not permitted" in answer.stderr) == (1, True), options
