"""ImageFsInfo: what engine and containers take is what `du` says, and nothing is walked for it."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.images import pull, query, remove
from cri_shim.linux import disk
from cri_shim.pb.state_pb2 import LayerRecord
from cri_shim.state.memory import MemoryStore
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Registry, Tar, busybox_image
from tests.fixtures.trees import make_wide
from tests.integration.images.conftest import Open

HOLE = 64 << 30  # bytes
CONTAINER = "c" * 64


def du(*tops: Path) -> tuple[int, int]:
    """Bytes and inodes, each file once."""
    found = []
    for unit in ("--block-size=1", "--inodes"):
        words = ["du", "--summarize", "--total", unit, *map(str, tops)]
        lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        found.append(int(lines.splitlines()[-1].split()[0]))
    return found[0], found[1]


def of_images(engine: Engine) -> tuple[int, int]:
    """What `du` says of all that engine have; the three directories themselves are not theirs."""
    root = engine.images.root
    tops = (root / "layers", root / "recipes", engine.images.blobs.directory)
    return du(*(entry for top in tops if top.is_dir() for entry in top.iterdir()))


async def told(engine: Engine) -> tuple[int, int]:
    (layers,) = (await query.fs_info(engine)).image_filesystems
    return layers.used_bytes.value, layers.inodes_used.value


def odd_layer() -> Tar:
    """Much of what is counted wrongly when the archive is believed."""
    layer = Tar().directory("d").file("d/data", os.urandom(3 << 20)).hard_link("d/link", "d/data")
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "d/hole",
              "GNU.sparse.realsize": str(HOLE)}  # fmt: skip
    extent = f"1\n{HOLE - 512}\n512\n".encode()
    layer.file("d/sparse", extent.ljust(512, b"\0") + b"x" * 512, pax_headers=sparse)
    layer.file("d/again", os.urandom(2 << 20)).file("d/again", b"small")
    layer.directory("gone").file("gone/f", os.urandom(1 << 20)).file("gone", b"now a file")
    for number in range(200):
        layer.file(f"d/small{number}", b"x").symlink(f"d/symlink{number}", "y" * 100)
    return layer


@pytest.mark.parametrize("keep_blobs", [False, True])
async def test_images_take_what_du_says(
    open_images: Open, registry: Registry, keep_blobs: bool
) -> None:
    engine = await open_images(keep_blobs=keep_blobs)
    await pull.pull(engine, registry.push(Image([odd_layer(), Tar().file("two")]), "usage/odd:1"))
    base = busybox_image()
    await pull.pull(engine, registry.push(base, "usage/base:1"))
    more = Image([base.layers[0], Tar().file("more", os.urandom(1 << 20))])
    await pull.pull(engine, registry.push(more, "usage/more:1"))

    used, inodes = await told(engine)

    really, entries = of_images(engine)
    assert used == pytest.approx(really, rel=0.01)
    assert inodes == entries
    assert used < HOLE
    kept = engine.images.blobs.path(hashlib.sha256(more.blobs[1]).hexdigest())
    assert kept.exists() == keep_blobs


async def test_it_is_the_same_after_a_removal_and_after_a_start(
    open_images: Open, registry: Registry
) -> None:
    engine = await open_images(keep_blobs=True)
    odd = await pull.pull(engine, registry.push(Image([odd_layer()]), "usage/gone:1"))
    await pull.pull(engine, registry.push(busybox_image(), "usage/stays:1"))

    await remove.remove(engine, odd)
    await close(engine)
    again = await open_images(keep_blobs=True)

    assert await told(engine) == await told(again) == of_images(again)


async def test_layers_of_an_older_record_are_counted_at_the_start(
    open_images: Open, registry: Registry, state: MemoryStore
) -> None:
    engine = await open_images()
    await pull.pull(engine, registry.push(Image([odd_layer()]), "usage/old:1"))
    await close(engine)
    ((id, value),) = state.items("layer")
    old = LayerRecord.FromString(value)
    claimed = LayerRecord(version=1, diff_id=old.diff_id, size=HOLE, inodes=3)
    state.put("layer", id, claimed.SerializeToString())

    again = await open_images()
    await asyncio.gather(*again.images._background)

    counted = LayerRecord.FromString(state.get("layer", id) or b"")
    assert counted.counted
    assert await told(again) == of_images(again)


async def test_what_containers_wrote_is_what_du_says(engine: Engine) -> None:
    ids = [letter * 64 for letter in "abc"]
    for id in ids:
        await engine.images.rootfs.prepare(id, [], engine.images.root / "mounts" / id)
    uppers = [engine.images.rootfs.upper(id) for id in ids]
    make_wide(uppers[0] / "wide", 1000)
    (uppers[1] / "data").write_bytes(os.urandom(5 << 20))
    (uppers[1] / "link").hardlink_to(uppers[1] / "data")
    with (uppers[2] / "hole").open("wb") as file:
        file.truncate(HOLE)

    answer = await query.fs_info(engine)

    (layers,), (written,) = answer.image_filesystems, answer.container_filesystems
    assert layers.fs_id.mountpoint == written.fs_id.mountpoint == str(engine.images.root.resolve())
    really, inodes = du(*(engine.images.containers / id for id in ids))
    assert written.used_bytes.value == really
    assert written.inodes_used.value == inodes
    for id in ids:
        await engine.images.rootfs.remove(id, engine.images.root / "mounts" / id)
    (written,) = (await query.fs_info(engine)).container_filesystems
    assert written.used_bytes.value == 0


async def test_nothing_is_walked_for_an_answer(
    engine: Engine, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pull.pull(engine, registry.push(busybox_image(), "usage/known:1"))
    target = engine.images.root / "mounts" / CONTAINER
    await engine.images.rootfs.prepare(CONTAINER, [], target)
    first = await query.fs_info(engine)

    def walked(*_: object) -> None:
        raise AssertionError("something was walked")

    monkeypatch.setattr(disk, "usage_unless", walked)
    monkeypatch.setattr(os, "scandir", walked)
    second = await query.fs_info(engine)
    monkeypatch.undo()

    assert first.image_filesystems[0].used_bytes == second.image_filesystems[0].used_bytes
    assert first.container_filesystems[0].used_bytes == second.container_filesystems[0].used_bytes
    await engine.images.rootfs.remove(CONTAINER, target)


@pytest.fixture
def disk_of_its_own(tmp_path: Path) -> Iterator[Path]:
    """A file system with nothing but the root of the image store."""
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256M", "none", root], check=True)
    yield root
    subprocess.run(["umount", "--lazy", root], check=True)


def taken(root: Path) -> int:
    """Bytes that the file system itself says are used."""
    status = os.statvfs(root)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


async def everything(engine: Engine) -> int:
    """Bytes that ImageFsInfo tells, of images and containers."""
    answer = await query.fs_info(engine)
    return sum(
        fs.used_bytes.value for fs in (*answer.image_filesystems, *answer.container_filesystems)
    )


def of_random_bytes(name: str, *bases: Tar) -> Image:
    return Image([*bases, Tar().file(name, os.urandom(4 << 20))])


@pytest.mark.parametrize("keep_blobs", [False, True])
async def test_what_is_told_is_what_the_file_system_says(
    disk_of_its_own: Path, open_images: Open, registry: Registry, keep_blobs: bool
) -> None:
    engine = await open_images(keep_blobs=keep_blobs)
    empty = taken(disk_of_its_own)
    base = Tar().file("base", os.urandom(8 << 20))
    sizes = {}
    for name in ("one", "two"):
        await pull.pull(engine, registry.push(of_random_bytes(name, base), f"fs/{name}:1"))
        sizes[name] = taken(disk_of_its_own)
    target = engine.images.root / "mounts" / CONTAINER
    await engine.images.rootfs.prepare(CONTAINER, [], target)
    (engine.images.rootfs.upper(CONTAINER) / "written").write_bytes(os.urandom(6 << 20))
    blobs = 2 if keep_blobs else 1

    assert sizes["one"] - empty == pytest.approx(blobs * (12 << 20), rel=0.02)
    assert sizes["two"] - sizes["one"] == pytest.approx(blobs * (4 << 20), rel=0.02)
    assert await everything(engine) == pytest.approx(taken(disk_of_its_own) - empty, rel=0.01)

    await remove.remove(engine, registry.name("fs/one:1"))
    await engine.images.rootfs.remove(CONTAINER, target)
    await asyncio.gather(*engine.images._background)

    left = taken(disk_of_its_own) - empty
    assert left == pytest.approx(blobs * (12 << 20), rel=0.02)
    assert await everything(engine) == pytest.approx(left, rel=0.01)


@pytest.mark.parametrize("keep_blobs", [False, True])
async def test_garbage_collection_frees_what_it_was_told(
    disk_of_its_own: Path, open_images: Open, registry: Registry, keep_blobs: bool
) -> None:
    """As the kubelet: it removes images until their sizes are as much as it has to free."""
    engine = await open_images(keep_blobs=keep_blobs)
    for number in range(5):
        text = Tar().file(f"text{number}", bytes([65 + number]) * (10 << 20))  # a small blob
        await pull.pull(engine, registry.push(Image([text]), f"gc/text{number}:1"))
    before, wanted, told_freed = taken(disk_of_its_own), 25 << 20, 0

    for image in list(query.listed(engine)):
        if told_freed < wanted:
            await remove.remove(engine, image.id)
            told_freed += image.size
    await asyncio.gather(*engine.images._background)

    freed = before - taken(disk_of_its_own)
    assert freed == pytest.approx(told_freed, rel=0.01)
    assert wanted <= freed < wanted + (11 << 20)
    assert len(list(query.listed(engine))) == 2
