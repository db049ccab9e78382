"""A reboot: no process, mount or namespace is left, and the run root is empty."""

import shutil
from collections.abc import Iterator

import pytest

from cri_shim.linux import boot, mounts
from cri_shim.pb import api_pb2 as api
from tests.chaos import records, world
from tests.chaos.cni_spy import Spy
from tests.chaos.rig import Rig, mortal_daemon, spied
from tests.fixtures.cri import pod_config
from tests.fixtures.daemon import Daemon

PODS = 19


def another_boot(daemon: Daemon) -> None:
    """Let the daemon read the boot's id from a file."""
    file = daemon.directory / "boot_id"
    file.write_text(boot.boot_id())
    daemon.env["CRI_SHIM_BOOT_ID_FILE"] = str(file)
    spied(daemon)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with mortal_daemon({}, another_boot) as started:
        yield started


def reboot(daemon: Daemon) -> None:
    """Remove what a reboot removes, and change the boot's id."""
    daemon.kill()
    world.kill_all(daemon)
    for path in reversed(mounts.mounts_below(daemon.directory)):
        mounts.unmount(path)
    shutil.rmtree(daemon.run_root)
    shutil.rmtree(world.netns(daemon), ignore_errors=True)  # it does not exist without pods
    (daemon.directory / "boot_id").write_text("another boot\n")


async def test_after_a_reboot_all_objects_are_ended_and_all_addresses_are_free(
    rig: Rig,
) -> None:
    cri, spy = rig.cri, Spy(rig.daemon.directory / "plugins")
    pods = [await cri.run_pod() for _ in range(PODS)]
    shared = pod_config(rig.daemon, linux=api.LinuxPodSandboxConfig(), hostname="h")
    pods.append(await cri.run_pod(shared))
    running = await cri.run(pods[0], ["sleep", "600"])
    done = await cri.run(pods[1], ["sh", "-c", "exit 3"])
    ended = await cri.exited(done)
    reboot(rig.daemon)
    await rig.restart()
    cri = rig.cri
    assert (rig.daemon.run_root / "alive").read_text() == "another boot\n"
    assert set(await cri.pods(state=api.PodSandboxStateValue(state=api.SANDBOX_NOTREADY))) == {
        *pods
    }
    assert (await cri.status(running)).state == api.CONTAINER_EXITED
    assert (await cri.status(running)).exit_code == 255
    assert await cri.status(done) == ended
    await rig.no_retries()
    assert set(spy.calls("DEL")) == {*pods}
    assert list(rig.daemon.root.glob("cni/networks/*/*.*.*.*")) == []
    told, marked = await rig.told(), (rig.daemon.run_root / "alive").stat().st_mtime_ns
    await rig.restart()
    await rig.no_retries()
    assert await rig.told() == told
    assert len(spy.calls("DEL")) == PODS + 1
    assert (rig.daemon.run_root / "alive").stat().st_mtime_ns >= marked
    await works(rig)


async def works(rig: Rig) -> None:
    """Check that directories, cgroups and networks of new pods are made as on a new node."""
    await rig.cri.load_busybox()  # its layers may not have been on the disk, so it was dropped
    container = await rig.cri.run(await rig.cri.run_pod(), ["sleep", "600"])
    assert await rig.cri.sh(container, "echo alive") == "alive\n"


async def test_a_bad_record_is_set_aside_and_named_and_the_others_are_refreshed(rig: Rig) -> None:
    good, bad = await rig.cri.run_pod(), await rig.cri.run_pod()
    running = await rig.cri.run(good, ["sleep", "600"])
    reboot(rig.daemon)
    with records.opened(rig.daemon) as store:
        store.put("pod", bad, b"\xff\xff torn")
    await rig.restart()
    assert await rig.cri.pods() == [good]
    assert (await rig.cri.status(running)).exit_code == 255
    assert f"pod record {bad} is set aside" in rig.daemon.log.read_text()
    await rig.no_retries()
    await works(rig)


async def test_a_pod_that_cannot_be_refreshed_is_named_and_refreshed_by_the_next_start(
    rig: Rig,
) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "600"])
    reboot(rig.daemon)
    rig.order("recovery.refresh.pod", "fail")
    await rig.restart()
    assert f"({pod[:12]}) could not be recovered" in rig.log()
    assert (await rig.cri.status(container)).state == api.CONTAINER_EXITED
    rig.pardon()
    await rig.restart()
    assert (await rig.cri.pod_status(pod)).state == api.SANDBOX_NOTREADY
    await rig.no_retries()
    assert set(Spy(rig.daemon.directory / "plugins").calls("DEL")) == {pod}
    await works(rig)


async def test_only_a_pod_that_was_ready_is_reported_as_not_ready_after_a_reboot(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    for number in range(2):
        reboot(rig.daemon)
        (rig.daemon.directory / "boot_id").write_text(f"boot {number}\n")
        await rig.restart()
        await rig.no_retries()
    log = rig.daemon.log.read_text()
    assert log.count(f"({pod[:12]}): the node was restarted; it is not ready now") == 1
    await works(rig)


async def test_a_refresh_that_is_cut_off_is_done_by_the_next_start(rig: Rig) -> None:
    pods = [await rig.cri.run_pod() for _ in range(2)]
    running = await rig.cri.run(pods[1], ["sleep", "600"])
    reboot(rig.daemon)
    rig.order("recovery.refresh.pod", "kill")
    with pytest.raises(AssertionError):  # the daemon ends before it answers
        rig.daemon.start()
    assert not (rig.daemon.run_root / "alive").exists()
    rig.pardon()
    await rig.restart()
    assert (rig.daemon.run_root / "alive").read_text() == "another boot\n"
    not_ready = api.PodSandboxStateValue(state=api.SANDBOX_NOTREADY)
    assert set(await rig.cri.pods(state=not_ready)) == {*pods}
    assert (await rig.cri.status(running)).exit_code == 255
    await rig.no_retries()
    assert set(Spy(rig.daemon.directory / "plugins").calls("DEL")) == {*pods}
    await works(rig)
