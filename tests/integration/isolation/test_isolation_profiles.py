"""AppArmor and SELinux as found on a node; their kernel files are stood in for by plain ones."""

from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.isolation.apparmor import AppArmor
from cri_shim.isolation.selinux import SELinux
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.apparmor import DEFAULT, UNCONFINED, ProfileRequest
from cri_shim.spec.selinux import level

NOTHING_SAID = ProfileRequest()
ASKED = ProfileRequest("apparmor")
LOCAL = ProfileRequest("apparmor.localhost_ref", "mine")
LOADS = """#!/bin/sh
for source; do :; done
sed -n 's/^profile \\([^ ]*\\) .*/\\1 (enforce)/p' "$source" >> "$PROFILES"
"""
FAILS = "#!/bin/sh\necho no such kernel >&2; exit 1\n"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A directory with the kernel's files: AppArmor is on, and one profile is loaded."""
    (tmp_path / "enabled").write_text("Y\n")
    (tmp_path / "profiles").write_text("mine (enforce)\n")
    return tmp_path


def with_parser(node: Path, script: str) -> AppArmor:
    parser = node / "bin" / "apparmor_parser"
    parser.parent.mkdir(exist_ok=True)
    parser.write_text(script)
    parser.chmod(0o755)
    return apparmor(node)


def apparmor(node: Path) -> AppArmor:
    env = {"PATH": f"{node}/bin:/usr/bin:/bin", "PROFILES": str(node / "profiles")}
    return AppArmor(node / "source", env=env, switch=node / "enabled", profiles=node / "profiles")


async def test_the_default_profile_is_loaded_once_when_it_is_needed(node: Path) -> None:
    ours = with_parser(node, LOADS)
    for request in (NOTHING_SAID, ASKED, ASKED):
        assert await ours.profile("at", request) == DEFAULT
    assert (node / "profiles").read_text().count(DEFAULT) == 1


async def test_a_failed_load_of_the_default_profile_is_an_error_only_if_requested(
    node: Path,
) -> None:
    ours = with_parser(node, FAILS)
    assert await ours.profile("at", NOTHING_SAID) == ""
    with pytest.raises(WrongState, match=r"^at\.apparmor: .*no such kernel"):
        await ours.profile("at", ASKED)
    (node / "bin" / "apparmor_parser").unlink()
    with pytest.raises(WrongState, match="apparmor_parser is not installed"):
        await ours.profile("at", ASKED)


async def test_a_profile_by_name_must_be_loaded(node: Path) -> None:
    ours = apparmor(node)
    assert await ours.profile("at", LOCAL) == "mine"
    assert await ours.profile("at", ProfileRequest("apparmor", UNCONFINED)) == UNCONFINED
    assert await ours.profile("at", None) == ""
    with pytest.raises(InvalidArgument, match=r"^at\.apparmor_profile: profile 'other' is not"):
        await ours.profile("at", ProfileRequest("apparmor_profile", "other"))


async def test_without_apparmor_a_requested_profile_is_refused(node: Path) -> None:
    (node / "enabled").write_text("N\n")
    ours = apparmor(node)
    for quiet in (None, NOTHING_SAID, ProfileRequest("apparmor", UNCONFINED)):
        assert await ours.profile("at", quiet) == ""
    for request in (ASKED, LOCAL):
        with pytest.raises(InvalidArgument, match=r"^at\.apparmor.*AppArmor is not enabled"):
            await ours.profile("at", request)


def test_selinux_options_are_ignored_where_it_is_off(tmp_path: Path) -> None:
    off = SELinux(tmp_path)
    asked = api.SELinuxOption(level="no such level")
    assert off.labels("at", asked, "a" * 64, privileged=False) == ("", "")


def test_labels_are_checked_by_the_policy_where_selinux_is_on(tmp_path: Path) -> None:
    (tmp_path / "enforce").write_text("1")
    (tmp_path / "context").touch()
    process, mount = SELinux(tmp_path).labels(
        "at", api.SELinuxOption(type="spc_t"), "a" * 64, privileged=False
    )
    assert process.endswith(f":spc_t:{level('a' * 64)}")
    assert (tmp_path / "context").read_bytes() == mount.encode() + b"\0"


def test_a_label_that_the_policy_refuses_names_the_field(tmp_path: Path) -> None:
    (tmp_path / "enforce").write_text("1")
    (tmp_path / "context").mkdir()
    with pytest.raises(InvalidArgument, match=r"^at\.selinux_options: the policy .* no label"):
        SELinux(tmp_path).labels("at", api.SELinuxOption(), "a" * 64, privileged=False)


async def test_an_unprivileged_user_has_no_profile_and_may_request_none(node: Path) -> None:
    env = {"PATH": f"{node}/bin:/usr/bin:/bin"}
    users = AppArmor(node / "source", env=env, unprivileged_user=True, switch=node / "enabled")
    assert not users.enabled()
    assert await users.profile("at", NOTHING_SAID) == ""
    with pytest.raises(
        InvalidArgument, match="AppArmor is not for unprivileged users on this node"
    ):
        await users.profile("at", ASKED)
