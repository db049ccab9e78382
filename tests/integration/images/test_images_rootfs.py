"""The overlay of a container, mounted for real."""

# ruff: noqa: PTH208

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cri_shim.engine import Engine
from cri_shim.errors import NotFound
from cri_shim.images import pull
from cri_shim.linux import mounts
from cri_shim.store.mounting.rootfs import Rootfs
from tests.fixtures.images import Image, Registry, Tar

ID = "c" * 64
LOWER = Tar().directory("./", mode=0o711).directory("etc").file("etc/old", b"old")
LOWER.directory("srv").file("srv/hidden").file("kept", b"kept", uid=42)
UPPER = Tar().whiteout("etc/old").file("etc/new", b"new").directory("srv").opaque("srv")
IMAGE = Image([LOWER, UPPER])


@pytest.fixture
async def layers(engine: Engine, registry: Registry) -> list[str]:
    await pull.pull(engine, registry.push(IMAGE, "rootfs/a:1"))
    return IMAGE.true_diff_ids


@pytest.fixture
async def target(tmp_path: Path, engine: Engine) -> AsyncIterator[Path]:
    path = tmp_path / "bundle" / "rootfs"
    yield path
    await engine.images.rootfs.remove(ID, path)
    assert not mounts.is_mounted(path)
    assert not engine.images.rootfs.directory(ID).exists()


async def test_whiteouts_hide_and_owners_show(
    engine: Engine, layers: list[str], target: Path
) -> None:
    await engine.images.rootfs.prepare(ID, layers, target)

    assert sorted(os.listdir(target)) == ["etc", "kept", "srv"]
    assert os.listdir(target / "etc") == ["new"]
    assert os.listdir(target / "srv") == []
    assert (target / "kept").stat().st_uid == 42
    assert stat.S_IMODE(target.stat().st_mode) == 0o711


async def test_what_a_container_writes_survives_a_restart_of_the_daemon_and_not_a_boot(
    engine: Engine, layers: list[str], target: Path
) -> None:
    await engine.images.rootfs.prepare(ID, layers, target)
    (target / "written").write_bytes(b"1")
    await engine.images.rootfs.prepare(ID, layers, target)  # mounted: nothing to do
    await engine.images.rootfs.unmount(target)

    await engine.images.rootfs.prepare(ID, layers, target)
    kept = (target / "written").read_bytes()
    await engine.images.rootfs.unmount(target)
    stale: list[Path] = []
    other_boot = Rootfs(
        engine.images.layers.opened,
        engine.images.containers,
        "other boot",
        stale.extend,
        engine.images.catalog.describes_root,
    )
    await other_boot.prepare(ID, layers, target)

    assert kept == b"1"
    assert not (target / "written").exists()
    assert [path.name[0] for path in stale] == ["."]
    assert set(os.listdir(engine.images.containers)) == {ID, stale[0].name}


async def test_a_layer_that_repeats_counts_once_at_its_topmost_place(
    engine: Engine, registry: Registry, target: Path
) -> None:
    again = Image([UPPER.bytes(), LOWER.bytes(), UPPER.bytes()])
    await pull.pull(engine, registry.push(again, "rootfs/again:1"))

    await engine.images.rootfs.prepare(ID, again.true_diff_ids, target)

    assert os.listdir(target / "etc") == ["new"]


async def test_an_image_without_layers_is_an_empty_root(engine: Engine, target: Path) -> None:
    await engine.images.rootfs.prepare(ID, [], target)

    assert os.listdir(target) == []
    (target / "f").write_bytes(b"writable")


async def test_a_hundred_layers_make_one_root(
    engine: Engine, registry: Registry, target: Path
) -> None:
    deep = Image([Tar().file(f"f{i}") for i in range(100)])
    await pull.pull(engine, registry.push(deep, "rootfs/deep:1"))

    await engine.images.rootfs.prepare(ID, deep.true_diff_ids, target)

    assert len(os.listdir(target)) == 100


async def test_a_missing_layer_is_said_and_removal_is_idempotent(
    engine: Engine, target: Path
) -> None:
    with pytest.raises(NotFound, match="pull the image again"):
        await engine.images.rootfs.prepare(ID, ["sha256:" + "0" * 64], target)

    await engine.images.rootfs.remove(ID, target)
    await engine.images.rootfs.remove(ID, target)
