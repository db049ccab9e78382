"""One list of problems: log, Info, CRI Status and Check have the same ones, also new ones."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cri_shim.errors import Unavailable
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import control_pb2 as control
from cri_shim.rpc.client import Client
from tests.fixtures.cri import Cri, pod_config
from tests.fixtures.daemon import Daemon, empty_daemon
from tests.fixtures.host import until

PATIENCE_S = 20.0  # more than the daemon waits between two looks at the node


def _programs(place: Path, *without: str) -> str:
    """Make a PATH that has the programs of networks, except some."""
    place.mkdir()
    for name in {"nft", "ip", "iptables", "unshare"} - {*without}:
        (place / name).symlink_to(str(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")))
    return str(place)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def poor(place: Path) -> Iterator[Daemon]:
    """A daemon on a node that lacks, or has broken, whatever it can serve without."""
    crun = place / "crun"
    crun.write_text("#!/bin/sh\necho 'crun: broken library' >&2\nexit 1\n")
    crun.chmod(0o755)
    registries = place / "registries.conf"
    registries.write_text("unqualified-search-registries = [")
    settings: dict[str, Any] = {
        "runtimes.crun.path": str(crun),
        "init_path": "/no/catatonit",
        "image.skopeo_path": "/no/skopeo",
        "image.registries_conf": str(registries),
    }
    daemon: Daemon
    with empty_daemon(0, **settings) as daemon:
        daemon.stop()
        daemon.log.unlink()
        daemon.env = {"PATH": _programs(place / "bin", "nft", "iptables")}
        daemon.start()
        yield daemon


@pytest.fixture
def whole(place: Path) -> Iterator[Daemon]:
    with empty_daemon(1) as daemon:
        daemon.stop()
        daemon.log.unlink()
        daemon.env = {"PATH": _programs(place / "bin")}
        daemon.start()
        yield daemon


@pytest.fixture
def without_runtime() -> Iterator[Daemon]:
    missing = {f"runtimes.{name}.path": f"/no/{name}" for name in ("crun", "runc")}
    with empty_daemon(2, **missing) as daemon:
        yield daemon


@pytest.fixture
def without_plugins() -> Iterator[Daemon]:
    with empty_daemon(3, cni_plugin_dir=["/nope"]) as daemon:
        yield daemon


def _text(problem: dict[str, str]) -> str:
    return "; ".join(filter(None, (problem["sentence"], problem["remedy"])))


async def _told(daemon: Daemon) -> dict[str, list[str]]:
    """Return the problems of the three answers, sorted."""
    async with Client(daemon.socket) as client:
        checked = json.loads((await client.control.Check(control.CheckRequest())).json)
        info = json.loads((await client.control.Info(control.InfoRequest())).json)
        status = await client.runtime.Status(api.StatusRequest(verbose=True))
    return {
        "check": sorted(_text(each) for each in checked if each["level"] != "ok"),
        "info": sorted(map(_text, info["problems"])),
        "status": sorted(map(_text, json.loads(status.info["problems"]))),
    }


def _logged(daemon: Daemon) -> list[str]:
    """Return the problems in the log that are not told as gone, sorted."""
    lines = [line for line in daemon.log.read_text().splitlines() if " problems.watch " in line]
    texts = [line.partition(" problems.watch ")[2] for line in lines]
    texts = [text.partition(" request=")[0] for text in texts]  # of the call that looked
    gone = [text.removeprefix("no longer a problem: ") for text in texts if "no longer" in text]
    return sorted(text for text in texts if text not in gone and "no longer a problem" not in text)


async def _until(reached: Callable[[dict[str, list[str]]], bool], daemon: Daemon) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not reached(await _told(daemon)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_log_info_status_and_check_have_the_same_problems(poor: Daemon) -> None:
    told = await _told(poor)

    assert told["check"] == told["info"] == told["status"] == _logged(poor)
    for part in (
        "the default OCI runtime is runc",
        "crun: broken library",
        "no catatonit found; tried: /no/catatonit: pods cannot share a pid namespace; install",
        "no skopeo found; tried: /no/skopeo: images are pulled, but archives cannot be loaded",
        "neither nft nor iptables is installed",
        "registries.conf is not used: is not TOML",
    ):
        assert [text for text in told["info"] if part in text], part


async def test_the_start_ends_in_one_line_that_names_programs_and_objects(poor: Daemon) -> None:
    await until(lambda: " serving on " in poor.log.read_text())

    (line,) = [line for line in poor.log.read_text().splitlines() if " serving on " in line]
    said = line.partition(" INFO runtime ")[2]
    assert said.startswith(f"cri-shim 0.1.0 serving on {poor.socket}: runc 1.")
    assert "(default); conmon 2." in said
    assert "; cgroup v" in said
    assert "; network cri-shim; 0 pods, 0 containers, in " in said


async def test_a_node_without_oci_runtime_says_so_everywhere(without_runtime: Daemon) -> None:
    told = await _told(without_runtime)
    async with Client(without_runtime.socket) as client:
        info = json.loads((await client.control.Info(control.InfoRequest())).json)
        status = await client.runtime.Status(api.StatusRequest())

    (said,) = [text for text in told["info"] if text.startswith("no OCI runtime works")]
    assert said.endswith("; install crun (apt install crun), or set runtimes.crun.path")
    assert told["check"] == told["info"] == told["status"] == _logged(without_runtime)
    condition = next(c for c in status.status.conditions if c.type == "RuntimeReady")
    assert (condition.status, condition.message) == (False, said)
    assert info["host"]["ociRuntime"] is None
    assert {handler["path"] for handler in info["handlers"].values()} == {None}


async def test_problems_that_come_and_go_are_told_without_a_restart(
    whole: Daemon, place: Path
) -> None:
    nothing = await _told(whole)
    for program in ("nft", "iptables"):
        (place / "bin" / program).unlink()
    net_d = Path(str(whole.settings["cni_config_dir"]))
    net_d.mkdir()
    (net_d / "1.conflist").write_text("{")
    await _until(lambda told: len(told["info"]) == len(nothing["info"]) + 2, whole)
    told = await _told(whole)
    new = [text for text in told["info"] if text not in nothing["info"]]

    assert any("neither nft nor iptables is installed" in text for text in new)
    assert any("1.conflist: not JSON" in text for text in new)
    assert told["check"] == told["info"] == told["status"] == _logged(whole)

    (net_d / "1.conflist").unlink()
    await _until(lambda told: len(told["info"]) == len(nothing["info"]) + 1, whole)
    assert _logged(whole) == (await _told(whole))["info"]


def test_a_missing_conmon_is_refused_with_package_and_key(place: Path) -> None:
    with pytest.raises(AssertionError) as refused, empty_daemon(3, conmon_path="/no/conmon"):
        pass

    assert "no conmon found; tried: /no/conmon: no pod can run; install conmon" in str(
        refused.value
    )
    assert "or set conmon_path" in str(refused.value)


async def test_a_pod_that_could_not_be_made_is_named_in_the_error(without_plugins: Daemon) -> None:
    async with Client(without_plugins.socket) as client:
        cri = Cri(without_plugins, client)
        with pytest.raises(
            Unavailable, match=r"^pod test/lost \([0-9a-f]{12}\) cannot be attached"
        ):
            await cri.run_pod(pod_config(without_plugins, "lost"))
