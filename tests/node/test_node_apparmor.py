"""AppArmor profiles that the kernel enforces: our default one, those of the node, and none."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec.apparmor import DEFAULT
from tests.fixtures.cri import Cri, container_config

KERNEL = Path("/sys/kernel/security/apparmor")
OURS = "cri-shim-test-profile"
PROFILE = f"profile {OURS} {{\n file,\n signal,\n capability,\n deny /etc/forbidden w,\n}}\n"
MOUNT = ["sh", "-c", "mkdir -p /tmp/m && mount -t tmpfs none /tmp/m"]


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[str]:
    source = tmp_path / OURS
    source.write_text(PROFILE)
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", source], check=True)
    yield OURS
    (KERNEL / ".remove").write_text(OURS)


async def started(cri: Cri, handler: str, profile: api.SecurityProfile | None) -> str:
    pod = await cri.run_pod(handler=handler)
    config = container_config(["sleep", "600"])
    context = config.linux.security_context
    context.capabilities.add_capabilities.append("SYS_ADMIN")
    if profile is not None:
        context.apparmor.CopyFrom(profile)
    container = await cri.create(pod, config)
    await cri.start(container)
    return container


async def confined_by(cri: Cri, container: str) -> list[str]:
    """The profiles of the container's first process, and of a command in it."""
    words = await cri.sh(container, "cat /proc/1/attr/current /proc/self/attr/current")
    return words.split("\n")[:2]


def local(name: str) -> api.SecurityProfile:
    kind = api.SecurityProfile.Localhost
    return api.SecurityProfile(profile_type=kind, localhost_ref=name)


async def test_our_default_profile_is_loaded_where_there_is_none_and_enforced(
    cri: Cri, handler: str
) -> None:
    if f"{DEFAULT} (" in (KERNEL / "profiles").read_text():
        (KERNEL / ".remove").write_text(DEFAULT)
    container = await started(cri, handler, None)
    assert await confined_by(cri, container) == [f"{DEFAULT} (enforce)"] * 2
    assert (await cri.exec(container, *MOUNT)).exit_code != 0


async def test_a_profile_of_the_node_is_enforced_instead(
    cri: Cri, handler: str, profile: str
) -> None:
    container = await started(cri, handler, local(profile))
    assert await confined_by(cri, container) == [f"{profile} (enforce)"] * 2
    assert (await cri.exec(container, "touch", "/etc/allowed")).exit_code == 0
    assert (await cri.exec(container, "touch", "/etc/forbidden")).exit_code != 0


async def test_an_unconfined_container_is_confined_by_no_profile(cri: Cri, handler: str) -> None:
    kind = api.SecurityProfile.Unconfined
    container = await started(cri, handler, api.SecurityProfile(profile_type=kind))
    assert await confined_by(cri, container) == ["unconfined"] * 2
    assert (await cri.exec(container, *MOUNT)).exit_code == 0


async def test_a_profile_that_is_not_loaded_is_refused(cri: Cri, handler: str) -> None:
    with pytest.raises(InvalidArgument, match="'no-such-profile' is not loaded"):
        await started(cri, handler, local("no-such-profile"))
