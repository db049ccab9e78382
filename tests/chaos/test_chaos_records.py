"""Damaged or lost records and layers: the daemon starts and serves all others."""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cri_shim.errors import CriShimError
from cri_shim.pb import api_pb2 as api
from cri_shim.state.leveldb import LevelStore
from tests.chaos import records
from tests.chaos.conftest import IMAGE
from tests.chaos.rig import Rig
from tests.fixtures import busybox
from tests.fixtures.cri import container_config
from tests.fixtures.images import Registry
from tests.fixtures.layer_stores import lose

Spoil = Callable[[LevelStore, str], None]


def cut(store: LevelStore, id: str) -> None:
    value = store.get("container", id)
    assert value is not None
    store.put("container", id, value[: len(value) // 2])


def fill_with_garbage(store: LevelStore, id: str) -> None:
    store.put("container", id, b"\xff" * 100)


def empty(store: LevelStore, id: str) -> None:
    store.put("container", id, b"")


def swap_id(store: LevelStore, id: str) -> None:
    """Store the record of one container under the id of another."""
    others = [other for other in store.items("container") if other[0] != id]
    store.put("container", id, others[0][1])


SPOILS = [cut, fill_with_garbage, empty, swap_id]


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_bad_record_is_set_aside_and_named_and_the_others_are_served(
    rig: Rig, spoil: Spoil
) -> None:
    cri = rig.cri
    pod = await cri.run_pod()
    good = await cri.run(pod, ["sleep", "600"], name="good")
    before = await rig.snapshot()
    bad = await cri.run(pod, ["sleep", "600"], name="bad")
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        spoil(store, bad)
    await rig.restart()
    cri = rig.cri
    assert await cri.containers() == [good]
    assert await cri.sh(good, "echo served") == "served\n"
    assert f"container record {bad} is set aside" in rig.daemon.log.read_text()
    await rig.becomes(before)
    await cri.run(pod, ["sleep", "600"], name="bad")


async def test_a_container_without_its_record_is_removed(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    before = await rig.snapshot()
    lost = await rig.cri.run(pod, ["sleep", "600"])
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        store.delete("container", lost)
    await rig.restart()
    await rig.becomes(before)
    await rig.cri.run(pod, ["sleep", "600"])


async def test_a_pod_without_its_record_is_removed(rig: Rig) -> None:
    kept = await rig.cri.run_pod()
    before = await rig.snapshot()
    lost = await rig.cri.run_pod()
    container = await rig.cri.run(lost, ["sleep", "600"])
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        store.delete("pod", lost)
    await rig.restart()
    assert await rig.cri.pods() == [kept]
    await rig.cri.remove(container)
    await rig.becomes(before)


async def test_a_damaged_table_loses_only_its_own_records(rig: Rig) -> None:
    """Containers whose records are lost are ended, all others are served."""
    pod = await rig.cri.run_pod()
    before = await rig.snapshot()
    ids = [await rig.cri.run(pod, ["sleep", "600"], name=f"c{n}") for n in range(6)]
    pids = {id: (await rig.cri.info(id))["pid"] for id in ids}
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        assert store._db is not None
        store._db.compact_range()
    for table in rig.daemon.root.glob("state/*.ldb"):
        table.write_bytes(table.read_bytes().replace(min(ids)[:20].encode(), b"\xa5" * 20))
    await rig.restart()
    left = await rig.cri.containers()
    lost = set(ids) - set(left)
    assert lost >= {min(ids)}
    assert "was damaged" in rig.daemon.log.read_text()
    assert [await rig.cri.sh(id, "echo served") for id in left] == ["served\n"] * len(left)
    await rig.until(lambda: not any(Path(f"/proc/{pids[id]}").exists() for id in lost))
    for id in left:
        await rig.cri.remove(id)
    await rig.becomes(before)


async def older_record(rig: Rig, id: str, value: bytes) -> None:
    """Restart the daemon with an older record of a container."""
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        store.put("container", id, value)
    await rig.restart()


async def record_of(rig: Rig, id: str) -> bytes:
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        value = store.get("container", id)
    assert value is not None
    await rig.restart()
    return value


async def test_a_running_container_is_taken_over_although_its_record_is_older_than_its_start(
    rig: Rig,
) -> None:
    id = await rig.cri.create(await rig.cri.run_pod(), container_config(["sleep", "600"]))
    created = await record_of(rig, id)
    await rig.cri.start(id)
    pid = (await rig.cri.info(id))["pid"]
    await older_record(rig, id, created)
    assert (await rig.cri.status(id)).state == api.CONTAINER_RUNNING
    assert (await rig.cri.info(id))["pid"] == pid
    assert await rig.cri.sh(id, "echo served") == "served\n"
    await rig.cri.stop(id)
    assert (await rig.cri.exited(id)).exit_code == 137


async def test_an_ended_container_keeps_its_exit_although_its_record_is_older_than_its_start(
    rig: Rig,
) -> None:
    config = container_config(["sh", "-c", "exit 5"])
    id = await rig.cri.create(await rig.cri.run_pod(), config)
    created = await record_of(rig, id)
    await rig.cri.start(id)
    await rig.cri.exited(id)
    await older_record(rig, id, created)
    assert (await rig.cri.exited(id)).exit_code == 5


async def test_a_record_without_its_container_is_exited(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    before = await rig.settled()
    id = await rig.cri.create(pod, container_config(["sleep", "600"]))
    created = await record_of(rig, id)
    await rig.cri.remove(id)
    await older_record(rig, id, created)
    assert (await rig.cri.exited(id)).reason == "StartError"
    await rig.cri.remove(id)
    await rig.becomes(before)


async def test_a_start_that_was_not_recorded_in_time_is_completed(rig: Rig) -> None:
    id = await rig.cri.create(await rig.cri.run_pod(), container_config(["sleep", "600"]))
    rig.order("containers.start.record", "kill")
    with suppress(CriShimError, asyncio.CancelledError):
        await rig.cri.start(id)
    rig.pardon()
    await rig.restart()
    assert (await rig.cri.status(id)).state == api.CONTAINER_RUNNING
    assert await rig.cri.sh(id, "echo served") == "served\n"


async def test_an_unreadable_state_is_replaced_by_a_new_one(rig: Rig) -> None:
    """The owner of running containers is still known: they are ended, as they have no record."""
    nothing = await rig.snapshot()
    container = await rig.cri.run(await rig.cri.run_pod(), ["sleep", "600"])
    pid = (await rig.cri.info(container))["pid"]
    rig.daemon.kill()
    for file in (rig.daemon.root / "state").iterdir():
        os.truncate(file, 0)
    await rig.restart()
    assert await rig.cri.pods() == []
    await rig.until(lambda: not Path(f"/proc/{pid}").exists())
    await rig.cri.load_busybox()
    await rig.becomes(nothing)
    await rig.restart()
    assert "belong to another state" not in rig.daemon.log.read_text()


async def test_containers_of_another_state_are_not_touched(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    container = await rig.cri.run(pod, ["sleep", "600"])
    pid = (await rig.cri.info(container))["pid"]
    state = rig.daemon.root / "state"
    rig.daemon.kill()
    state.rename(state.with_name("elsewhere"))  # as if its disk were not mounted
    await rig.restart()
    assert await rig.cri.pods() == []
    assert "belong to another state" in rig.daemon.log.read_text()
    await rig.no_retries()
    assert Path(f"/proc/{pid}").exists()
    rig.daemon.kill()
    shutil.rmtree(state)
    state.with_name("elsewhere").rename(state)
    await rig.restart()
    assert (await rig.cri.status(container)).state == api.CONTAINER_RUNNING
    # The kept blob belonged to no image of the other state: loading the whole image restores it.
    await rig.cri.remove_pod(pod)
    spec = api.ImageSpec(image=busybox.NAME)
    await rig.cri.image.RemoveImage(api.RemoveImageRequest(image=spec))
    await rig.cri.load_busybox()


async def test_a_lost_layer_invalidates_only_its_own_image(rig: Rig, registry: Registry) -> None:
    spec = api.ImageSpec(image=registry.name(IMAGE))
    present = {path.name for path in (rig.daemon.root / "layers").iterdir()}
    await rig.cri.image.PullImage(api.PullImageRequest(image=spec))
    new = {path.name for path in (rig.daemon.root / "layers").iterdir()} - present
    rig.daemon.kill()
    lose(rig.daemon.root / "layers" / min(new))
    await rig.restart()
    images = (await rig.cri.image.ListImages(api.ListImagesRequest())).images
    assert [list(image.repo_tags) for image in images] == [[busybox.NAME]]
    await rig.cri.image.PullImage(api.PullImageRequest(image=spec))
    assert {path.name for path in (rig.daemon.root / "layers").iterdir()} >= new
