"""What a new daemon makes of what the last one left."""

# ruff: noqa: PTH208

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cri_shim.aio.child import run
from cri_shim.engine import Engine
from cri_shim.images import mount, pull, query
from cri_shim.state.memory import MemoryStore
from cri_shim.store import image_store
from cri_shim.store.manifest import host_architecture
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Registry, Tar, tree
from tests.fixtures.layer_stores import lose
from tests.integration.images.conftest import Open


def image_of(*names: str) -> Image:
    return Image([Tar().file(f"r-{name}", name.encode()) for name in names])


async def background_done(engine: Engine, *, settled: bool = False) -> None:
    """Return when what is to go has gone; `settled`: and what was pulled is on the disk."""
    background = engine.images._background
    while tasks := [t for t in background if settled or t.get_name() != image_store._SETTLE]:
        await asyncio.gather(*tasks)


async def test_images_and_names_are_there_again(open_images: Open, registry: Registry) -> None:
    image = image_of("a")
    name = registry.push(image, "recover/a:1")
    before = await open_images()
    await pull.pull(before, name)
    shown = list(query.listed(before))
    await close(before)

    after = await open_images()

    assert list(query.listed(after)) == shown
    assert await pull.pull(after, name) == image.id


async def test_only_the_image_with_a_missing_layer_is_dropped(
    open_images: Open, registry: Registry
) -> None:
    whole, torn = image_of("base", "whole"), image_of("base", "torn")
    before = await open_images()
    await pull.pull(before, registry.push(whole, "recover/whole:1"))
    name = registry.push(torn, "recover/torn:1")
    await pull.pull(before, name)
    await close(before)
    lose(before.images.layers.path(torn.true_diff_ids[1]))

    after = await open_images()

    assert [image.id for image in query.listed(after)] == [whole.id]
    assert await pull.pull(after, name) == torn.id


async def test_a_bad_record_is_set_aside_and_the_others_stay(
    open_images: Open, registry: Registry, state: MemoryStore
) -> None:
    image = image_of("good")
    before = await open_images()
    await pull.pull(before, registry.push(image, "recover/good:1"))
    await close(before)
    state.put("image", "e" * 64, b"\xff\xff garbage")

    after = await open_images()

    assert [found.id for found in query.listed(after)] == [image.id]


async def test_leftovers_of_a_pull_that_died_are_deleted(
    open_images: Open, registry: Registry
) -> None:
    before = await open_images()
    await close(before)
    root = before.images.root
    for path in ("images/layouts/x/blobs/sha256", "layers/.new-1/d", "layers/.trash-1", "layers/"
                 + "a" * 64, "containers/.old"):  # fmt: skip
        (root / path).mkdir(parents=True)
    before.images.blobs.path("b" * 64).write_bytes(b"stray")
    before.images.secrets.mkdir(parents=True)
    (before.images.secrets / "auth-1.json").write_bytes(b"{}")

    after = await open_images()
    await background_done(after)

    assert os.listdir(after.images.layouts) == []
    assert os.listdir(after.images.layers.directory) == []
    assert os.listdir(after.images.blobs.directory) == []
    assert os.listdir(after.images.containers) == []
    assert os.listdir(after.images.secrets) == []


async def test_layers_that_containers_hold_outlive_their_records(
    open_images: Open, registry: Registry
) -> None:
    image = image_of("held")
    before = await open_images()
    await pull.pull(before, registry.push(image, "recover/held:1"))
    await close(before)
    before.images.catalog.forget_layer(image.true_diff_ids[0])

    after = await open_images(held_layers=lambda: set(image.true_diff_ids))

    kept = after.images.layers.path(image.true_diff_ids[0])
    inode = kept.stat().st_ino
    assert list(query.listed(after)) == []
    assert await pull.pull(after, registry.name("recover/held:1")) == image.id
    assert kept.stat().st_ino == inode  # in use by a mount: not replaced


async def test_a_directory_whose_files_had_not_reached_the_disk_does_not_outlive_the_boot(
    open_images: Open, registry: Registry
) -> None:
    image = image_of("unsynced")
    before = await open_images(layers_as="directories")
    await pull.pull(before, registry.push(image, "recover/unsynced:1"))
    await close(before)
    same_boot = await open_images()
    still = [found.id for found in query.listed(same_boot)]
    await close(same_boot)
    same_boot.images.catalog._records.put("meta", f"unsynced/{image.true_diff_ids[0]}", b"old boot")

    after = await open_images(boot="next boot")

    assert still == [image.id]
    assert list(query.listed(after)) == []


