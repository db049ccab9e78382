"""The root file system of a container as a tar, and the container's changes."""

import asyncio
import io
import os
import tarfile
from pathlib import Path

import pytest

from cri_shim import Runtime
from cri_shim.aio import child
from cri_shim.containers import pack_to
from cri_shim.errors import ToolFailed, WrongState
from cri_shim.library.container import Container
from cri_shim.library.pod import Pod
from cri_shim.linux import mounts
from cri_shim.pb import api_pb2 as api
from tests.fixtures.images import tree
from tests.fixtures.library import Place
from tests.integration.runtime.conftest import load_busybox, running

MAKE = """
mkdir -p /data/deep; chmod 1777 /data; cd /data
echo content > file; chmod 4750 file
ln file hard; ln -s /etc/passwd soft; ln -s ../../.. out
mkfifo pipe 2>/dev/null || true
truncate -s 5000000 deep/large 2>/dev/null || dd if=/dev/zero of=deep/large bs=5000000 count=1
rm /etc/group; echo ready; sleep 600
"""


@pytest.fixture
async def container(pod: Pod) -> Container:
    """A container that has changed its root file system, with entries that sh cannot make."""
    container = await running(pod, MAKE)
    async for entry in container.logs(follow=True):
        if entry.content == b"ready":
            break
    data = Path(f"/proc/{container.pid}/root/data")
    os.setxattr(data / "file", "user.note", b"\xff\x00binary")
    os.chown(data / "file", 1000, 50)
    os.utime(data / "file", ns=(1, 1_700_000_000_123_456_789))
    os.mknod(data / "null", 0o20666, os.makedev(1, 3))
    (data / "na\udcffme").touch()
    return container


def names(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        return {member.name: member for member in tar}


async def test_an_export_unpacks_to_the_same_files(
    container: Container, opened: Runtime, tmp_path: Path
):
    file = tmp_path / "root.tar"
    await container.export(file)

    assert file.stat().st_mode & 0o777 == 0o600
    there = tmp_path / "there"
    there.mkdir()
    unpack = ["tar", "-xpf", str(file), "-C", str(there), "--xattrs", "--xattrs-include=*"]
    done = await child.run([*unpack, "--numeric-owner"])
    assert done.returncode == 0, done.complaint()
    there_now, here_now = tree(there), tree(opened.engine.paths.rootfs(container.id))
    for found in (there_now, here_now):
        found.pop("data/pipe", None)
    assert there_now == here_now
    assert os.getxattr(there / "data/file", "user.note") == b"\xff\x00binary"
    assert {path.name for path in tmp_path.iterdir()} == {"root.tar", "there"}


async def test_links_are_exported_and_not_followed(container: Container) -> None:
    whole = io.BytesIO()
    await container.export(whole)
    found = names(whole.getvalue())
    assert (found["data/hard"].type, found["data/hard"].linkname) == (tarfile.LNKTYPE, "data/file")
    assert (found["data/soft"].linkname, found["data/out"].linkname) == ("/etc/passwd", "../../..")
    assert not any(name.startswith("data/out/") for name in found)
    assert "etc/group" not in found
    assert "proc" in found and "proc/1" not in found


async def test_a_stopped_container_is_exported_too_also_after_a_shutdown(here: Place) -> None:
    async with here.runtime() as first:
        await load_busybox(first, here)
        container = await running(await first.create_pod(), "echo x > /kept")
        await container.wait()
        await container.export(here.directory / "one.tar")
        await first.shutdown(force=True)
    async with here.runtime() as second:
        container = second.container(container.id)
        assert not mounts.is_mounted(second.engine.paths.rootfs(container.id))
        await container.export(here.directory / "two.tar")
        one, two = ((here.directory / f"{n}.tar").read_bytes() for n in ("one", "two"))
        assert "kept" in names(one)
        assert names(one).keys() == names(two).keys()
        await container.pod.remove()


async def test_owners_are_the_containers_own(here: Place) -> None:
    here.directory.chmod(0o711)  # root of a user namespace passes here
    config = api.PodSandboxConfig(
        metadata=api.PodSandboxMetadata(name="mapped", namespace="tests", uid="1")
    )
    options = config.linux.security_context.namespace_options
    options.pid = api.CONTAINER
    space = options.userns_options
    space.mode = api.POD
    space.uids.add(container_id=0, host_id=200_000, length=65536)
    space.gids.add(container_id=0, host_id=400_000, length=65536)
    running_one, stopped_one = io.BytesIO(), io.BytesIO()
    async with here.runtime() as runtime:
        await load_busybox(runtime, here)
        pod = await runtime.create_pod(config)
        container = await running(pod, "echo x > /mine; chown 1000:50 /mine")
        await container.wait()
        await container.export(running_one)
        await runtime.shutdown(force=True)
    async with here.runtime() as runtime:  # the pod's user namespace is gone, the tree unmounted
        await runtime.container(container.id).export(stopped_one)
        assert mounts.mounts_below(runtime.engine.paths.pods()) == []
        await runtime.pod(pod.id).remove()
    for found in (names(running_one.getvalue()), names(stopped_one.getvalue())):
        assert (found["mine"].uid, found["mine"].gid) == (1000, 50)
        assert (found["bin"].uid, found["bin"].gid) == (0, 0)


async def test_a_failed_or_cancelled_export_leaves_no_file(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolFailed, match="cannot export"):
        await container.export(tmp_path / "no" / "such" / "directory.tar")
    with pytest.raises(ToolFailed, match="No space left"):
        with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
            await container.export(full)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    copy = pack_to._copy

    def slow(pipe, to, stopped):
        loop.call_soon_threadsafe(begun.set)
        while not stopped():
            pass
        copy(pipe, to, stopped)

    monkeypatch.setattr(pack_to, "_copy", slow)
    exporting = asyncio.create_task(container.export(tmp_path / "root.tar"))
    await begun.wait()
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    assert list(tmp_path.iterdir()) == []


async def test_a_removal_during_the_export_is_an_error(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, removed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    copy = pack_to._copy

    def slow(*args):
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(removed.wait(), loop).result()
        copy(*args)

    monkeypatch.setattr(pack_to, "_copy", slow)
    exporting = asyncio.create_task(container.export(tmp_path / "root.tar"))
    await begun.wait()
    await container.remove(force=True)
    removed.set()
    with pytest.raises((WrongState, ToolFailed), match=container.id):
        await exporting
    assert list(tmp_path.iterdir()) == []


async def test_a_diff_has_the_changes_of_the_container(container: Container) -> None:
    lines = [str(change) for change in await container.diff()]
    assert "A /data/file" in lines
    assert "D /etc/group" in lines
    assert "C /etc" in lines
