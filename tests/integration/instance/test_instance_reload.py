"""A reload of a running daemon: what takes effect, what is only told, and what is refused."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cri_shim.cli.exit_codes import FAILED, NO_DAEMON
from cri_shim.errors import ConfigError, InvalidArgument
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from tests.fixtures import busybox
from tests.fixtures.cri import LIMIT_S, POLL_S, Cri, container_config
from tests.fixtures.daemon import Daemon, empty_daemon

CRUN = "/usr/bin/crun"


@pytest.fixture(autouse=True)
def settings(daemon: Daemon) -> Iterator[dict[str, Any]]:
    """The settings of the daemon; after each test the file has those of before."""
    before = dict(daemon.settings)
    yield daemon.settings
    daemon.settings = before
    daemon.command()
    assert reload(daemon).returncode == 0


def reload(daemon: Daemon, *more: str) -> "subprocess.CompletedProcess[str]":
    """Write the settings, and run `cri-shim reload`."""
    words = [*daemon.command()[:-1], "reload", *more]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def _line(daemon: Daemon, key: str) -> int:
    lines = (daemon.directory / "config.toml").read_text().splitlines()
    return 1 + next(n for n, line in enumerate(lines) if line.startswith(f"{key} ="))


async def in_force(cri: Cri) -> dict[str, Any]:
    answer = await cri.control.Config(control.ConfigRequest())
    return dict(json.loads(answer.json)["values"])


async def pulled(cri: Cri) -> api.Image:
    request = api.ImageStatusRequest(image=api.ImageSpec(image=busybox.NAME))
    return (await cri.image.ImageStatus(request)).image


async def test_the_answer_says_which_key_did_what(
    daemon: Daemon, settings: dict[str, Any], cri: Cri
) -> None:
    settings["image.pinned_images"] = [busybox.NAME]
    settings["default_sysctls"] = ["net.ipv4.ip_unprivileged_port_start=77"]
    settings["streaming.port"] = 4
    done = reload(daemon)

    assert done.returncode == 0, done.stderr
    effects = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert "in force now" in effects["image.pinned_images"]
    assert "for new pods" in effects["default_sysctls"]
    assert "needs a restart" in effects["streaming.port"]
    assert (await pulled(cri)).pinned
    assert (await in_force(cri))["streaming.port"] == 0
    line = "configuration reloaded: in force now: image.pinned_images; for new pods:"
    assert daemon.log.read_text().count(line) == 1


async def test_a_pod_keeps_its_sysctls_and_a_new_one_has_the_others(
    daemon: Daemon, settings: dict[str, Any], cri: Cri
) -> None:
    old = await cri.run_pod()
    settings["default_sysctls"] = ["net.ipv4.ip_unprivileged_port_start=77"]
    assert reload(daemon).returncode == 0
    read = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    one = await cri.run(old, ["sleep", "1000"])
    other = await cri.run(await cri.run_pod(), ["sleep", "1000"])

    assert (await cri.sh(one, read)).strip() != "77"
    assert (await cri.sh(other, read)).strip() == "77"


async def test_a_wrong_file_changes_nothing(
    daemon: Daemon, settings: dict[str, Any], cri: Cri
) -> None:
    before = await in_force(cri)
    settings["image.pinned_images"] = [busybox.NAME]
    settings["containers.pids_limits"] = 5
    done = reload(daemon)
    with pytest.raises(ConfigError, match=r"did you mean containers\.pids_limit"):
        await cri.control.Reload(control.ReloadRequest())

    assert done.returncode == FAILED
    assert f"{daemon.directory}/config.toml:" in done.stderr
    assert (await in_force(cri), (await pulled(cri)).pinned) == (before, False)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("hooks_dir", ["/nowhere/hooks"], "hooks_dir /nowhere/hooks does not exist"),
        ("seccomp_profile", ["/nowhere/s.json"], "none of these files exists"),
        ("default_sysctls", ["kernel.panic=1"], "kernel.panic"),
        ("image.registries_conf", "/nowhere/registries.conf", "does not exist"),
        ("runtime_path", ["/bin/false"], "the default OCI runtime would not work"),
    ],
)
async def test_a_file_that_names_something_unusable_changes_nothing(
    daemon: Daemon, settings: dict[str, Any], cri: Cri, key: str, value: object, reason: str
) -> None:
    before = await in_force(cri)
    settings["hooks_dir_not_exist_fatal"] = key == "hooks_dir"
    if key == "runtime_path":
        settings["runtimes.crun.path"] = settings["runtimes.runc.path"] = value
    settings |= {key: value}
    done = reload(daemon)

    assert (done.returncode, reason in done.stderr) == (FAILED, True), done.stderr
    assert await in_force(cri) == before


async def test_a_handler_comes_and_goes(daemon: Daemon, settings: dict[str, Any], cri: Cri) -> None:
    settings["runtimes.other.path"] = CRUN
    assert reload(daemon).returncode == 0
    pod = await cri.run_pod(handler="other")
    container = await cri.run(pod, ["sleep", "1000"])
    del settings["runtimes.other.path"]
    done = reload(daemon)

    assert "runtimes.other.path" in done.stdout
    assert await cri.sh(container, "echo here") == "here\n"
    with pytest.raises(InvalidArgument, match="no handler 'other' is configured"):
        await cri.run_pod(handler="other")
    await cri.stop(container)
    await cri.exited(container)


async def test_sighup_reloads(daemon: Daemon, settings: dict[str, Any], cri: Cri) -> None:
    settings["containers.pids_limit"] = 99
    daemon.command()
    os.kill(daemon.pid, signal.SIGHUP)
    async with asyncio.timeout(LIMIT_S):
        while (await in_force(cri))["containers.pids_limit"] != 99:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def test_pods_are_made_while_the_configuration_is_reloaded_again_and_again(
    daemon: Daemon, settings: dict[str, Any], cri: Cri
) -> None:
    async def pods() -> None:
        for _ in range(4):
            pod = await cri.run_pod()
            await cri.create(pod, container_config(["true"]))
            await cri.remove_pod(pod)

    async def reloads() -> None:
        for number in range(20):
            settings["containers.pids_limit"] = 100 + number
            settings["runtimes.crun.path"] = [CRUN, f"/nowhere/{number}"]
            daemon.command()
            await cri.control.Reload(control.ReloadRequest())

    await asyncio.gather(pods(), pods(), reloads())
    assert (await in_force(cri))["containers.pids_limit"] == 119


def test_the_difference_to_the_defaults_and_to_what_runs_is_shown(
    daemon: Daemon, settings: dict[str, Any]
) -> None:
    settings["containers.pids_limit"] = 98
    words = [*daemon.command()[:-1], "config", "--diff", "-o", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    found = {each["key"]: each for each in json.loads(done.stdout)}

    assert found["containers.pids_limit"] == {
        "key": "containers.pids_limit",
        "default": 0,
        "running": 0,
        "files": 98,
        "origin": f"{daemon.directory}/config.toml:{_line(daemon, 'pids_limit')}",
        "takesEffect": "reload",
    }
    assert found["network.bridge"]["running"] == daemon.bridge


def test_without_a_daemon_a_reload_fails(daemon: Daemon) -> None:
    words = [sys.executable, "-m", "cri_shim", "--socket", "/tmp/cst-nobody.sock", "reload"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, "no daemon answers" in done.stderr) == (NO_DAEMON, True)


def test_a_kill_after_reloads_leaves_no_mount_of_a_binary() -> None:
    with empty_daemon(1) as daemon:
        for number in range(3):
            daemon.settings["runtimes.crun.path"] = [CRUN, f"/nowhere/{number}"]
            assert reload(daemon).returncode == 0
        several = mounts.mounts_below(daemon.run_root / "oci-bin")
        daemon.kill()
        daemon.start()
        left = [path.name for path in mounts.mounts_below(daemon.run_root / "oci-bin")]

    assert len(several) > 1
    assert left == ["crun"]
