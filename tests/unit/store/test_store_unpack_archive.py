"""Our reader of tar archives beside tarfile's writer."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.store.unpack import header
from cri_shim.store.unpack.archive import members
from cri_shim.store.unpack.failure import BadLayer
from cri_shim.store.unpack.stream import LayerStream
from tests.fixtures.images import Image, Tar

text = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=150
)
FORMATS = [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]


@given(
    st.sampled_from(FORMATS),
    st.lists(
        st.tuples(
            text, st.binary(max_size=1500), st.integers(0, 0o7777),
            st.integers(0, 2**32 - 2), st.integers(0, 2**33),
        ),
        max_size=5,
    ),
)  # fmt: skip
def test_what_tarfile_writes_is_read_back(
    format: int, files: list[tuple[str, bytes, int, int, int]]
) -> None:
    tar = Tar(format)
    for name, data, mode, owner, time in files:
        tar.file(name, data, mode=mode, uid=owner, gid=owner, mtime=time)
    stream = LayerStream(io.BytesIO(tar.bytes()))

    read = [
        (m.name, b"".join(stream.content(m.size, m.name)), m.mode, m.uid, m.gid, m.mtime)
        for m in members(stream)
    ]

    assert [(name.rstrip("/"), *rest) for name, *rest in read] == [
        (name.rstrip("/"), data, mode, owner, owner, time * 10**9)
        for name, data, mode, owner, time in files
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_long_links_are_read(format: int) -> None:
    tar = Tar(format).symlink("l", "t" * 500).file("n" * 300)

    link, file = members(LayerStream(io.BytesIO(tar.bytes())))

    assert (link.type, link.linkname) == (header.SYMLINK, "t" * 500)
    assert file.name == "n" * 300


def test_a_ustar_prefix_is_part_of_the_name() -> None:
    name = "p" * 100 + "/" + "n" * 90

    (member,) = members(LayerStream(io.BytesIO(Tar(tarfile.USTAR_FORMAT).file(name).bytes())))

    assert member.name == name


@given(st.binary(min_size=100, max_size=100), st.integers(-2, 2), st.booleans())
def test_a_checksum_is_the_sum_of_the_bytes_unsigned_or_signed(
    name: bytes, error: int, signed: bool
) -> None:
    block = name + b"0000644\0" * 3 + b"00000000000\0" * 2 + b" " * 8 + b"0" + bytes(355)
    total = sum(block) - 256 * signed * sum(byte > 127 for byte in block)
    block = block[:148] + b"%06o\0 " % (total + error) + block[156:]

    if error:
        with pytest.raises(BadLayer, match="checksum"):
            header.parse(block)
    else:
        assert header.parse(block).mode == 0o644


def test_data_may_be_left_unread() -> None:
    tar = Tar().file("a", b"x" * 700).file("b", b"y")

    assert [m.name for m in members(LayerStream(io.BytesIO(tar.bytes())))] == ["a", "b"]


def test_global_pax_records_hold_for_all_that_follows() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", pax_headers={"mtime": "5"}) as tar:
        tar.addfile(tarfile.TarInfo("a"))

    (member,) = members(LayerStream(io.BytesIO(buffer.getvalue())))

    assert member.mtime == 5 * 10**9


def test_the_digest_covers_what_follows_the_end_of_the_archive() -> None:
    data = Tar().file("a").bytes() + b"\0" * 5000
    stream = LayerStream(io.BytesIO(data))

    list(members(stream))

    assert stream.finish() == Image([data]).true_diff_ids[0]


@pytest.mark.parametrize(
    "data",
    [b"9 key=val\n", b"x key=val\n", b"10 key=val", b"999 a=b\n", b"4 a\n", b"0 a=b\n", b" "],
)
def test_broken_pax_records_are_refused(data: bytes) -> None:
    with pytest.raises(BadLayer):
        list(header.pax_records(data))


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (b"1", 10**9),
        (b"1.5", 1_500_000_000),
        (b"1.0000000019", 1_000_000_001),
        (b"-1.5", -15 * 10**8),
    ],
)
def test_times_are_exact(value: bytes, nanoseconds: int) -> None:
    assert header.pax_time(value) == nanoseconds
