"""The disk with the state is full: exits are reported, removals work, and space is freed."""

import asyncio
import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError, Unavailable
from cri_shim.linux import mounts, syscalls
from cri_shim.pb import api_pb2 as api
from cri_shim.state import reserve
from cri_shim.state.leveldb import LevelStore
from tests.chaos.rig import Rig, mortal_daemon
from tests.fixtures.cri import container_config
from tests.fixtures.daemon import Daemon

SIZE = 24 << 20
WRITTEN = 4 << 20
WAIT = "while [ ! -e /tmp/go ]; do usleep 10000; done;"


def fill(directory: Path) -> Path:
    """Leave no byte free there; return the file that fills it."""
    file = directory / "fill"
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    out.write(b"0" * size)
            except OSError as e:
                assert e.errno == errno.ENOSPC
    return file


def free(directory: Path) -> int:
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_bsize


def small_disks(daemon: Daemon) -> None:
    """One file system for each of the two directories, as a node may have."""
    for directory in (daemon.root, daemon.run_root):
        directory.mkdir()
        fs = syscalls.MS_NOSUID
        syscalls.mount("tmpfs", directory, "tmpfs", fs, f"size={SIZE},mode=755")


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, small_disks) as started:
        yield started


async def test_with_a_full_disk_pods_are_stopped_and_removed_and_free_their_space(rig: Rig) -> None:
    cri = rig.cri
    pod = await cri.run_pod()
    killed = await cri.run(pod, ["sleep", "600"], name="killed")
    large = await cri.run(pod, ["sleep", "600"], name="large")
    await cri.sh(large, f"dd if=/dev/zero of=/file bs={WRITTEN} count=1 2>/dev/null")
    filler = fill(rig.daemon.root)
    os.kill((await cri.info(killed))["pid"], signal.SIGKILL)
    assert (await cri.exited(killed, 5)).exit_code == 137
    await cri.remove(large)
    assert await cri.containers() == [killed]
    await rig.until(lambda: free(rig.daemon.root) >= WRITTEN)
    fill(rig.daemon.root / "cni")
    await cri.stop_pod(pod)
    assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
    filler.unlink()
    (rig.daemon.root / "cni" / "fill").unlink()
    await rig.no_retries()
    await rig.restart()
    cri = rig.cri
    assert (await cri.status(killed)).exit_code == 137
    assert await cri.containers() == [killed]
    assert (await cri.pod_status(pod)).state == api.SANDBOX_NOTREADY


@pytest.mark.parametrize("handler", ["crun", "runc"])
async def test_with_a_full_run_root_containers_are_stopped_and_removed(
    rig: Rig, handler: str
) -> None:
    """conmon records the exit of a container in the run root."""
    cri = rig.cri
    pod = await cri.run_pod(handler=handler)
    before = await rig.settled()
    killed = await cri.run(pod, ["sleep", "600"], name="killed")
    done = await cri.run(pod, ["sh", "-c", f"{WAIT} exit 3"], name="done")
    stopped = await cri.run(pod, ["sleep", "600"], name="stopped")
    removed = await cri.run(pod, ["sleep", "600"], name="removed")
    await cri.sh(done, "true")
    pids = {id: (await cri.info(id))["pid"] for id in (killed, done)}
    filler = fill(rig.daemon.run_root)
    os.kill(pids[killed], signal.SIGKILL)
    Path(f"/proc/{pids[done]}/root/tmp/go").touch()
    await cri.stop(stopped, 0)
    codes = [(await cri.exited(id)).exit_code for id in (killed, done, stopped)]
    await cri.remove(removed)
    assert codes == [137, 3, 137]
    for id in (killed, done, stopped):
        await cri.remove(id)
    filler.unlink()
    await rig.becomes(before)
    await cri.run(pod, ["true"])


@pytest.mark.parametrize("place", ["root", "run"])
async def test_with_a_full_disk_a_container_is_refused_and_made_when_there_is_space(
    rig: Rig, place: str
) -> None:
    """If the root has no space, the pod is refused already."""
    await rig.cri.remove_pod(await rig.cri.run_pod())
    before = await rig.snapshot()
    filler = fill(rig.daemon.directory / place)
    with pytest.raises(CriShimError, match=r"(?i)no space left|disk full") as refusal:
        await rig.cri.create(await rig.cri.run_pod(), container_config(["true"]))
    assert "bug" not in str(refusal.value)
    filler.unlink()
    await rig.cri.remove_all()
    await rig.becomes(before)
    pod = await rig.cri.run_pod()
    await rig.cri.run(pod, ["true"])
    await rig.restart()
    assert (await rig.cri.pod_status(pod)).state == api.SANDBOX_READY


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system where the reserve is only a part of the space."""
    mounts.tmpfs(tmp_path, 32 << 20, 0o700)
    yield tmp_path
    mounts.unmount(tmp_path)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system without space for a reserve."""
    mounts.tmpfs(tmp_path, 600 << 10, 0o700)
    yield tmp_path
    mounts.unmount(tmp_path)


def test_a_store_that_cannot_be_opened_is_read_and_written_when_there_is_room(tiny: Path) -> None:
    store = LevelStore(tiny / "state")
    store.put("pod", "before", b"1" * 1000)
    store.close()
    filler = fill(tiny)
    store = LevelStore(tiny / "state")
    assert dict(store.items("pod")) == {"before": b"1" * 1000}
    with pytest.raises(Unavailable, match="no space left"):
        store.put("pod", "new", b"2")
    store.delete("pod", "before")
    filler.unlink()
    store.put("pod", "new", b"2")
    asyncio.run(store.sync())
    store.close()
    again = LevelStore(tiny / "state")
    found = dict(again.items("pod"))
    again.close()
    assert found == {"new": b"2"}


def test_the_reserve_allows_writes_on_a_full_disk_and_is_made_anew(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LevelStore(small / "state")
    store._thread.submit(lambda: None).result()
    room = small / "reserve"
    assert len(list(room.iterdir())) == reserve.FILES
    filler = fill(small)
    for n in range(2000):  # LevelDB's own file has some free space
        store.put("meta", str(n), os.urandom(1000))
    assert list(room.iterdir()) == []
    filler.unlink()
    monkeypatch.setattr(reserve, "PAUSE_S", 0.0)
    store.put("meta", "last", b"1")
    store.close()
    assert len(list(room.iterdir())) == reserve.FILES
    assert free(small) < (32 << 20) - reserve.SIZE


def test_a_small_disk_has_no_reserve(tiny: Path) -> None:
    LevelStore(tiny / "state").close()
    assert not list(tiny.glob("reserve/*"))


def test_records_written_after_a_full_disk_are_read_again(tmp_path: Path) -> None:
    mounts.tmpfs(tmp_path, 600 << 10, 0o700)
    try:
        store = LevelStore(tmp_path / "state")
        store.put("pod", "before", b"1" * 1000)
        filler = fill(tmp_path)
        with pytest.raises(Unavailable, match="no space left"):
            _put_until_refused(store)
        filler.unlink()
        for n in range(50):
            store.put("pod", f"after{n}", b"2" * 1000)
        asyncio.run(store.sync())
        store.close()
        again = LevelStore(tmp_path / "state")
        found = dict(again.items("pod"))
        again.close()
    finally:
        mounts.unmount(tmp_path)
    assert found["before"] == b"1" * 1000
    assert [n for n in range(50) if found.get(f"after{n}") != b"2" * 1000] == []


def _put_until_refused(store: LevelStore) -> None:
    """LevelDB's own file has some free space."""
    for n in range(1000):
        store.put("meta", str(n), os.urandom(1000))
