"""reset: nothing without --force; then nothing is left but images and what is not ours."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.linux import mounts
from cri_shim.rpc.client import Client
from tests.fixtures import busybox
from tests.fixtures.cri import Cri
from tests.fixtures.daemon import Daemon, private_daemon

SLEEP = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with private_daemon(0) as started:
        yield started


def reset(daemon: Daemon, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [*daemon.command()[:-1], "reset", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def everything(directory: Path) -> set[str]:
    return {str(path) for path in directory.rglob("*") if "rootfs/" not in str(path)}


async def a_running_container(daemon: Daemon) -> str:
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        pod = await cri.run_pod()
        await cri.run(pod, SLEEP)
        return pod


async def test_a_running_daemon_prevents_a_reset(daemon: Daemon) -> None:
    refused = reset(daemon, "--force")
    told = reset(daemon)

    assert refused.returncode == 1
    assert f"{daemon.root} is in use by process {daemon.pid}, another cri-shim" in refused.stderr
    assert told.returncode == 0
    assert "not possible now: " in told.stderr
    assert (daemon.root / "state").is_dir()


async def test_a_dry_run_names_everything_and_removes_nothing(daemon: Daemon) -> None:
    pod = await a_running_container(daemon)
    daemon.kill()
    before = everything(daemon.directory), mounts.mounts_below(daemon.directory)

    told = reset(daemon, "--images", "-o", "name")

    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert any(line.endswith(f"({pod[:12]})") for line in lines)
    assert f"bridge {daemon.bridge}" in lines
    assert f"masquerade rule of {daemon.subnet}" in lines
    assert busybox.NAME in lines
    assert str(daemon.root / "layers") in lines
    assert "nothing was removed; `cri-shim reset --images --force` removes it" in told.stderr
    assert (everything(daemon.directory), mounts.mounts_below(daemon.directory)) == before
    assert reset(daemon, "--force").returncode == 0


async def test_a_reset_leaves_images_and_files_of_others_and_nothing_else(daemon: Daemon) -> None:
    pod = await a_running_container(daemon)
    (daemon.root / "mine.txt").write_text("kept")
    daemon.kill()

    done = reset(daemon, "--force")

    assert done.returncode == 0, done.stderr
    (kept,) = [line for line in done.stderr.splitlines() if "not made by cri-shim" in line]
    assert kept == f"cri-shim: kept: {daemon.root}/mine.txt: not made by cri-shim"
    assert not daemon.run_root.exists()
    assert mounts.mounts_below(daemon.directory) == []
    assert not Path("/sys/class/net", daemon.bridge).exists()
    assert not Path("/run/netns", f"cri-shim-{pod}").exists()
    assert {entry.name for entry in daemon.root.iterdir()} == {
        *("images", "layers", "mine.txt", "recipes", "reserve", "state")
    }
    daemon.start()
    async with Client(daemon.socket) as client:
        cri = Cri(daemon, client)
        assert await cri.pods() == []
        await cri.run_pod()
        await cri.remove_all()
    daemon.stop()

    assert reset(daemon, "--images", "--force").returncode == 0
    assert [entry.name for entry in daemon.root.iterdir()] == ["mine.txt"]


def test_pods_of_a_state_that_cannot_be_opened_are_removed_too(daemon: Daemon) -> None:
    pod = asyncio.run(a_running_container(daemon))
    daemon.kill()
    daemon.settings["conmon_path"] = "/no/conmon"

    done = reset(daemon, "--images", "--force")

    assert done.returncode == 1
    assert "pods are removed without a runtime" in done.stderr
    assert mounts.mounts_below(daemon.directory) == []
    assert not daemon.root.exists()
    assert not daemon.run_root.exists()
    ps = subprocess.run(["pgrep", "-f", pod[:32]], capture_output=True, check=False)
    assert ps.stdout == b""


def test_a_directory_that_no_runtime_has_used_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    for name in ("containers", "images", "logs", "cni", "network"):
        (place / name).mkdir()
    command = [sys.executable, "-m", "cri_shim", "--root", str(place)]
    command += ["--run-root", str(tmp_path / "run"), "reset", "--images", "--force"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(place.iterdir())) == 5
    assert f"kept: {place}/cni: not made by cri-shim" in done.stderr
