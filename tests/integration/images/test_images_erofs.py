"""Layers that are EROFS files: like directories, shared by containers, checked after a crash."""

# ruff: noqa: PTH208

import io
import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from cri_shim.engine import Engine
from cri_shim.errors import ConfigError
from cri_shim.images import pull, query, remove
from cri_shim.linux import erofs, loop, mounts
from cri_shim.store.erofs import image
from cri_shim.store.erofs.blocks import Blocks
from cri_shim.store.erofs.files import Files
from cri_shim.store.mounting.layer_mounts import LayerMounts
from cri_shim.store.unpack.extract import Extractor
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream
from tests.fixtures.image_engine import close
from tests.fixtures.images import Image, Registry, Tar
from tests.fixtures.layer_stores import FSCK, described, mounted, names_in, needs_erofs, unpack
from tests.integration.images.conftest import Open
from tests.integration.images.test_images_recover import background_done
from tests.integration.images.test_images_unpack import everything

pytestmark = needs_erofs
ID = "c" * 64


def whiteouts() -> Tar:
    tar = Tar().whiteout("etc/gone").directory("var/new").opaque("var/new").opaque("srv")
    tar.file("before").whiteout("before").whiteout("after").file("after", b"2")
    tar.directory("both").file("both/f").whiteout("both")
    return tar.whiteout("later").directory("later").whiteout("implied").file("implied/f")


def replaced() -> Tar:
    tar = Tar().file("a", b"1").file("a", b"22").file("b").directory("b").directory("c")
    tar.file("c/f").file("c", b"now a file").directory("d").directory("d", mode=0o700)
    tar.file("linked", b"x").hard_link("other", "linked").file("linked", b"new")
    tar.directory("e/f/g").file("e/f/g/h").symlink("e", "b").file("e/through", b"x")
    return tar.hard_link("self", "b/through").hard_link("self", "self")


def large() -> Tar:
    tar = Tar().directory("many")
    for number in range(3000):
        tar.file(f"many/{number:05}-{'n' * (number % 200)}", b"%d" % number)
    tar.file("blocks", os.urandom(3 * 4096)).file("more", os.urandom((1 << 20) + 1))
    tar.symlink("long", "t" * 4090).symlink("inline", "t" * 4000).file("-first").file("z" * 255)
    return tar.file("after", b"")


def attributed() -> Tar:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    tar = Tar().xattr_file("c", b"1", {"security.capability": capability, "user.empty": b""})
    tar.xattr_file("big", b"2", {f"user.{name}": b"v" * 300 for name in "abcdefgh"})
    tar.xattr_file("t", b"3", {"trusted.overlay.opaque": b"y", "trusted.mine": b"z"})
    headers = {"SCHILY.xattr.user.on-a-link": "left out", "SCHILY.xattr.unknown.x": "left out"}
    tar.symlink("link", "c", pax_headers=headers).directory("d", pax_headers=headers)
    tar.file("old", mtime=-1).file("late", pax_headers={"mtime": "8000000000.987654321"})
    return tar.file("far", b"", uid=4000000000, gid=4000000001).device("dev", 259, 70000)


TARS = [everything, whiteouts, replaced, large, attributed, Tar]


async def both(top: Path, tar: "Tar | bytes") -> tuple[Path, Path]:
    """Unpack a layer to a file and to a directory."""
    tar = tar.bytes() if isinstance(tar, Tar) else tar
    file = await unpack(top / "erofs", tar, as_erofs=True)
    return file, await unpack(top / "directories", tar, as_erofs=False)


@pytest.mark.parametrize("make", TARS)
async def test_a_file_system_has_the_tree_of_the_directory(
    tmp_path: Path, make: Callable[[], Tar]
) -> None:
    file, directory = await both(tmp_path, make())

    implied = {"etc", "var", "srv", "implied", "e", "e/f"}
    with mounted(file, tmp_path / "m") as tree:
        assert described(tree, implied) == described(directory, implied)
        links = [(tree / name).lstat().st_nlink for name in os.listdir(directory)]
    here = [(directory / name).lstat() for name in os.listdir(directory)]
    assert links == [status.st_nlink for status in here]


