"""EROFS file systems as bytes: structures, the order of what is written, and the calls of `os`."""

import errno
import hashlib
import os
import struct
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from cri_shim.store.erofs import digest, image, structs
from cri_shim.store.erofs.blocks import Blocks
from cri_shim.store.erofs.files import Files, Unsuited
from cri_shim.store.unpack.files import Disk


def written(target: Path, *contents: bytes, uuid: bytes = b"u" * 16) -> tuple[Files, str]:
    with target.open("xb", buffering=0) as file, closing(Blocks(file.fileno())) as blocks:
        files = Files(blocks)
        for number, content in enumerate(contents):
            opened = files.open(f"/f{number}", 0o644)
            files.write(opened, content)
            files.close(opened)
        return files, image.finish(files.root, blocks, uuid)


def test_a_file_system_has_its_magic_number_and_tells_its_size(tmp_path: Path) -> None:
    written(tmp_path / "fs", b"x" * 5000, b"y")

    raw = (tmp_path / "fs").read_bytes()
    magic, blocks = struct.unpack_from("<I", raw, 1024)[0], struct.unpack_from("<I", raw, 1060)[0]
    assert magic == 0xE0F5E1E2
    assert blocks * structs.BLOCK == len(raw)
    assert raw[4096:9096] == b"x" * 5000  # contents begin in the second block
    assert raw[3 * 4096 : 3 * 4096 + 1] == b"y"


def test_the_digest_is_that_of_the_file_with_its_first_block_last(tmp_path: Path) -> None:
    _, told = written(tmp_path / "fs", os.urandom(1 << 20), b"z")

    raw = (tmp_path / "fs").read_bytes()
    bytes_of_it = raw[4096:] + raw[:4096]
    pieces = [bytes_of_it[at : at + (1 << 20)] for at in range(0, len(bytes_of_it), 1 << 20)]
    sums = b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in pieces)
    assert len(pieces) == 2
    assert told == hashlib.sha256(sums + len(raw).to_bytes(8, "big")).hexdigest()
    assert digest.digest(tmp_path / "fs") == told


@pytest.mark.parametrize("size", [1 << 20, 3 << 20])
def test_a_page_that_did_not_reach_the_disk_changes_the_digest(tmp_path: Path, size: int) -> None:
    _, told = written(tmp_path / "fs", os.urandom(size))
    for at in range(0, (tmp_path / "fs").stat().st_size, 16 * 4096):
        with (tmp_path / "fs").open("r+b") as file:
            before = os.pread(file.fileno(), 4096, at)
            os.pwrite(file.fileno(), bytes(4096), at)
            lost = digest.digest(tmp_path / "fs")
            os.pwrite(file.fileno(), before, at)
        assert lost != told
    with (tmp_path / "fs").open("ab") as file:
        file.write(bytes(4096))
    assert digest.digest(tmp_path / "fs") != told


def test_equal_trees_are_equal_files_with_the_identity_that_is_given(tmp_path: Path) -> None:
    for name, uuid in (("one", b"1" * 16), ("two", b"1" * 16), ("other", b"2" * 16)):
        written(tmp_path / name, b"x", uuid=uuid)

    one, two, other = ((tmp_path / name).read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert (one[1072:1088], other[1072:1088]) == (b"1" * 16, b"2" * 16)


def test_names_are_divided_into_blocks(tmp_path: Path) -> None:
    names = [b"%05d" % number for number in range(1000)]

    blocks = list(structs.dirent_blocks(names))

    assert [first for first, _, _ in blocks[1:]] == [after for _, after, _ in blocks[:-1]]
    assert blocks[-1][1] == len(names)
    assert all(0 < size <= structs.BLOCK for _, _, size in blocks)


def outcome(files: "Files | Disk", top: str, call: object, *args: object) -> object:
    """Return what the call returns, or the number of its error."""
    try:
        return getattr(files, str(call))(*(_placed(arg, top) for arg in args))
    except OSError as e:
        return errno.errorcode[e.errno or 0]


def _placed(argument: object, top: str) -> object:
    if isinstance(argument, str) and argument.startswith("@"):
        return f"{top}{argument[1:]}"
    return argument


CALLS: list[tuple[object, ...]] = [
    ("mkdir", "@/d", 0o755),
    ("mkdir", "@/d", 0o755),
    ("mkdir", "@/none/d", 0o755),
    ("mode", "@/none"),
    ("symlink", "target", "@/l"),
    ("symlink", "", "@/empty"),
    ("symlink", "t" * 4096, "@/long"),
    ("readlink", "@/l"),
    ("readlink", "@/d"),
    ("mkdir", "@/" + "n" * 255, 0o755),
    ("mkdir", "@/" + "n" * 256, 0o755),
    ("link", "@/d", "@/d2"),
    ("link", "@/d", "@/l"),
    ("link", "@/none", "@/l"),
    ("link", "@/none", "@/l2"),
    ("link", "@/l", "@/l2"),
    ("mknod", "@/pipe", 0o010644, 0),
    ("setxattr", "@/pipe", "user.x", b""),
    ("setxattr", "@/d", "user.x", b"1"),
    ("setxattr", "@/d", "user.", b"1"),
    ("setxattr", "@/d", "odd.x", b"1"),
    ("setxattr", "@/d", "user." + "x" * 251, b"1"),
    ("setxattr", "@/d", "security.capability", b"no"),
    ("unlink", "@/l"),
    ("mode", "@/l"),
    ("remove_tree", "@/d"),
    ("mkdir", "@/d", 0o700),
    ("mode", "@/d"),
]


def test_errors_are_those_of_the_disk(tmp_path: Path) -> None:
    with (tmp_path / "fs").open("xb") as file, closing(Blocks(file.fileno())) as blocks:
        files, disk = Files(blocks), Disk()
        (tmp_path / "top").mkdir()
        ours = [outcome(files, "", *call) for call in CALLS]
        theirs = [outcome(disk, str(tmp_path / "top"), *call) for call in CALLS]

    assert ours == theirs


@pytest.mark.parametrize("size", [1 << 60, (1 << 40) + 1])
def test_a_sparse_file_beyond_a_tib_is_not_suited(tmp_path: Path, size: int) -> None:
    with (tmp_path / "fs").open("xb") as file, closing(Blocks(file.fileno())) as blocks:
        files = Files(blocks)
        opened = files.open("/f", 0o644)
        with pytest.raises(Unsuited, match="sparse"):
            files.ftruncate(opened, size)
