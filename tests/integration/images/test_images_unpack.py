"""The unpacking child: what it makes is what GNU tar makes, and whiteouts become overlay's."""

# ruff: noqa: ASYNC221, PTH208

import os
import stat
import subprocess
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cri_shim.errors import ToolFailed, Unavailable
from cri_shim.linux import disk
from cri_shim.store.layers import Layers
from tests.fixtures.images import MTIME, Image, Tar, busybox_layer, tree
from tests.fixtures.layer_stores import mounted, needs_erofs

Unpack = Callable[..., Awaitable[Path]]


@pytest.fixture(params=["directories", pytest.param("erofs", marks=needs_erofs)])
def as_erofs(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "erofs")


@pytest.fixture
def layers(tmp_path: Path, as_erofs: bool) -> Layers:
    made = Layers(tmp_path / "layers")
    made.directory.mkdir()
    made.erofs = as_erofs
    return made


@pytest.fixture
def unpack(tmp_path: Path, layers: Layers) -> Iterator[Unpack]:
    """A function that unpacks a layer and returns the directory where its files are."""
    with ExitStack() as mounts:

        async def unpack_(tar: "Tar | bytes", compression: str = "gzip") -> Path:
            image = Image([tar], compression=(compression,))  # type: ignore[arg-type]
            blob = tmp_path / "blob"
            blob.write_bytes(image.blobs[0])
            path, record = await layers.unpack(blob, image.true_diff_ids[0])
            assert record.diff_id == image.true_diff_ids[0]
            assert path.is_file() == layers.erofs
            return mounts.enter_context(mounted(path, tmp_path / "m")) if layers.erofs else path

        yield unpack_


def everything(format: int = tarfile.PAX_FORMAT) -> Tar:
    tar = Tar(format).directory("./").directory("dir", mode=0o1777)
    tar.file("dir/owned", b"x" * 5000, uid=1234, gid=4321, mode=0o4755)
    tar.file("dir/group", b"", uid=5, gid=6, mode=0o2711).file("dir/sealed", b"s", mode=0)
    tar.symlink("dir/dangling", "nowhere").directory("closed", mode=0o500, uid=7, gid=8).file(
        "closed/inside", b"in"
    )
    tar.symlink("link", "/etc/passwd", uid=9, gid=9)
    tar.hard_link("again", "dir/owned").hard_link("link-again", "link")
    tar.directory("dev").device("dev/null", 1, 3, mode=0o666).fifo("dev/pipe", mode=0o640)
    tar.directory("shared", mode=0o2775, gid=50).file("shared/roots").directory("shared/below")
    deep = "n" * 90 + "/" + "m" * 90
    tar.directory("n" * 90).directory(deep).file(f"{deep}/long", b"long name")
    return tar.symlink("to-long", "t" * 300).file("späce and\nnewline", b"odd name")


def gnu_tar(tar: bytes, target: Path) -> Path:
    target.mkdir(mode=0o755)
    subprocess.run(
        ["tar", "-C", target, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "-"],
        input=tar,
        check=True,
    )
    return target


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
async def test_a_layer_unpacks_to_what_gnu_tar_makes_of_it(
    unpack: Unpack, tmp_path: Path, format: int
) -> None:
    tar = everything(format).bytes()

    ours = await unpack(tar)

    assert tree(ours) == tree(gnu_tar(tar, tmp_path / "theirs"))


