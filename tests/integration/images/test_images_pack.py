"""Layers that are made: once more as they were, and of what was written through an overlay."""

import gzip
import io
import os
import shutil
import socket
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.linux import mounts
from cri_shim.spec.userns import IdMap
from cri_shim.store import python_child
from cri_shim.store.layers import Layers
from tests.fixtures.images import Image, Tar, busybox_layer, tree
from tests.integration.images.test_images_unpack import everything


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    made = Layers(tmp_path / "layers")
    made.directory.mkdir()
    return made


async def unpacked(layers: Layers, tar: bytes) -> str:
    """Have a layer here under its name; its diff-id."""
    image = Image([tar], compression=("none",))
    (diff_id,) = image.true_diff_ids
    blob = layers.directory.with_name("blob")
    blob.write_bytes(tar)
    temporary, _ = await layers.unpack(blob, diff_id)
    layers.commit(temporary, diff_id)
    return diff_id


def sparse() -> bytes:
    """As GNU tar writes it: a file with holes whose map comes before its data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("GNUSparseFile.0/holes")
        entry.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
            "GNU.sparse.name": "holes", "GNU.sparse.realsize": "1000000",
        }  # fmt: skip
        data = b"2\n0\n100\n500000\n700\n".ljust(512, b"\0") + b"a" * 100 + b"b" * 700
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "everything, pax": lambda: everything(tarfile.PAX_FORMAT).bytes(),
    "everything, gnu": lambda: everything(tarfile.GNU_FORMAT).bytes(),
    "a whole system": lambda: busybox_layer().bytes(),
    "whiteouts": lambda: Tar().directory("d").opaque("d").file("d/a", b"1").whiteout("x").bytes(),
    "sparse": sparse,
    "nothing": lambda: Tar().bytes(),
    "no end": lambda: Tar().file("a", b"1" * 600).bytes()[:1536],
    "something after the end": lambda: Tar().file("a", b"1").bytes() + bytes(512) + b"tail",
}


@pytest.mark.parametrize("archive", ARCHIVES)
async def test_a_layer_is_made_again_byte_for_byte(
    layers: Layers, tmp_path: Path, archive: str
) -> None:
    tar = ARCHIVES[archive]()
    diff_id = await unpacked(layers, tar)

    size = await layers.pack_again(diff_id, tmp_path / "again")

    assert size == len(tar)
    assert (tmp_path / "again").read_bytes() == tar


async def test_a_layer_that_has_a_file_twice_cannot_be_made_again(
    layers: Layers, tmp_path: Path
) -> None:
    diff_id = await unpacked(layers, Tar().file("a", b"first").file("a", b"second").bytes())

    with pytest.raises(ToolFailed, match="cannot be made again: it has become another"):
        await layers.pack_again(diff_id, tmp_path / "again")


async def test_a_layer_whose_recipe_is_lost_or_damaged_cannot_be_made_again(
    layers: Layers, tmp_path: Path
) -> None:
    diff_id = await unpacked(layers, Tar().file("a", b"1").bytes())
    recipe = layers.recipes / diff_id.removeprefix("sha256:")
    recipe.write_bytes(recipe.read_bytes()[:20])
    with pytest.raises(ToolFailed, match="cannot make layer"):
        await layers.pack_again(diff_id, tmp_path / "damaged")
    recipe.unlink()

    with pytest.raises(ToolFailed, match="No such file"):
        await layers.pack_again(diff_id, tmp_path / "lost")


async def test_a_recipe_goes_with_its_layer(layers: Layers) -> None:
    diff_id = await unpacked(layers, Tar().file("a", b"1").bytes())
    other = await unpacked(layers, Tar().file("b", b"2").bytes())

    layers.discard([diff_id])
    shutil.rmtree(layers.path(other))

    here = [path.name for path in layers.recipes.iterdir() if path.name[0] != "."]
    assert here == [layers.path(other).name]
    assert set(layers.recipes.iterdir()) <= set(layers.leftovers())


async def test_what_was_made_of_a_directory_is_made_again_the_same(
    layers: Layers, tmp_path: Path
) -> None:
    source = await unpacked(layers, everything().bytes())
    first = tmp_path / "first"
    made, size = await layers.pack(layers.path(source), first, None, ())

    diff_id = await unpacked(layers, first.read_bytes())
    again, _ = await layers.pack(layers.path(diff_id), tmp_path / "again", None, ())

    assert made == diff_id == again
    assert size == first.stat().st_size
    assert tree(layers.path(diff_id)) == tree(layers.path(source))


def write(top: Path) -> None:
    """Most of what a program can do to a file system."""
    (top / "gone").unlink()
    shutil.rmtree(top / "replaced")
    (top / "replaced").mkdir()
    (top / "replaced/new").write_text("new")
    (top / "changed").write_text("changed")
    os.utime(top / "changed", ns=(1, 1_234_567_890_123_456_789))
    (top / "before-1970").touch()
    os.utime(top / "before-1970", ns=(0, -1_500_000_000))
    (top / "linked").write_text("twice")
    os.link(top / "linked", top / "linked-again")
    os.setxattr(top / "linked", "user.note", b"\xff\x00value")
    os.chown(top / "linked", 3_000_000, 12)
    (top / "set-uid").touch(mode=0o755)
    (top / "set-uid").chmod(0o6755)
    (top / "pointer").symlink_to("/etc/shadow")
    os.mkfifo(top / "pipe")
    os.mknod(top / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    deep = top / ("d" * 120) / "späce \udcff"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x" * 3000)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(top / "socket"))


async def test_what_was_written_through_an_overlay_becomes_a_layer(
    layers: Layers, tmp_path: Path
) -> None:
    base = Tar().file("gone").directory("replaced").file("replaced/old").file("changed", b"1")
    below = await unpacked(layers, base.file("untouched", b"same").bytes())
    upper, work, target = (tmp_path / name for name in ("upper", "work", "target"))
    for directory in (upper, work, target):
        directory.mkdir(mode=0o755)
    mounts.overlay([layers.path(below)], upper, work, target)
    try:
        write(target)
        (target / "proc").mkdir()
        (target / "proc-used").mkdir()
        (target / "proc-used/file").touch()
        expected = tree(target)
    finally:
        mounts.unmount(target)

    await layers.pack(upper, tmp_path / "layer", None, ["/proc", "/proc-used"])

    diff_id = await unpacked(layers, (tmp_path / "layer").read_bytes())
    mounts.overlay([layers.path(diff_id), layers.path(below)], None, None, target)
    try:
        seen = tree(target)
    finally:
        mounts.unmount(target)
    del expected["socket"], expected["proc"]
    assert seen == expected
    with tarfile.open(tmp_path / "layer") as tar:
        names = tar.getnames()
    assert "untouched" not in names
    assert ".wh.gone" in names
    assert names.index("replaced/.wh..wh..opq") < names.index("replaced/new")


async def test_owners_in_a_user_namespace_become_the_images(layers: Layers, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir(mode=0o755)
    for name, owner in (("roots", 100_000), ("users", 101_000), ("nobodys", 5)):
        (upper / name).touch()
        os.chown(upper / name, owner, owner)
    os.chown(upper, 100_000, 100_000)
    # the capability cap_net_raw of the namespace whose root is 100000, as it is written there
    revision_3 = bytes.fromhex("0100000300200000000000000000000000000000a0860100")
    os.setxattr(upper / "roots", "security.capability", revision_3)

    await layers.pack(upper, tmp_path / "layer", IdMap.same(100_000, 65_536), ())

    with tarfile.open(tmp_path / "layer") as tar:
        owners = {entry.name: (entry.uid, entry.gid) for entry in tar}
    assert owners == {"roots": (0, 0), "users": (1000, 1000), "nobodys": (65534, 65534)}
    diff_id = await unpacked(layers, (tmp_path / "layer").read_bytes())
    capability = os.getxattr(layers.path(diff_id) / "roots", "security.capability")
    assert capability == bytes.fromhex("0100000200200000000000000000000000000000")


async def test_a_name_that_would_be_a_whiteout_is_refused(layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/.wh.x").touch()

    with pytest.raises(ToolFailed, match="would become a whiteout"):
        await layers.pack(tmp_path / "upper", tmp_path / "layer", None, ())


async def test_what_overlayfs_keeps_elsewhere_is_refused(layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "upper/moved").mkdir(parents=True)
    os.setxattr(tmp_path / "upper/moved", "trusted.overlay.redirect", b"/was-here")

    with pytest.raises(ToolFailed, match="overlayfs keeps a part of it elsewhere"):
        await layers.pack(tmp_path / "upper", tmp_path / "layer", None, ())


async def test_a_whole_tree_is_packed_without_what_is_mounted_below_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "mounted").mkdir(parents=True)
    (root / "file").write_text("content")
    (root / "outside").symlink_to(tmp_path)
    mounts.tmpfs(root / "mounted", 1 << 20, 0o755)
    try:
        (root / "mounted/secret").touch()
        with (tmp_path / "tar").open("wb") as tar:
            await python_child.call(
                "cri_shim.store.pack.child", "whole", str(root), str(tar.fileno()), "",
                attempt="cannot pack", directory=root, pass_fds=[tar.fileno()],
            )  # fmt: skip
    finally:
        mounts.unmount(root / "mounted")

    with tarfile.open(tmp_path / "tar") as found:
        assert found.getnames() == ["file", "mounted", "outside"]


async def test_a_full_disk_is_named(layers: Layers, tmp_path: Path) -> None:
    diff_id = await unpacked(layers, Tar().file("large", bytes(3 << 20)).bytes())
    small = tmp_path / "small"
    small.mkdir()
    mounts.tmpfs(small, 1 << 20, 0o700)
    try:
        with pytest.raises(Unavailable, match=r"no space left in .*small"):
            await layers.pack_again(diff_id, small / "again")
    finally:
        mounts.unmount(small)


async def test_a_layer_that_was_compressed_is_made_again_uncompressed(
    layers: Layers, tmp_path: Path
) -> None:
    tar = busybox_layer().bytes()
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(tar))
    (diff_id,) = Image([tar]).true_diff_ids
    temporary, _ = await layers.unpack(blob, diff_id)
    layers.commit(temporary, diff_id)

    await layers.pack_again(diff_id, tmp_path / "again")

    assert (tmp_path / "again").read_bytes() == tar
