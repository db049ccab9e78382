"""Profiles on this node: the distribution's file, and files of the administrator."""

import os
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.isolation.seccomp import SeccompProfiles
from cri_shim.spec.seccomp import Wanted

DEFAULT = Wanted("seccomp")
OF_DISTRIBUTION = "/usr/share/containers/seccomp.json"


def profiles(*candidates: str) -> SeccompProfiles:
    return SeccompProfiles(candidates, architecture="amd64")


def local(path: Path | str) -> Wanted:
    return Wanted("seccomp.localhost_ref", str(path))


def test_the_distributions_profile_is_taken_for_the_default() -> None:
    ours = profiles("/nowhere/seccomp.json", OF_DISTRIBUTION)
    assert ours.problem() == ""
    found = ours.filter("at", DEFAULT, ["CAP_SYS_ADMIN"])
    assert found is not None
    assert found["defaultAction"] == "SCMP_ACT_ERRNO"
    assert found["architectures"][0] == "SCMP_ARCH_X86_64"
    allowed = {
        name
        for rule in found["syscalls"]
        for name in rule["names"]
        if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
    }
    assert {"read", "mount", "arch_prctl"} <= allowed
    assert "clock_settime" not in allowed


def test_without_a_default_profile_the_paths_tried_are_told() -> None:
    ours = profiles("/nowhere/a.json", "/nowhere/b.json")
    assert "/nowhere/a.json, /nowhere/b.json" in ours.problem()
    with pytest.raises(WrongState, match=r"^at.seccomp: no default seccomp profile"):
        ours.filter("at", DEFAULT, ())


def test_an_edited_default_profile_holds_for_the_next_container(tmp_path: Path) -> None:
    file = tmp_path / "seccomp.json"
    file.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    ours = profiles(str(file))
    assert ours.filter("at", DEFAULT, ()) == {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    file.write_text('{"defaultAction": "SCMP_ACT_LOG", "syscalls": null}')
    assert ours.filter("at", DEFAULT, ()) == {"defaultAction": "SCMP_ACT_LOG", "syscalls": []}


def test_a_profile_that_cannot_be_read_is_refused_by_field(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "bad.json").write_text("{")
    cases: dict[Path | str, str] = {
        tmp_path / "missing.json": "No such file",
        tmp_path: "not a regular file",
        fifo: "not a regular file",
        tmp_path / "bad.json": "no JSON",
        "relative.json": "not an absolute path",
    }
    for path, problem in cases.items():
        with pytest.raises(InvalidArgument, match=rf"^at.seccomp.localhost_ref: .*{problem}"):
            profiles().check("at", local(path))
