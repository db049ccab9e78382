"""Profiles on this node: our own, and files of the administrator."""

import errno
import os
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.isolation.seccomp import SeccompProfiles
from cri_shim.spec.seccomp import Filter, ProfileRequest

DEFAULT = ProfileRequest("seccomp")
OF_DISTRIBUTION = "/usr/share/containers/seccomp.json"


def profiles(*candidates: str) -> SeccompProfiles:
    return SeccompProfiles(candidates, architecture="amd64")


def local(path: Path | str) -> ProfileRequest:
    return ProfileRequest("seccomp.localhost_ref", str(path))


def allowed(found: Filter | None) -> set[str]:
    """The calls that are let through whatever their arguments."""
    assert found is not None
    return {
        name
        for rule in found["syscalls"]
        for name in rule["names"]
        if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
    }


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
async def test_the_default_is_our_own_profile(architecture: str) -> None:
    ours = SeccompProfiles((), architecture=architecture)
    assert (ours.problem(), ours.source()) == ("", "built-in")
    plain, able = [
        await ours.filter("at", DEFAULT, caps) for caps in ((), ("CAP_SYS_ADMIN", "CAP_NET_RAW"))
    ]
    assert plain is not None
    assert (plain["defaultAction"], plain["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", errno.ENOSYS)
    assert "read" in allowed(plain)
    assert {"mount", "unshare", "clone", "clone3", "keyctl", "bpf"} & allowed(plain) == set()
    assert allowed(able) - allowed(plain) >= {"mount", "unshare", "clone", "clone3", "bpf"}
    assert ("arch_prctl" in allowed(plain)) == (architecture == "amd64")


async def test_a_configured_file_replaces_our_own() -> None:
    ours = profiles("/nowhere/seccomp.json", OF_DISTRIBUTION)
    assert (ours.problem(), ours.source()) == ("", OF_DISTRIBUTION)
    found = await ours.filter("at", DEFAULT, ["CAP_SYS_ADMIN"])
    assert found is not None
    assert found["architectures"][0] == "SCMP_ARCH_X86_64"
    assert {"read", "unshare", "arch_prctl"} <= allowed(found)


async def test_if_no_configured_file_exists_the_error_has_the_paths() -> None:
    ours = profiles("/nowhere/a.json", "/nowhere/b.json")
    assert "/nowhere/a.json, /nowhere/b.json" in ours.problem()
    with pytest.raises(WrongState, match=r"^at.seccomp: the seccomp profile of this node does not"):
        await ours.filter("at", DEFAULT, ())


async def test_a_processor_without_a_profile_of_our_own_needs_a_file() -> None:
    ours = SeccompProfiles((), architecture="riscv64")
    assert ours.source() == ours.problem() != ""
    with pytest.raises(WrongState, match=r"^at.seccomp: .* for riscv64; set seccomp_profile"):
        await ours.filter("at", DEFAULT, ())


async def test_an_edited_default_profile_holds_for_the_next_container(tmp_path: Path) -> None:
    file = tmp_path / "seccomp.json"
    file.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    ours = profiles(str(file))
    assert await ours.filter("at", DEFAULT, ()) == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [],
    }
    file.write_text('{"defaultAction": "SCMP_ACT_LOG", "syscalls": null}')
    assert await ours.filter("at", DEFAULT, ()) == {"defaultAction": "SCMP_ACT_LOG", "syscalls": []}


async def test_a_profile_that_cannot_be_read_is_refused_by_field(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "bad.json").write_text("{")
    with (tmp_path / "large.json").open("wb") as large:
        large.truncate(1 << 33)
    cases: dict[Path | str, str] = {
        tmp_path / "missing.json": "No such file",
        tmp_path: "not a regular file",
        fifo: "not a regular file",
        tmp_path / "bad.json": "not JSON",
        "relative.json": "not an absolute path",
        tmp_path / "large.json": "larger than 4194304 bytes",
    }
    for path, problem in cases.items():
        with pytest.raises(InvalidArgument, match=rf"^at.seccomp.localhost_ref: .*{problem}"):
            await profiles().check("at", local(path))


async def test_a_handlers_own_file_is_its_default_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "handler.json"
    file.write_text('{"defaultAction": "SCMP_ACT_LOG"}')
    ours = profiles()
    found = await ours.filter("at", DEFAULT, (), default=str(file))
    assert found is not None and found["defaultAction"] == "SCMP_ACT_LOG"
    file.unlink()
    with pytest.raises(WrongState, match=r"handler.json: No such file .* of the runtime handler"):
        await ours.filter("at", DEFAULT, (), default=str(file))
    assert await ours.filter("at", None, (), default=str(file)) is None
