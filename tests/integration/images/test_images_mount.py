"""Images mounted on the node: for reading only, beyond the image's end and the daemon's."""

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.aio.child import spawn
from cri_shim.engine import Engine
from cri_shim.errors import WrongState
from cri_shim.images import load, mount, query, remove
from cri_shim.linux import mounts
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Tar
from tests.integration.images.conftest import Open
from tests.integration.images.test_images_recover import background_done

IMAGE = Image(
    [
        Tar().file("kept", b"1").file("gone", b"2"),
        Tar().whiteout("gone").file("new", b"3"),
    ]
)


@pytest.fixture
async def engine(open_images: Open, tmp_path: Path) -> AsyncIterator[Engine]:
    opened = await open_images()
    file = IMAGE.write_docker_archive(tmp_path / "a.tar", ["r.example/mounted:1"])
    await load.load(opened, f"docker-archive:{file}")
    yield opened
    for path in mounts.mounts_below(tmp_path / "run"):
        mounts.unmount(path)


async def test_an_image_is_mounted_whole_and_for_reading_only(engine: Engine) -> None:
    tree = await mount.mount(engine, "r.example/mounted:1")

    assert sorted(path.name for path in tree.iterdir()) == ["kept", "new"]
    with pytest.raises(OSError) as refused:
        (tree / "kept").write_text("changed")
    assert refused.value.errno == errno.EROFS
    await mount.unmount(engine, IMAGE.id)
    assert not mounts.is_mounted(tree)
    assert not tree.exists()


async def test_mounting_and_unmounting_can_be_repeated(engine: Engine) -> None:
    first = await mount.mount(engine, IMAGE.id)
    again = await mount.mount(engine, "r.example/mounted:1")

    assert first == again
    assert len(mounts.mounts_below(first)) == 1
    await mount.unmount(engine, IMAGE.id)
    await mount.unmount(engine, IMAGE.id)
    assert mounts.mounts_below(first) == []


async def test_a_mount_somebody_ended_is_made_again(engine: Engine) -> None:
    tree = await mount.mount(engine, IMAGE.id)
    mounts.unmount(tree)

    await mount.mount(engine, IMAGE.id)

    assert (tree / "kept").read_bytes() == b"1"


async def test_a_mount_that_is_in_use_stays(engine: Engine) -> None:
    tree = await mount.mount(engine, IMAGE.id)
    user = spawn(["sleep", "600"], cwd=str(tree))
    try:
        with pytest.raises(WrongState, match="a process is in"):
            await mount.unmount(engine, IMAGE.id)
        assert (tree / "kept").exists()
    finally:
        await user.end()
    await mount.unmount(engine, IMAGE.id)


async def test_the_layers_of_a_removed_image_stay_until_it_is_unmounted(engine: Engine) -> None:
    tree = await mount.mount(engine, IMAGE.id)

    await remove.remove(engine, IMAGE.id)
    await background_done(engine)

    assert list(query.listed(engine)) == []
    assert (tree / "kept").read_bytes() == b"1"
    assert engine.images.layers.present() == set(IMAGE.true_diff_ids)
    await mount.unmount(engine, IMAGE.id)
    await background_done(engine)
    assert engine.images.layers.present() == set()


async def test_a_mount_outlives_the_daemon_and_is_known_to_the_next(
    engine: Engine, open_images: Open
) -> None:
    tree = await mount.mount(engine, IMAGE.id)
    await remove.remove(engine, IMAGE.id)
    await close(engine)

    after = await open_images()
    await background_done(after)

    assert after.images.mounted.images() == {IMAGE.id: IMAGE.true_diff_ids}
    assert (tree / "new").read_bytes() == b"3"
    await mount.unmount(after, IMAGE.id)
    await background_done(after)
    assert after.images.layers.present() == set()


async def test_a_mount_that_the_last_daemon_did_not_live_to_make_is_cleared_away(
    engine: Engine, open_images: Open, tmp_path: Path
) -> None:
    tree = await mount.mount(engine, IMAGE.id)
    mounts.unmount(tree)  # as if it had died between the record and the mount
    await close(engine)

    after = await open_images()

    assert after.images.mounted.images() == {}
    assert list((tmp_path / "run/images").iterdir()) == []
    assert (await mount.mount(after, IMAGE.id) / "kept").exists()