@pytest.mark.parametrize("make", TARS)
@pytest.mark.skipif(not FSCK, reason="needs fsck.erofs")
async def test_its_checker_finds_nothing(tmp_path: Path, make: Callable[[], Tar]) -> None:
    file = await unpack(tmp_path / "l", make(), as_erofs=True)

    done = subprocess.run([FSCK, file], capture_output=True, text=True)  # noqa: ASYNC221

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("size", [0, 1, 5000, (64 << 20) + 3, (3 << 30) + 5, 300 << 30])
async def test_a_sparse_file_keeps_its_holes(tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        for at in {0, 4096, 70000, size // 2, max(0, size - 9)}:
            if at < size:
                file.seek(at)
                file.write(b"data of it"[: size - at])
        file.truncate(size)
    tar = subprocess.run(  # noqa: ASYNC221
        ["tar", "-C", source, "-S", "-cf", "-", "sparse"], check=True, capture_output=True
    ).stdout

    path = await unpack(tmp_path / "l", tar, as_erofs=True)

    assert path.stat().st_size < 64 << 20
    with mounted(path, tmp_path / "m") as tree:
        assert (tree / "sparse").stat().st_size == size
        with (tree / "sparse").open("rb") as ours, (source / "sparse").open("rb") as theirs:
            for at in (0, 4000, 70000 - 8, 1 << 20, max(0, size // 2 - 4096), max(0, size - 5000)):
                assert os.pread(ours.fileno(), 9000, at) == os.pread(theirs.fileno(), 9000, at)


NAMES = st.sampled_from(["a", "b", "a/b", "a/c", "b/a", "a/b/c", "./a", "/b/", "a/b/d/e", "c"])
TARGETS = st.sampled_from(["a", "b", "..", "a/b", "/etc", "../b", "nowhere"])


@st.composite
def tars(draw: st.DrawFn) -> Tar:
    tar = Tar()
    for _ in range(draw(st.integers(1, 12))):
        name, mode = draw(NAMES), draw(st.sampled_from([0o644, 0o2755, 0o4711, 0]))
        kind = draw(st.integers(0, 7))
        ids = {"uid": draw(st.integers(0, 3)), "gid": draw(st.integers(0, 3))}
        if kind in (0, 1):
            tar.file(name, b"x" * draw(st.sampled_from([0, 1, 4096, 9999])), mode=mode, **ids)
        elif kind in (2, 3):
            tar.directory(name, mode=mode, **ids)
        elif kind == 4:
            tar.symlink(name, draw(TARGETS), **ids)
        elif kind == 5:
            tar.hard_link(name, draw(NAMES))
        elif kind == 6:
            tar.whiteout(name.strip("/"))
        else:
            tar.opaque(name.strip("/"))
    return tar


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(tar=tars())
def test_any_layer_has_the_same_end_in_both_stores(tmp_path: Path, tar: Tar) -> None:
    data = tar.bytes()
    top = tmp_path / os.urandom(8).hex()
    (top / "directory").mkdir(parents=True)
    before = os.umask(0)
    try:
        directory = _extracted(Extractor(str(top / "directory")), data)
    finally:
        os.umask(before)
    with (top / "file").open("xb", buffering=0) as file, closing(Blocks(file.fileno())) as blocks:
        files = Files(blocks)
        ours = _extracted(Extractor("", files=files), data)
        image.finish(files.root, blocks, os.urandom(16))

    assert ours == directory
    if isinstance(ours, list):
        with mounted(top / "file", top / "m") as tree:
            found = described(tree, names_in(tree))
        assert found == described(top / "directory", names_in(top / "directory"))


def _extracted(extractor: Extractor, tar: bytes) -> list[str] | str:
    """Return the implied directories, or why there are none."""
    try:
        extractor.extract(LayerStream(io.BytesIO(tar)))
    except BadLayer as e:
        return str(e)
    return extractor.implied()


async def test_a_layer_with_access_control_lists_becomes_a_directory(tmp_path: Path) -> None:
    tar = Tar().xattr_file("f", b"x", {"system.posix_acl_access": bytes.fromhex("02000000")})

    path = await unpack(tmp_path / "l", tar, as_erofs=True)

    assert (path / "f").read_bytes() == b"x"
    assert sorted(p.suffix for p in path.parent.iterdir()) == ["", ".recipe"]


async def test_a_kernel_that_needs_one_gets_a_loop_device(tmp_path: Path) -> None:
    file = await unpack(tmp_path / "l", Tar().file("f", b"content"), as_erofs=True)
    (tmp_path / "m").mkdir()

    with loop.attached(file) as device:
        erofs.mount(device, tmp_path / "m")
    try:
        assert (tmp_path / "m/f").read_bytes() == b"content"
    finally:
        mounts.unmount(tmp_path / "m")


# -- in the store -----------------------------------------------------------------------------

IMAGE = Image([Tar().file("low", b"1").file("gone"), Tar().file("high", b"2").whiteout("gone")])


def mounted_layers(tmp_path: Path) -> list[str]:
    return [m.target.name for m in mounts.mountinfo() if m.target.parent == tmp_path / "run/layers"]


async def pulled(engine: Engine, registry: Registry, image: Image = IMAGE) -> str:
    assert engine.images.layer_store.kind == "erofs"
    return await pull.pull(engine, registry.push(image, "erofs/image:1"))


async def test_containers_share_the_mount_of_a_layer_until_the_last_is_gone(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    held = set(IMAGE.true_diff_ids)
    engine = await open_images(held_layers=lambda: held)
    await pulled(engine, registry)
    one, two = tmp_path / "one", tmp_path / "two"

    await engine.images.rootfs.prepare(ID, IMAGE.true_diff_ids, one)
    before = mounted_layers(tmp_path)
    await engine.images.rootfs.prepare("d" * 64, IMAGE.true_diff_ids, two)

    assert sorted(f"sha256:{name}" for name in before) == sorted(held)
    assert mounted_layers(tmp_path) == before
    assert sorted(os.listdir(one)) == sorted(os.listdir(two)) == ["high", "low"]
    await engine.images.rootfs.remove("d" * 64, two)
    await engine.images.rootfs.remove(ID, one)
    held.clear()
    engine.images.collect()
    await background_done(engine)
    assert mounted_layers(tmp_path) == []


async def test_containers_outlive_the_daemon_and_its_mounts(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    engine = await open_images()
    await pulled(engine, registry)
    await engine.images.rootfs.prepare(ID, IMAGE.true_diff_ids, tmp_path / "root")

    await close(engine)

    assert mounted_layers(tmp_path) == []
    assert (tmp_path / "root/low").read_bytes() == b"1"
    await engine.images.rootfs.remove(ID, tmp_path / "root")


async def test_a_pull_leaves_no_mount(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    engine = await open_images()

    await pulled(engine, registry, Image([Tar().directory("d", mode=0o700), Tar().file("d/f")]))
    await background_done(engine)

    assert mounted_layers(tmp_path) == []


async def test_a_container_sees_one_file_system(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    engine = await open_images()
    await pulled(engine, registry)
    await engine.images.rootfs.prepare(ID, IMAGE.true_diff_ids, tmp_path / "root")
    (tmp_path / "root/written").write_bytes(b"3")

    found = {path.lstat().st_dev for path in [tmp_path / "root", *(tmp_path / "root").iterdir()]}

    assert len(found) == 1
    await engine.images.rootfs.remove(ID, tmp_path / "root")


async def test_mounts_of_a_daemon_that_was_killed_are_ended(
    open_images: Open, registry: Registry, tmp_path: Path
) -> None:
    engine = await open_images()
    await pulled(engine, registry)
    await close(engine)
    killed = LayerMounts(tmp_path / "run/layers")
    file = engine.images.layers.path(IMAGE.true_diff_ids[0])
    with killed.opened(file.stem, file):
        pass

    left = mounted_layers(tmp_path)
    after = await open_images()
    await background_done(after)

    assert left == [file.stem]
    assert mounted_layers(tmp_path) == []


async def test_the_removal_of_an_image_removes_its_files(
    open_images: Open, registry: Registry
) -> None:
    engine = await open_images()
    id = await pulled(engine, registry)
    record = engine.images.catalog.layer(IMAGE.true_diff_ids[0])
    before = engine.images.layers.usage(IMAGE.true_diff_ids[0])

    await remove.remove(engine, id)
    await background_done(engine)

    assert record is not None
    assert (record.size, record.inodes) == (before.used_bytes, before.inodes) != (0, 0)
    assert os.listdir(engine.images.layers.directory) == []
    assert os.listdir(engine.images.layers.recipes) == []


@pytest.mark.parametrize("order", [("erofs", "directories"), ("directories", "erofs")])
async def test_layers_of_either_kind_stay_usable_after_a_change_of_the_setting(
    open_images: Open, registry: Registry, tmp_path: Path, order: tuple[str, str]
) -> None:
    base, more = Tar().file("low", b"1").bytes(), Tar().file("more", b"2").bytes()
    below, above = Image([base]), Image([base, more])
    first = await open_images(layers_as=order[0])
    await pull.pull(first, registry.push(below, "erofs/below:1"))
    await close(first)

    second = await open_images(layers_as=order[1])
    await pull.pull(second, registry.push(above, "erofs/above:1"))

    kinds = [second.images.layers.path(layer).is_file() for layer in above.true_diff_ids]
    assert kinds == [kind == "erofs" for kind in order]
    await second.images.rootfs.prepare(ID, above.true_diff_ids, tmp_path / "root")
    assert sorted(os.listdir(tmp_path / "root")) == ["low", "more"]
    await second.images.rootfs.remove(ID, tmp_path / "root")


async def test_erofs_that_is_wanted_and_impossible_is_an_error(open_images: Open) -> None:
    with pytest.raises(ConfigError, match=r"image.layer_store = .* user namespace only; use"):
        await open_images(layers_as="erofs", userns=True)


@pytest.mark.parametrize("damaged", ["", "layers", "recipes"])
async def test_after_a_power_cut_a_layer_stays_if_it_is_whole(
    open_images: Open,
    registry: Registry,
    damaged: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    image = Image([Tar().directory("./").file("low", b"1" * 5000)])
    layer = image.true_diff_ids[0]
    engine = await open_images()
    id = await pulled(engine, registry, image)
    await close(engine)
    engine.images.catalog._records.put("meta", f"unsynced/{layer}", b"old boot")
    if damaged:
        file = next((engine.images.root / damaged).iterdir())
        with file.open("r+b") as opened:
            os.pwrite(opened.fileno(), b"\0" * 8, file.stat().st_size // 2)

    after = await open_images(boot="next boot")
    await background_done(after)

    assert [found.id for found in query.listed(after)] == ([] if damaged else [id])
    assert after.images.layers.present() == (set() if damaged else {layer})
    assert (f"layer {layer} is damaged" in caplog.text) == bool(damaged)
    assert after.images.catalog.doubtful() == set()
    assert await pull.pull(after, registry.name("erofs/image:1")) == id