async def test_a_root_file_system_of_debian_files_unpacks_as_gnu_tar_does(
    unpack: Unpack, tmp_path: Path
) -> None:
    tar = subprocess.run(
        ["tar", "-C", "/", "--format=pax", "--xattrs", "-c", "-f", "-",
         "etc/pam.d", "etc/alternatives", "usr/share/zoneinfo/Europe", "usr/bin/passwd"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip

    ours = await unpack(tar)

    theirs = tree(gnu_tar(tar, tmp_path / "theirs"))
    own = tree(ours)
    implicit = {"etc", "usr", "usr/share", "usr/share/zoneinfo", "usr/bin"}
    assert {k: v for k, v in own.items() if k not in implicit} == {
        k: v for k, v in theirs.items() if k not in implicit
    }


async def test_file_capabilities_and_other_xattrs_are_kept(unpack: Unpack) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    tar = Tar().xattr_file(
        "ping", b"program", {"security.capability": capability, "user.note": b"\xff\x00\n=x"}
    )

    ours = await unpack(tar)

    assert os.getxattr(ours / "ping", "security.capability") == capability
    assert os.getxattr(ours / "ping", "user.note") == b"\xff\x00\n=x"


async def test_overlay_s_own_xattrs_in_a_layer_are_left_out(unpack: Unpack) -> None:
    tar = Tar().xattr_file("f", b"", {"trusted.overlay.redirect": b"/etc"})

    ours = await unpack(tar)

    assert os.listxattr(ours / "f") == []


@pytest.mark.parametrize("options", ["--format=gnu", "--format=pax", "--sparse-version=0.0",
                                     "--sparse-version=0.1"])  # fmt: skip
async def test_sparse_files_are_read_in_every_form(
    unpack: Unpack, layers: Layers, tmp_path: Path, options: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        for at in range(0, 64 << 20, 1 << 20):
            file.seek(at)
            file.write(b"data")
        file.truncate(65 << 20)
    extra = [options] if "sparse" not in options else ["--format=pax", options]
    tar = subprocess.run(
        ["tar", "-C", source, "-S", *extra, "-cf", "-", "sparse"], check=True, capture_output=True
    ).stdout

    ours = await unpack(tar)

    assert (ours / "sparse").read_bytes() == (source / "sparse").read_bytes()
    assert disk.usage(layers.directory).used_bytes < 8 << 20


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
async def test_every_compression_is_known_by_its_first_bytes(
    unpack: Unpack, compression: str
) -> None:
    ours = await unpack(busybox_layer(), compression)

    assert (ours / "bin/busybox").stat().st_mode == stat.S_IFREG | 0o755


async def test_a_layer_of_many_gzip_members_is_read_to_its_end(tmp_path: Path) -> None:
    import gzip

    image = Image([Tar().file("a", b"1" * 100000)])
    tar = gzip.decompress(image.blobs[0])
    blob = tmp_path / "blob"
    blob.write_bytes(
        b"".join(gzip.compress(tar[at : at + 7000]) for at in range(0, len(tar), 7000))
    )
    layers = Layers(tmp_path)

    directory, _ = await layers.unpack(blob, image.true_diff_ids[0])

    assert (directory / "a").read_bytes() == b"1" * 100000


async def test_fractions_of_a_second_are_exact(unpack: Unpack) -> None:
    tar = Tar().file("f", b"", pax_headers={"mtime": "1600000000.123456789"})

    ours = await unpack(tar)

    assert (ours / "f").stat().st_mtime_ns == 1_600_000_000_123_456_789


async def test_a_directory_keeps_its_time_though_files_are_made_in_it(unpack: Unpack) -> None:
    tar = Tar().directory("d", mtime=42).file("d/f", b"x")

    ours = await unpack(tar)

    assert (ours / "d").stat().st_mtime == 42
    assert (ours / "d/f").stat().st_mtime == MTIME


async def test_a_whiteout_is_a_device_and_an_opaque_directory_has_its_mark(unpack: Unpack) -> None:
    tar = Tar().whiteout("etc/gone").directory("var/new").opaque("var/new").opaque("srv")

    ours = await unpack(tar)

    gone = (ours / "etc/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert os.getxattr(ours / "var/new", "trusted.overlay.opaque") == b"y"
    assert os.getxattr(ours / "srv", "trusted.overlay.opaque") == b"y"
    assert sorted(os.listdir(ours)) == ["etc", "srv", "var"]


async def test_a_whiteout_does_not_hide_what_its_own_layer_brings(unpack: Unpack) -> None:
    tar = Tar().file("before", b"1").whiteout("before").whiteout("after").file("after", b"2")
    tar.directory("dir-before").file("dir-before/f").whiteout("dir-before")
    tar.whiteout("dir-after").directory("dir-after").whiteout("implied").file("implied/f")

    ours = await unpack(tar)

    assert (ours / "before").read_bytes() == b"1"
    assert (ours / "after").read_bytes() == b"2"
    assert (ours / "dir-before/f").is_file()
    for directory in ("dir-before", "dir-after", "implied"):
        assert os.getxattr(ours / directory, "trusted.overlay.opaque") == b"y"


async def test_the_last_entry_of_a_name_wins(unpack: Unpack) -> None:
    tar = Tar().file("a", b"1").file("a", b"2").file("b").directory("b").directory("c")
    tar.file("c/f").file("c", b"now a file").directory("d", mode=0o755).directory("d", mode=0o700)

    ours = await unpack(tar)

    assert (ours / "a").read_bytes() == b"2"
    assert (ours / "b").is_dir()
    assert (ours / "c").read_bytes() == b"now a file"
    assert stat.S_IMODE((ours / "d").stat().st_mode) == 0o700


async def test_a_layer_with_another_diff_id_is_refused_and_leaves_nothing(
    layers: Layers, tmp_path: Path
) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(Image([Tar().file("f")]).blobs[0])

    with pytest.raises(ToolFailed, match="do not belong together"):
        await layers.unpack(blob, "sha256:" + "0" * 64)

    assert os.listdir(layers.directory) == []


async def test_a_full_disk_is_named(layers: Layers, tmp_path: Path) -> None:
    image = Image([Tar().file("big", os.urandom(3 << 20))])
    blob = tmp_path / "blob"
    blob.write_bytes(image.blobs[0])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", layers.directory], check=True)
    try:
        with pytest.raises(Unavailable, match=str(layers.directory)):
            await layers.unpack(blob, image.true_diff_ids[0])

        assert os.listdir(layers.directory) == []
    finally:
        subprocess.run(["umount", layers.directory], check=True)
