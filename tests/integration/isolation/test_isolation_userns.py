"""User namespaces and what belongs to them, pinned; and mounts with their ids."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.errors import InvalidArgument, ToolFailed
from cri_shim.isolation import namespaces, sysctls, userns
from cri_shim.linux import idmap, mounts
from cri_shim.spec.userns import IdMap

IDS = IdMap.same(100000, 65536)
KINDS = ("user", "net", "ipc", "uts")


@pytest.fixture
async def pins(tmp_path: Path) -> AsyncIterator[dict[str, Path]]:
    """Places of the four kinds; they are unpinned at the end."""
    places = {kind: tmp_path / kind / "pin" for kind in KINDS}
    yield places
    for path in places.values():
        namespaces.unpin(path)
    mounts.unmount(tmp_path / "net")


def inside(pins: dict[str, Path], script: str) -> list[str]:
    enter = ["nsenter", *(f"--{kind}={path}" for kind, path in pins.items())]
    done = subprocess.run([*enter, "sh", "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.split()


async def test_all_is_set_up_and_belongs_to_root_of_the_new_namespace(
    pins: dict[str, Path],
) -> None:
    asked = {"kernel.shm_rmid_forced": "1", "net.ipv4.ip_forward": "1", "fs.mqueue.msg_max": "99"}
    wanted = sysctls.parameters(asked, KINDS)
    await userns.pin(pins, IDS, hostname="inside", sysctls=wanted)
    assert inside(pins, "cat /proc/self/uid_map") == ["0", "100000", "65536"]
    assert inside(pins, "cat /proc/self/gid_map") == ["0", "100000", "65536"]
    files = "kernel/shm_rmid_forced net/ipv4/ip_forward fs/mqueue/msg_max"
    assert inside(pins, f"cd /proc/sys && cat {files}") == ["1", "1", "99"]
    assert inside(pins, "hostname")[0] == "inside"
    assert "LOOPBACK,UP" in "".join(inside(pins, "ip link show lo"))
    inside(pins, "hostname other && ip link add foobar type bridge")


async def test_group_ids_and_user_limits_are_those_of_the_new_namespace(
    pins: dict[str, Path],
) -> None:
    before = Path("/proc/sys/user/max_mnt_namespaces").read_text()
    asked = {"net.ipv4.ping_group_range": "1 65535", "user.max_mnt_namespaces": "5"}
    await userns.pin(pins, IDS, hostname=None, sysctls=sysctls.parameters(asked, KINDS))
    seen_by_the_node = inside({"net": pins["net"]}, "cat /proc/sys/net/ipv4/ping_group_range")
    assert seen_by_the_node == ["100001", "165535"]
    files = "net/ipv4/ping_group_range user/max_mnt_namespaces"
    assert inside(pins, f"cd /proc/sys && cat {files}") == ["1", "65535", "5"]
    assert Path("/proc/sys/user/max_mnt_namespaces").read_text() == before


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("net.ipv4.ping_group_range", "0 2147483647", "where ids are the pod's own: Invalid arg"),
        ("net.ipv4.ip_unprivileged_port_start", "many", "where ids are the pod's own: Invalid arg"),
        ("net.ipv4.no_such", "1", "no such parameter"),
        ("user.no_such", "1", "no such parameter"),
    ],
)
async def test_a_parameter_that_is_refused_inside_is_named_with_its_value(
    pins: dict[str, Path], name: str, value: str, problem: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"'{value}' is not set: .*{problem}") as refusal:
        wanted = sysctls.parameters({name: value}, KINDS)
        await userns.pin(pins, IDS, hostname=None, sysctls=wanted)
    assert refusal.value.field == f"config.linux.sysctls[{name}]"
    assert [path for path in pins.values() if path.exists()] == []


async def test_a_failure_leaves_nothing(
    pins: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = sysctls.parameters({"kernel.shm_rmid_forced": "many"}, KINDS)
    with pytest.raises(InvalidArgument, match="kernel refuses"):
        await userns.pin(pins, IDS, hostname=None, sysctls=bad)
    with pytest.raises(OSError, match="map uids"):
        await userns.pin(pins, IdMap.same(1 << 31, 1 << 31), hostname=None, sysctls={})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolFailed, match=r"unshare .* is not installed"):
        await userns.pin(pins, IDS, hostname=None, sysctls={})
    assert [path for path in pins.values() if path.exists()] == []


async def test_the_error_has_the_message_of_unshare(
    pins: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "unshare"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(ToolFailed, match="cannot make a user namespace: no space left"):
        await userns.pin(pins, IDS, hostname=None, sysctls={})


async def test_files_have_the_ids_of_the_namespace_in_an_idmapped_mount(
    pins: dict[str, Path], tmp_path: Path
) -> None:
    await userns.pin({"user": pins["user"]}, IDS, hostname=None, sysctls={})
    source, target = tmp_path / "source", tmp_path / "target"
    for directory in (source, target):
        directory.mkdir()
    (source / "of-root").touch()
    (source / "of-1000").touch()
    os.chown(source / "of-1000", 1000, 1000)
    idmap.bind(source, target, pins["user"])
    try:
        assert (target / "of-root").stat().st_uid == 100000
        assert (target / "of-1000").stat().st_gid == 101000
    finally:
        mounts.unmount(target)
    with idmap.bound([source], tmp_path / "below", pins["user"]) as (bound,):
        assert (bound / "of-root").stat().st_uid == 100000
    assert mounts.mounts_below(tmp_path / "below") == []
    with pytest.raises(OSError, match="Invalid argument"):
        idmap.check("/proc/sys", pins["user"])


async def test_a_trial_names_the_directory_that_root_of_a_user_namespace_cannot_traverse(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ToolFailed, match=f"cannot pass {closed}: chmod"):
        async with userns.trial(closed / "userns", tmp_path):
            pass
