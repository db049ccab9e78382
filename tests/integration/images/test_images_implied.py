"""Directories that a layer uses without describing them are what they are in the layers below."""

# ruff: noqa: PTH208

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.images import load, mount, remove
from cri_shim.linux import mounts
from cri_shim.store.catalog import stack
from tests.fixtures.images import MTIME, Image, Tar
from tests.integration.images.conftest import Open

ID = "c" * 64


class Place:
    """An image store, and a place to mount the root file system of an image at."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.images = engine.images
        self._directory = directory
        self.target = directory / "rootfs"

    async def load(self, *layers: Tar) -> Image:
        image = Image([layer.bytes() for layer in layers])
        file = image.write_docker_archive(self._directory / f"{image.id[:12]}.tar", ["x.org/i:1"])
        await load.load(self.engine, f"docker-archive:{file}")
        return image

    def layers(self, image: Image) -> list[str]:
        record = self.images.catalog.image(image.id)
        assert record is not None
        return stack(record)

    async def container(self, *layers: Tar) -> Path:
        image = await self.load(*layers)
        await self.images.rootfs.prepare(ID, self.layers(image), self.target)
        return self.target


@pytest.fixture
async def place(open_images: Open, tmp_path: Path) -> AsyncIterator[Place]:
    yield Place(await open_images(), tmp_path)
    for path in mounts.mounts_below(tmp_path):
        mounts.unmount(path)


def base() -> Tar:
    tar = Tar().directory("tmp", mode=0o1777).directory("srv", mode=0o750, uid=7, gid=8)
    headers = {"SCHILY.xattr.user.kind": "data"}
    return tar.directory("srv/data", mode=0o2770, uid=9, gid=10, pax_headers=headers)


def facts(path: Path) -> tuple[int, int, int, float]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime


async def test_an_implied_directory_is_what_it_is_in_the_layers_below(place: Place) -> None:
    root = await place.container(base(), Tar().file("tmp/a").file("srv/data/b"))

    assert facts(root / "tmp") == (0o1777, 0, 0, MTIME)
    assert facts(root / "srv") == (0o750, 7, 8, MTIME)
    assert facts(root / "srv/data") == (0o2770, 9, 10, MTIME)
    assert os.getxattr(root / "srv/data", "user.kind") == b"data"
    assert (root / "tmp/a").exists()
    assert (root / "srv/data/b").exists()


async def test_a_directory_that_a_layer_describes_is_what_that_layer_says(place: Place) -> None:
    described = Tar().directory("srv", mode=0o700).file("srv/data/b")
    root = await place.container(base(), described, Tar().file("srv/data/c"))

    assert facts(root / "srv") == (0o700, 0, 0, MTIME)
    assert facts(root / "srv/data") == (0o2770, 9, 10, MTIME)


async def test_an_entry_after_its_files_describes_a_directory_as_well(place: Place) -> None:
    late = Tar().file("srv/data/b").directory("srv/data", mode=0o711).directory("srv", mode=0o755)
    root = await place.container(base(), late)

    assert facts(root / "srv") == (0o755, 0, 0, MTIME)
    assert facts(root / "srv/data") == (0o711, 0, 0, MTIME)


async def test_what_lies_below_a_whiteout_does_not_count(place: Place) -> None:
    root = await place.container(base(), Tar().whiteout("srv"), Tar().file("srv/data/b"))

    assert facts(root / "srv")[:3] == (0o755, 0, 0)
    assert facts(root / "srv/data")[:3] == (0o755, 0, 0)


@pytest.mark.parametrize(
    "marks",
    [
        Tar().whiteout("nowhere/x"),
        Tar().whiteout("nowhere/deep/er/x").whiteout("nowhere/y"),
        Tar().opaque("nowhere/deep"),
        Tar().whiteout("nowhere"),
    ],
)
@pytest.mark.parametrize("below", [base(), None])
async def test_whiteouts_alone_make_no_directory(
    place: Place, below: Tar | None, marks: Tar
) -> None:
    layers = [layer for layer in (below, Tar().file("file"), marks) if layer is not None]

    rootfs = await place.container(*layers)

    assert sorted(os.listdir(rootfs)) == (["file", "srv", "tmp"] if below else ["file"])


async def test_a_directory_with_whiteouts_that_a_layer_has_stays(place: Place) -> None:
    rootfs = await place.container(
        Tar().directory("described").file("implied/gone").file("both/kept"),
        Tar().whiteout("described/none").whiteout("implied/gone").whiteout("both/none"),
        Tar().file("new/deep/file").whiteout("new/none").whiteout("srv/data/none"),
    )

    assert sorted(os.listdir(rootfs)) == ["both", "described", "implied", "new"]
    assert not (rootfs / "new/none").exists()
    assert os.listdir(rootfs / "implied") == []


async def test_layers_that_describe_all_they_use_need_no_other_layer(place: Place) -> None:
    image = await place.load(base(), Tar().directory("new").file("new/a"))
    assert place.layers(image) == image.true_diff_ids


async def test_layers_stay_shared_between_images_with_other_directories_below(
    place: Place,
) -> None:
    upper = Tar().file("srv/b").bytes()
    one = Image([Tar().directory("srv", mode=0o700).bytes(), upper])
    two = Image([Tar().directory("srv", mode=0o711).bytes(), upper])
    for image, name in ((one, "one"), (two, "two")):
        file = image.write_docker_archive(place.target.with_name(name), [f"x.org/{name}:1"])
        await load.load(place.engine, f"docker-archive:{file}")

    modes = []
    for number, image in enumerate((one, two)):
        target = place.target.with_name(f"root{number}")
        await place.images.rootfs.prepare(f"{number}" * 64, place.layers(image), target)
        modes.append(facts(target / "srv")[0])

    assert modes == [0o700, 0o711]
    assert one.true_diff_ids[1] == two.true_diff_ids[1]


async def test_an_image_volume_has_them_as_well(place: Place) -> None:
    await place.load(base(), Tar().file("tmp/a"))
    tree = await mount.mount(place.engine, "x.org/i:1")
    assert facts(tree / "tmp") == (0o1777, 0, 0, MTIME)


async def test_the_layer_of_directories_goes_with_its_image(place: Place) -> None:
    image = await place.load(base(), Tar().file("tmp/a"))
    own = place.layers(image)[-1]
    assert own not in image.true_diff_ids
    assert place.images.layers.is_here(own)

    await remove.remove(place.engine, "x.org/i:1")

    assert not place.images.layers.is_here(own)


async def test_loading_again_makes_no_second_layer(place: Place) -> None:
    first = place.layers(await place.load(base(), Tar().file("tmp/a")))
    assert place.layers(await place.load(base(), Tar().file("tmp/a"))) == first


def root_of(mode: int, **fields: int) -> Tar:
    return Tar().directory("./", mode=mode, **fields)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([root_of(0o700, uid=3), Tar().file("a")], (0o700, 3, 0)),
        ([root_of(0o700, uid=3), root_of(0o755)], (0o755, 0, 0)),
        ([root_of(0o700), root_of(0o755), Tar().file("a")], (0o755, 0, 0)),
        ([Tar().file("a")], (0o755, 0, 0)),
    ],
    ids=["described below", "set back", "set back below", "never described"],
)
async def test_the_root_is_what_the_topmost_layer_says_that_describes_it(
    place: Place, layers: list[Tar], expected: tuple[int, int, int]
) -> None:
    root = await place.container(*layers)
    tree = await mount.mount(place.engine, "x.org/i:1")
    assert facts(root)[:3] == expected
    assert facts(tree)[:3] == expected


async def test_an_opaque_mark_at_the_root_hides_all_below(place: Place) -> None:
    mark = Tar().file(".wh..wh..opq").file("new")
    root = await place.container(base(), mark)
    tree = await mount.mount(place.engine, "x.org/i:1")
    assert [path.name for path in root.iterdir()] == ["new"]
    assert [path.name for path in tree.iterdir()] == ["new"]
