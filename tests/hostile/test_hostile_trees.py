"""Hostile trees of a container or an image: very many files, or very deep.

Statistics, ImageFsInfo and removals see and remove all of them, in little memory. What needs a path
that the kernel does not take says so.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed
from cri_shim.library.container import Container
from cri_shim.library.pod import Pod
from cri_shim.linux import disk, mounts
from cri_shim.linux.remove import remove_tree
from cri_shim.pb import api_pb2 as api
from tests.fixtures.cri import Cri
from tests.fixtures.trees import make_deep, make_wide
from tests.integration.runtime.conftest import here, opened, pod, running

__all__ = ["here", "opened", "pod"]

FILES = 60_000
LEVELS = 3_000  # a path of 6,000 bytes; the kernel takes 4,095
MOST_MEMORY = 12 << 20  # bytes
SLEEP = ["sleep", "600"]


def writable(cri: Cri, container: str) -> Path:
    return cri.daemon.root / "containers" / container


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


@asynccontextmanager
async def others_are_served(cri: Cri, limit: float) -> AsyncIterator[None]:
    """Meanwhile no call of another caller takes longer than `limit` seconds."""
    longest = 0.0

    async def ask() -> None:
        nonlocal longest
        while True:
            begin = time.monotonic()
            await cri.runtime.Version(api.VersionRequest())
            longest = max(longest, time.monotonic() - begin)
            await asyncio.sleep(0.005)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert longest < limit


async def written(cri: Cri, container: str) -> api.FilesystemUsage:
    """Return the container's written bytes when they are known."""
    request = api.ContainerStatsRequest(container_id=container)
    async with asyncio.timeout(60):
        while True:
            stats = (await cri.runtime.ContainerStats(request)).stats
            if stats.HasField("writable_layer"):
                return stats.writable_layer
            await asyncio.sleep(0.05)


async def all_written(cri: Cri) -> api.FilesystemUsage:
    (found,) = (await cri.image.ImageFsInfo(api.ImageFsInfoRequest())).container_filesystems
    return found


async def nothing_left(directory: Path) -> None:
    """Deletions run in the background."""
    async with asyncio.timeout(120):
        while True:
            if not list(directory.iterdir()):
                return
            await asyncio.sleep(0.05)


@pytest.fixture
def reset_peak(cri: Cri) -> int:
    """The memory of the daemon now, which is its peak from now on."""
    Path(f"/proc/{cri.daemon.pid}/clear_refs").write_text("5")
    return peak(cri.daemon.pid)


async def test_a_directory_of_very_many_files_is_measured_in_little_memory(
    cri: Cri, reset_peak: int
) -> None:
    container = await cri.run(await cri.run_pod(), SLEEP)
    own = writable(cri, container)
    make_wide(own / "upper" / "wide", FILES)
    expected = disk.usage(own)

    async with others_are_served(cri, 1.0):
        found = await written(cri, container)
        whole = await all_written(cri)

    assert (found.used_bytes.value, found.inodes_used.value) == (
        expected.used_bytes, expected.inodes
    )  # fmt: skip
    assert whole.used_bytes.value >= expected.used_bytes
    assert peak(cri.daemon.pid) - reset_peak < MOST_MEMORY
    async with others_are_served(cri, 1.0):
        await cri.remove(container)
        await nothing_left(own.parent)
    assert peak(cri.daemon.pid) - reset_peak < MOST_MEMORY


async def test_a_tree_deeper_than_any_path_is_measured_and_removed(cri: Cri) -> None:
    container = await cri.run(await cri.run_pod(), SLEEP)
    own = writable(cri, container)
    make_deep(own / "upper" / "deep", LEVELS)
    expected = disk.usage(own)

    assert (await written(cri, container)).inodes_used.value == expected.inodes > LEVELS
    assert (await all_written(cri)).inodes_used.value >= expected.inodes

    await cri.remove(container)
    await nothing_left(own.parent)
    assert "Traceback" not in cri.daemon.log.read_text()


@pytest.mark.parametrize("place", ["containers", "pods"])
async def test_a_bundle_or_pod_with_deeply_nested_directories_can_be_removed(
    cri: Cri, place: str
) -> None:
    pod = await cri.run_pod()
    container = await cri.run(pod, SLEEP)
    own = cri.daemon.run_root / place / (container if place == "containers" else pod)
    make_deep(own / "deep", LEVELS)

    await cri.remove(container)
    await cri.remove_pod(pod)

    assert not own.exists()
    assert "Traceback" not in cri.daemon.log.read_text()


async def test_a_volume_that_is_still_mounted_is_never_deleted_through(
    cri: Cri, tmp_path: Path
) -> None:
    """An unknown mount in a bundle: the removal fails until it is gone."""
    (tmp_path / "precious").write_text("host")
    container = await cri.run(await cri.run_pod(), SLEEP)
    unknown = cri.daemon.run_root / "containers" / container / "unknown"
    unknown.mkdir()
    mounts.bind(tmp_path, unknown)
    try:
        with pytest.raises(ToolFailed, match=r"cannot delete .*Device or resource busy"):
            await cri.remove(container)
        assert (tmp_path / "precious").read_text() == "host"
    finally:
        mounts.unmount(unknown)
    await cri.remove(container)
    assert (tmp_path / "precious").read_text() == "host"


@pytest.fixture
async def deep(pod: Pod) -> AsyncIterator[Container]:
    """A container of a runtime of the test's own, with a tree that no path leads through."""
    container = await running(pod)
    tree = container._engine.images.rootfs.upper(container.id) / "deep"
    make_deep(tree, LEVELS)
    yield container
    remove_tree(tree)


async def test_an_export_of_a_too_deep_tree_is_an_error(deep: Container, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"cannot export container .*File name too long: .*") as e:
        await deep.export(tmp_path / "tar")
    assert len(str(e.value)) < 1000
    assert list(tmp_path.iterdir()) == []


async def test_a_diff_of_a_too_deep_tree_is_an_error(deep: Container) -> None:
    with pytest.raises(ToolFailed, match=r"cannot compare .*File name too long: .*") as e:
        await deep.diff()
    assert len(str(e.value)) < 1000


async def test_a_commit_of_a_too_deep_tree_is_an_error(deep: Container) -> None:
    with pytest.raises(ToolFailed, match="an image can hold 4095 at most: remove what is so deep"):
        await deep.commit("deep:1")
