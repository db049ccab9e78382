"""Records and layers that are damaged or lost: the others are served, the daemon starts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cri_shim.pb import api_pb2 as api
from cri_shim.state.leveldb import LevelStore
from tests.chaos import records
from tests.chaos.conftest import IMAGE
from tests.chaos.rig import Rig
from tests.fixtures import busybox
from tests.fixtures.images import Registry

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
    """Have the record of one container stand under the id of another."""
    others = [other for other in store.items("container") if other[0] != id]
    store.put("container", id, others[0][1])


SPOILS = [cut, fill_with_garbage, empty, swap_id]


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_bad_record_is_set_aside_and_named_and_the_rest_is_served(
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


async def test_a_deleted_container_record_leaves_nothing_of_it(rig: Rig) -> None:
    pod = await rig.cri.run_pod()
    before = await rig.snapshot()
    lost = await rig.cri.run(pod, ["sleep", "600"])
    rig.daemon.kill()
    with records.opened(rig.daemon) as store:
        store.delete("container", lost)
    await rig.restart()
    await rig.becomes(before)
    await rig.cri.run(pod, ["sleep", "600"])


async def test_a_deleted_pod_record_leaves_nothing_of_it(rig: Rig) -> None:
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


async def test_what_runs_for_another_state_is_left_alone(rig: Rig) -> None:
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
    await rig.cri.load_busybox()


async def test_a_lost_layer_takes_only_its_own_image_along(rig: Rig, registry: Registry) -> None:
    spec = api.ImageSpec(image=registry.name(IMAGE))
    present = {path.name for path in (rig.daemon.root / "layers").iterdir()}
    await rig.cri.image.PullImage(api.PullImageRequest(image=spec))
    new = {path.name for path in (rig.daemon.root / "layers").iterdir()} - present
    rig.daemon.kill()
    shutil.rmtree(rig.daemon.root / "layers" / min(new))
    await rig.restart()
    images = (await rig.cri.image.ListImages(api.ListImagesRequest())).images
    assert [list(image.repo_tags) for image in images] == [[busybox.NAME]]
    await rig.cri.image.PullImage(api.PullImageRequest(image=spec))
    assert {path.name for path in (rig.daemon.root / "layers").iterdir()} >= new