@pytest.mark.parametrize("damaged", [False, True])
async def test_after_a_power_cut_what_is_made_of_whole_layers_is_made_again(
    open_images: Open, registry: Registry, damaged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    base = Tar().directory("srv", mode=0o750).directory("usr").directory("usr/lib")
    base.symlink("lib", "usr/lib")
    image = Image([base, Tar().file("srv/file", b"1").file("lib/x", b"2")])
    before = await open_images(layers_as="erofs")
    id = await pull.pull(before, registry.push(image, "recover/implied:1"))
    before_cut = before.images.catalog.image(id)
    shown = tree(await mount.mount(before, id))
    await mount.unmount(before, id)
    await close(before)
    for layer in before.images.layers.present():
        before.images.catalog._records.put("meta", f"unsynced/{layer}", b"old boot")
    assert before_cut is not None
    assert before_cut.directories and before_cut.redirected
    if damaged:  # one of its own layers
        os.truncate(before.images.layers.path(image.true_diff_ids[0]), 4096)

    after = await open_images(boot="next boot")
    await background_done(after)

    assert after.images.catalog.image(id) == (None if damaged else before_cut)
    assert ("is dropped" in caplog.text) == damaged
    if not damaged:
        assert tree(await mount.mount(after, id)) == shown
        await mount.unmount(after, id)


async def test_the_layers_of_a_dropped_image_that_are_whole_are_not_fetched_again(
    open_images: Open, registry: Registry
) -> None:
    image = image_of("one", "two", "three")
    before = await open_images()
    name = registry.push(image, "recover/partly:1")
    await pull.pull(before, name)
    await close(before)
    lose(before.images.layers.path(image.true_diff_ids[1]))

    after = await open_images(grace=600.0)
    listed = list(query.listed(after))
    await pull.pull(after, name)

    assert listed == []
    told = after.images.pulls.counters.facts()
    assert (told["layersFetched"], told["layersHere"]) == (1, 2)


async def test_a_settled_layer_outlives_the_boot(open_images: Open, registry: Registry) -> None:
    image = image_of("settled")
    before = await open_images()
    await pull.pull(before, registry.push(image, "recover/settled:1"))
    await close(before)
    same_boot = await open_images()
    await background_done(same_boot, settled=True)
    await close(same_boot)

    after = await open_images(boot="next boot")

    assert [found.id for found in query.listed(after)] == [image.id]


async def test_a_daemon_killed_in_the_middle_of_a_pull_leaves_nothing_visible(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    image = image_of("killed", "too")
    name = registry.push(image, "recover/killed:1")
    for step in ("fetch", "unpack", "commit_layer", "catalogue", "cleanup"):
        await _pull_and_die(tmp_path, registry, name, step)

        after = await open_images()
        await background_done(after)
        assert os.listdir(after.images.layouts) == []
        assert list(query.listed(after)) == []
        assert os.listdir(after.images.layers.directory) == []
        await close(after)
    assert await pull.pull(await open_images(), name) == image.id


async def _pull_and_die(tmp_path: Path, registry: Registry, name: str, step: str) -> None:
    """Pull in a daemon of its own that is killed at a step; its records die with it."""
    plan = tmp_path / "plan"
    plan.write_text(f"images.pull.{step} kill\n")
    program = f"""
import asyncio
from pathlib import Path
from types import SimpleNamespace
from cri_shim.images import pull
from cri_shim.state.memory import MemoryStore
from cri_shim.store.image_store import ImageStore
from cri_shim.store.archives.skopeo import Skopeo
from cri_shim.work import Work
async def main():
    top, state = Path({str(tmp_path)!r}), MemoryStore()
    conf = Path({str(registry.conf)!r})
    skopeo = Skopeo(registries_conf=conf, architecture={host_architecture()!r})
    images = ImageStore(top / "root", top / "run", state, boot_id="b", skopeo=skopeo)
    await images.recover([], [])
    await pull.pull(SimpleNamespace(images=images, work=Work()), {name!r})
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
        await pull.pull(before, registry.push(image, f"recover/{name}:1"))
    rootfs = tmp_path / "bundle" / "rootfs"
    await before.images.rootfs.prepare("c" * 64, mounted.true_diff_ids, rootfs)
    await close(before)
    for kind in ("image", "layer", "meta"):
        for id, _ in list(state.items(kind)):
            state.delete(kind, id)

    after = await open_images()
    await background_done(after)

    assert after.images.layers.present() == set(mounted.true_diff_ids)
    assert (rootfs / "r-mounted").read_bytes() == b"mounted"
    await after.images.rootfs.remove("c" * 64, rootfs)
    await close(after)
    last = await open_images()
    await background_done(last)
    assert last.images.layers.present() == set()
