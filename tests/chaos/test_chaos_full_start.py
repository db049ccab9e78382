"""The daemon starts on a full disk: it lists its objects, stops and removes them, frees space."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError
from cri_shim.linux import mounts, syscalls
from cri_shim.pb import api_pb2 as api
from tests.chaos import world
from tests.chaos.rig import Rig, mortal_daemon
from tests.chaos.test_chaos_disk_full import fill, free
from tests.fixtures import busybox
from tests.fixtures.daemon import Daemon

SIZE = 24 << 20
WRITTEN = 4 << 20
INODES = 600
MS_RDONLY = 1


def on_tmpfs(daemon: Daemon, *places: Path, options: str = f"size={SIZE}") -> None:
    for place in places:
        place.mkdir(exist_ok=True)
        syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NOSUID, f"{options},mode=700")


def own_tmpfs(daemon: Daemon) -> None:
    on_tmpfs(daemon, daemon.root, daemon.run_root)


def one_tmpfs(daemon: Daemon) -> None:
    """Root and run root share a disk, as for an unprivileged user without a tmpfs of its own."""
    both = daemon.directory / "disk"
    on_tmpfs(daemon, both)
    daemon.root, daemon.run_root = both / "root", both / "run"


def few_inodes(daemon: Daemon) -> None:
    on_tmpfs(daemon, daemon.root, options=f"size={SIZE},nr_inodes={INODES}")
    on_tmpfs(daemon, daemon.run_root)


def ext4(daemon: Daemon) -> None:
    """A file system as a node has it, whose directories need blocks too."""
    image = daemon.directory / "disk.ext4"
    with image.open("wb") as file:
        file.truncate(2 * SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-m0", str(image)], check=True)
    daemon.root.mkdir()
    subprocess.run(["mount", "-o", "loop,nosuid", str(image), str(daemon.root)], check=True)
    on_tmpfs(daemon, daemon.run_root)


def fill_inodes(directory: Path) -> Path:
    """Leave no inode free there."""
    files = directory / "fill"
    files.mkdir()
    n = 0
    try:
        while True:
            (files / str(n)).touch()
            n += 1
    except OSError:
        return files


def empty(fillers: list[Path]) -> None:
    for filler in fillers:
        shutil.rmtree(filler, ignore_errors=True)
        filler.unlink(missing_ok=True)


DISKS: dict[str, tuple[Callable[[Daemon], None], Callable[[Path], Path]]] = {
    "two tmpfs": (own_tmpfs, fill),
    "one tmpfs": (one_tmpfs, fill),
    "few inodes": (few_inodes, fill_inodes),
    "ext4": (ext4, fill),
}


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def daemon(disk: str) -> Iterator[Daemon]:
    with mortal_daemon({}, DISKS[disk][0]) as started:
        yield started
        world.kill_all(started)  # of a daemon that did not start again


def fill_all(daemon: Daemon, disk: str) -> list[Path]:
    """Fill every disk of the daemon, to the last block or inode."""
    places = {
        daemon.root.stat().st_dev: daemon.root,
        daemon.run_root.stat().st_dev: daemon.run_root,
    }
    fillers = [DISKS[disk][1](daemon.root)]
    if disk != "few inodes":
        fillers += [fill(place) for place in places.values() if place != daemon.root]
    return fillers


async def take_away(rig: Rig) -> None:
    """Remove what a daemon without write access does not remove."""
    rig.daemon.kill()
    world.kill_all(rig.daemon)
    for path in reversed(mounts.mounts_below(rig.daemon.directory)):
        mounts.unmount(path)
    ports = Path("/sys/class/net") / rig.daemon.bridge / "brif"
    await rig.until(lambda: not list(ports.iterdir()))


@pytest.mark.parametrize("reserve", [True, False], ids=["with its reserve", "without reserve"])
async def test_a_daemon_starts_on_a_full_disk_and_gives_space_back(
    rig: Rig, disk: str, reserve: bool
) -> None:
    cri = rig.cri
    pod = await cri.run_pod()
    small = await cri.run(pod, ["sleep", "600"], name="small")
    large = await cri.run(pod, ["sleep", "600"], name="large")
    ended = await cri.run(pod, ["sh", "-c", "exit 7"], name="ended")
    await cri.exited(ended)
    await cri.sh(large, f"dd if=/dev/zero of=/file bs={WRITTEN} count=1 2>/dev/null")
    await rig.settled()
    rig.daemon.kill()
    if not reserve:
        for file in (rig.daemon.root / "reserve").iterdir():
            file.unlink()
    fillers = fill_all(rig.daemon, disk)
    if reserve:
        assert list((rig.daemon.root / "reserve").iterdir())
    await rig.restart()
    cri = rig.cri
    how = "its reserve is used" if reserve else "works from memory until there is room"
    assert how in rig.daemon.log.read_text()
    assert sorted(await cri.containers()) == sorted([small, large, ended])
    assert (await cri.status(ended)).exit_code == 7
    assert (await cri.status(small)).state == api.CONTAINER_RUNNING
    await cri.stop(large, 0)
    assert (await cri.exited(large)).exit_code == 137
    await cri.remove(large)
    await rig.until(lambda: free(rig.daemon.root) >= WRITTEN)
    await cri.stop_pod(pod)
    assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
    empty(fillers)
    await rig.no_retries()
    await rig.restart()
    assert sorted(await rig.cri.containers()) == sorted([small, ended])
    assert (await rig.cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
    again = await rig.cri.run(await rig.cri.run_pod(), ["true"])
    assert (await rig.cri.exited(again)).exit_code == 0
    await rig.cri.remove_all()


async def test_an_image_can_be_removed_after_a_start_on_a_full_disk(rig: Rig, disk: str) -> None:
    rig.daemon.kill()
    fillers = fill_all(rig.daemon, disk)
    await rig.restart()
    image = api.ImageSpec(image=busybox.NAME)
    await rig.cri.image.RemoveImage(api.RemoveImageRequest(image=image))
    assert list((await rig.cri.image.ListImages(api.ListImagesRequest())).images) == []
    layers = rig.daemon.root / "layers"
    await rig.until(lambda: not list(layers.iterdir()))
    await rig.restart()
    assert list((await rig.cri.image.ListImages(api.ListImagesRequest())).images) == []
    empty(fillers)
    await rig.cri.load_busybox()


async def test_handlers_untested_on_a_full_disk_work_once_there_is_space(
    rig: Rig, disk: str
) -> None:
    """After a reboot the OCI runtimes are unknown: each has to make a container first."""
    rig.daemon.kill()
    shutil.rmtree(rig.daemon.run_root / "handlers")
    fillers = fill_all(rig.daemon, disk)
    await rig.restart()
    empty(fillers)
    await rig.no_retries()
    container = await rig.cri.run(await rig.cri.run_pod(), ["true"])
    assert (await rig.cri.exited(container)).exit_code == 0
    await rig.cri.remove_all()


@pytest.mark.parametrize("disk", ["two tmpfs"])
async def test_a_read_only_root_is_refused_with_a_remedy(rig: Rig) -> None:
    container = await rig.cri.run(await rig.cri.run_pod(), ["sleep", "600"])
    rig.daemon.kill()
    root = rig.daemon.root
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_REMOUNT | MS_RDONLY, "")
    refused = await asyncio.to_thread(
        subprocess.run, rig.daemon.command(), capture_output=True, text=True, timeout=60
    )
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_REMOUNT, "")
    assert refused.returncode == 1
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("cri-shim: ")
    assert "Read-only file system" in last
    assert "make" in last and "writable" in last
    await rig.restart()
    assert await rig.cri.sh(container, "echo served") == "served\n"
    await rig.cri.remove_all()


@pytest.mark.parametrize("disk", ["ext4"])
async def test_containers_can_be_stopped_on_a_root_that_became_read_only(
    daemon: Daemon,
) -> None:
    """ext4 does this by itself after an error; such a file system stays read-only."""
    async with Rig(daemon) as rig:
        pod = await rig.cri.run_pod()
        container = await rig.cri.run(pod, ["sleep", "600"])
        subprocess.run(["mount", "-o", "remount,abort", str(daemon.root)], check=False)  # noqa: ASYNC221
        await rig.cri.stop(container, 0)
        assert (await rig.cri.exited(container)).exit_code == 137
        with pytest.raises(CriShimError, match="Read-only file system") as refusal:
            await rig.cri.run_pod()
        assert "no space left" not in str(refusal.value)
        await take_away(rig)
