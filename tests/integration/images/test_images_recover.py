"""What a new daemon makes of what the last one left."""

# ruff: noqa: PTH208

import asyncio
import os
import shutil
import sys
from pathlib import Path

from cri_shim.aio.child import run
from cri_shim.images import Images
from cri_shim.state.memory import MemoryStore
from cri_shim.store import image_store
from cri_shim.store.manifest import host_architecture
from tests.fixtures.images import Image, Registry, Tar
from tests.integration.images.conftest import Open


def image_of(*names: str) -> Image:
    return Image([Tar().file(f"r-{name}", name.encode()) for name in names])


async def background_done(images: Images, *, settled: bool = False) -> None:
    """Return when what is to go has gone; `settled`: and what was pulled is on the disk."""
    background = images.store._background
    while tasks := [t for t in background if settled or t.get_name() != image_store._SETTLE]:
        await asyncio.gather(*tasks)


async def test_images_and_names_are_there_again(open_images: Open, registry: Registry) -> None:
    image = image_of("a")
    name = registry.push(image, "recover/a:1")
    before = await open_images()
    await before.pull(name)
    shown = list(before.list())
    await before.close()

    after = await open_images()

    assert list(after.list()) == shown
    assert await after.pull(name) == image.id


async def test_only_the_image_with_a_missing_layer_is_dropped(
    open_images: Open, registry: Registry
) -> None:
    whole, torn = image_of("base", "whole"), image_of("base", "torn")
    before = await open_images()
    await before.pull(registry.push(whole, "recover/whole:1"))
    name = registry.push(torn, "recover/torn:1")
    await before.pull(name)
    await before.close()
    shutil.rmtree(before.store.layers.path(torn.true_diff_ids[1]))

    after = await open_images()

    assert [image.id for image in after.list()] == [whole.id]
    assert await after.pull(name) == torn.id


async def test_a_bad_record_is_set_aside_and_the_others_stay(
    open_images: Open, registry: Registry, state: MemoryStore
) -> None:
    image = image_of("good")
    before = await open_images()
    await before.pull(registry.push(image, "recover/good:1"))
    await before.close()
    state.put("image", "e" * 64, b"\xff\xff garbage")

    after = await open_images()

    assert [found.id for found in after.list()] == [image.id]


async def test_leftovers_of_a_pull_that_died_are_deleted(
    open_images: Open, registry: Registry
) -> None:
    before = await open_images()
    await before.close()
    root = before.store.root
    for path in ("images/layouts/x/blobs/sha256", "layers/.new-1/d", "layers/.trash-1", "layers/"
                 + "a" * 64, "containers/.old"):  # fmt: skip
        (root / path).mkdir(parents=True)
    before.store.blobs.path("b" * 64).write_bytes(b"stray")
    before.store.secrets.mkdir(parents=True)
    (before.store.secrets / "auth-1.json").write_bytes(b"{}")

    after = await open_images()
    await background_done(after)

    assert os.listdir(after.store.layouts) == []
    assert os.listdir(after.store.layers.directory) == []
    assert os.listdir(after.store.blobs.directory) == []
    assert os.listdir(after.store.containers) == []
    assert os.listdir(after.store.secrets) == []


async def test_layers_that_containers_hold_outlive_their_records(
    open_images: Open, registry: Registry
) -> None:
    image = image_of("held")
    before = await open_images()
    await before.pull(registry.push(image, "recover/held:1"))
    await before.close()
    before.store.catalog.forget_layer(image.true_diff_ids[0])

    after = await open_images(held_layers=lambda: set(image.true_diff_ids))

    kept = after.store.layers.path(image.true_diff_ids[0])
    inode = kept.stat().st_ino
    assert list(after.list()) == []
    assert await after.pull(registry.name("recover/held:1")) == image.id
    assert kept.stat().st_ino == inode  # in use by a mount: not replaced


async def test_a_layer_whose_files_had_not_reached_the_disk_does_not_outlive_the_boot(
    open_images: Open, registry: Registry
) -> None:
    image = image_of("unsynced")
    before = await open_images()
    await before.pull(registry.push(image, "recover/unsynced:1"))
    await before.close()
    same_boot = await open_images()
    still = [found.id for found in same_boot.list()]
    await same_boot.close()
    same_boot.store.catalog._records.put("meta", f"unsynced/{image.true_diff_ids[0]}", b"old boot")

    after = await open_images(boot="next boot")

    assert still == [image.id]
    assert list(after.list()) == []


async def test_a_settled_layer_outlives_the_boot(open_images: Open, registry: Registry) -> None:
    image = image_of("settled")
    before = await open_images()
    await before.pull(registry.push(image, "recover/settled:1"))
    await before.close()
    same_boot = await open_images()
    await background_done(same_boot, settled=True)
    await same_boot.close()

    after = await open_images(boot="next boot")

    assert [found.id for found in after.list()] == [image.id]


async def test_a_daemon_killed_in_the_middle_of_a_pull_leaves_nothing_visible(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    image = image_of("killed", "too")
    name = registry.push(image, "recover/killed:1")
    for step in ("fetch", "unpack", "commit_layer", "catalogue", "cleanup"):
        await _pull_and_die(tmp_path, registry, name, step)

        after = await open_images()
        await background_done(after)
        assert os.listdir(after.store.layouts) == []
        assert list(after.list()) == []
        assert os.listdir(after.store.layers.directory) == []
        await after.close()
    assert await (await open_images()).pull(name) == image.id


async def _pull_and_die(tmp_path: Path, registry: Registry, name: str, step: str) -> None:
    """Pull in a daemon of its own that is killed at a step; its records die with it."""
    plan = tmp_path / "plan"
    plan.write_text(f"images.pull.{step} kill\n")
    program = f"""
import asyncio
from pathlib import Path
from cri_shim.images import Images
from cri_shim.state.memory import MemoryStore
from cri_shim.store.image_store import ImageStore
from cri_shim.store.skopeo import Skopeo
async def main():
    top, state = Path({str(tmp_path)!r}), MemoryStore()
    conf = Path({str(registry.conf)!r})
    skopeo = Skopeo(registries_conf=conf, architecture={host_architecture()!r})
    images = Images(ImageStore(top / "root", top / "run", state, boot_id="b", skopeo=skopeo), state)
    await images.recover()
    await images.pull({name!r})
asyncio.run(main())
"""
    environment = {**os.environ, "CRI_SHIM_FAULTS": str(plan)}
    ended = await run([sys.executable, "-c", program], env=environment)
    assert ended.returncode == -9, ended.complaint()


async def test_layers_under_a_container_outlive_a_lost_state(
    open_images: Open, registry: Registry, state: MemoryStore, tmp_path: Path
) -> None:
    mounted, idle = image_of("mounted", "twice"), image_of("idle")
    before = await open_images()
    for image, name in ((mounted, "mounted"), (idle, "idle")):
        await before.pull(registry.push(image, f"recover/{name}:1"))
    rootfs = tmp_path / "bundle" / "rootfs"
    await before.rootfs.prepare("c" * 64, mounted.true_diff_ids, rootfs)
    await before.close()
    for kind in ("image", "layer", "meta"):
        for id, _ in list(state.items(kind)):
            state.delete(kind, id)

    after = await open_images()
    await background_done(after)

    assert after.store.layers.present() == set(mounted.true_diff_ids)
    assert (rootfs / "r-mounted").read_bytes() == b"mounted"
    await after.rootfs.remove("c" * 64, rootfs)
    await after.close()
    last = await open_images()
    await background_done(last)
    assert last.store.layers.present() == set()
