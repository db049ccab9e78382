"""The entries of a copied tar: hostile names and links, and what is already there."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from cri_shim.store.unpack.copied import Copied, place

OWNER = (os.getuid(), os.getgid())


def tar(*members: tarfile.TarInfo, data: bytes = b"data") -> tarfile.TarFile:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    made.seek(0)
    return tarfile.open(fileobj=made)


def entry(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = type, link, 0o755
    return made


def copy(to: Path, archive: tarfile.TarFile) -> None:
    top, name = place(str(to))
    try:
        for member in archive:
            Copied(top, name, member, OWNER).make(archive)
    finally:
        os.close(top)


def test_an_entry_comes_into_a_directory_or_gets_its_name(tmp_path: Path) -> None:
    copy(tmp_path, tar(entry("a")))
    copy(tmp_path / "b", tar(entry("a", tarfile.DIRTYPE), entry("a/x")))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b" / "x").read_bytes() == b"data"
    with pytest.raises(FileNotFoundError):
        place(str(tmp_path / "no" / "c"))


def test_a_name_with_dots_is_refused(tmp_path: Path) -> None:
    for bad in (entry("../a"), entry("a", tarfile.LNKTYPE, "../../etc/passwd")):
        with pytest.raises(ValueError, match=r"must not have \.\."):
            copy(tmp_path, tar(bad))
    assert list(tmp_path.iterdir()) == []


def test_a_link_on_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "in").mkdir()
    link = entry("dir", tarfile.SYMTYPE, str(tmp_path / "outside"))
    with pytest.raises(NotADirectoryError):
        copy(tmp_path / "in", tar(link, entry("dir/x")))
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_hard_link_is_one_file_with_two_names(tmp_path: Path) -> None:
    copy(tmp_path / "new", tar(
        entry("d", tarfile.DIRTYPE), entry("d/a"), entry("d/b", tarfile.LNKTYPE, "d/a"),
    ))  # fmt: skip
    assert (tmp_path / "new" / "a").samefile(tmp_path / "new" / "b")


def test_what_is_there_is_replaced_but_a_directory_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("old")
    (tmp_path / "a").symlink_to("victim")
    copy(tmp_path, tar(entry("a")))
    assert (tmp_path / "victim").read_text() == "old"
    assert (tmp_path / "a").read_bytes() == b"data"
    (tmp_path / "b").mkdir(mode=0o700)
    copy(tmp_path, tar(entry("b", tarfile.DIRTYPE)))
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o700
    with pytest.raises(OSError, match="directory"):
        copy(tmp_path, tar(entry("b")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "victim"]


def test_a_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a file, directory or symbolic link"):
        copy(tmp_path, tar(entry("null", tarfile.CHRTYPE)))
