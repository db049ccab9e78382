"""Headers that we write, as Python's tarfile reads them; and recipes."""

import io
import tarfile

import pytest

from cri_shim.store.pack import header
from cri_shim.store.pack.header import Member
from cri_shim.store.unpack import recipe

MEMBERS = {
    "plain": Member(b"etc/motd", mode=0o644, uid=1, gid=2, mtime=1_700_000_000 * 10**9),
    "a long name": Member(b"d" * 60 + b"/" + b"n" * 120),
    "a name of 100 bytes": Member(b"n" * 100),
    "a name that is not ASCII": Member("späce".encode()),
    "a directory": Member(b"d/", header.DIRECTORY, 0o1777),
    "a symbolic link": Member(b"l", header.SYMLINK, linkname=b"t" * 300),
    "a hard link": Member(b"l", header.HARD_LINK, linkname=b"first"),
    "a device": Member(b"null", header.CHARACTER, 0o666, device=(1, 3)),
    "large ids": Member(b"f", uid=4_000_000_000, gid=2_097_152),
    "half a second": Member(b"f", mtime=1_500_000_000),
    "before 1970": Member(b"f", mtime=-1_500_000_000),
    "an attribute": Member(b"f", xattrs={"user.a": b"value=\n"}),
}


def read(data: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(data + header.END)) as tar:
        (found,) = tar.getmembers()
    return found


@pytest.mark.parametrize("case", MEMBERS)
def test_a_header_says_what_the_member_is(case: str) -> None:
    member = MEMBERS[case]

    found = read(header.encode(member))

    assert found.name.encode() == member.name.rstrip(b"/")
    assert found.linkname.encode() == member.linkname
    assert found.type[0] == member.type
    assert (found.mode, found.uid, found.gid) == (member.mode, member.uid, member.gid)
    assert found.mtime == member.mtime / 10**9
    assert (found.devmajor, found.devminor) == member.device
    xattrs = {
        key.removeprefix("SCHILY.xattr."): value.encode()
        for key, value in found.pax_headers.items()
        if key.startswith("SCHILY.xattr.")
    }
    assert xattrs == member.xattrs


def test_a_file_too_large_for_its_field_has_its_size_beside_it() -> None:
    data = header.encode(Member(b"huge", size=1 << 40))

    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as tar:
        found = tar.next()

    assert found is not None
    assert found.size == 1 << 40


@pytest.mark.parametrize("length", range(88, 120))
def test_the_length_of_a_record_counts_its_own_digits(length: int) -> None:
    member = Member(b"f", xattrs={"user.a": b"v" * length})

    assert read(header.encode(member)).pax_headers["SCHILY.xattr.user.a"] == "v" * length


def test_a_recipe_is_read_as_it_was_written() -> None:
    file = io.BytesIO()
    writer = recipe.Writer(file)
    writer.rest(b"head")
    writer.rest(memoryview(b"er"))
    writer.content("/a/späce \udcff", 5, 1 << 40)
    writer.content("/empty", 0, 0)
    writer.rest(b"x" * 600_000)
    writer.finish()

    steps = list(recipe.read(io.BytesIO(file.getvalue())))

    assert steps == [b"header", ("/a/späce \udcff", 5, 1 << 40), b"x" * 600_000]


@pytest.mark.parametrize("cut", [5, 15, 40])
def test_a_recipe_that_is_cut_short_is_none(cut: int) -> None:
    file = io.BytesIO()
    writer = recipe.Writer(file)
    writer.rest(bytes(range(256)))
    writer.finish()

    with pytest.raises((EOFError, ValueError)):
        list(recipe.read(io.BytesIO(file.getvalue()[:cut])))
