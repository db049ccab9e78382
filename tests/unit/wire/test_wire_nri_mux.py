"""NRI's multiplexer: messages come out as they went in, for every cut; garbage is bounded."""

import struct
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.wire import nri_mux
from cri_shim.wire.nri_mux import BadFrame, Splitter


def received(data: bytes, step: int, known: tuple[int, ...] = (1, 2)) -> dict[int, bytes]:
    """Return the bytes of each connection, of data that arrives `step` bytes at a time."""
    splitter = Splitter(known)
    found: dict[int, bytes] = defaultdict(bytes)
    for start in range(0, len(data), step):
        for connection, piece in splitter.receive(data[start : start + step]):
            found[connection] += piece
    return found


@given(
    st.lists(st.tuples(st.integers(1, 2), st.binary(max_size=5000)), max_size=5),
    st.integers(1, 6000),
)
def test_each_connection_gets_its_bytes_for_every_cut(sent: list[tuple[int, bytes]], step: int):
    expected: dict[int, bytes] = defaultdict(bytes)
    for connection, message in sent:
        expected[connection] += message

    data = b"".join(nri_mux.frames(connection, message) for connection, message in sent)

    assert {k: v for k, v in received(data, step).items() if v} == {
        k: v for k, v in expected.items() if v
    }


def heads(data: bytes) -> Iterator[tuple[int, int]]:
    while data:
        connection, length = struct.unpack_from(">II", data)
        yield connection, length
        data = data[8 + length :]


@pytest.mark.parametrize(
    ("size", "lengths"),
    [(0, [0]), (1, [1]), (4096, [4096]), (4097, [4096, 1]), (4 << 20, [4096, (4 << 20) - 4096])],
)
def test_a_message_has_at_most_two_frames_and_the_first_fits_into_a_buffer(
    size: int, lengths: list[int]
) -> None:
    assert list(heads(nri_mux.frames(1, bytes(size)))) == [(1, length) for length in lengths]


def test_the_frames_of_unknown_connections_are_dropped() -> None:
    data = b"".join(
        struct.pack(">II", id, 3) + text
        for id, text in ((0, b"abc"), (1, b"def"), (7, b"ghi"), (2**32 - 1, b"jkl"))
    )

    assert received(data, 5) == {1: b"def"}


@pytest.mark.parametrize("length", [nri_mux.MAX_PAYLOAD + 1, 0xFFFFFFFF])
def test_a_frame_that_is_too_long_ends_the_connection(length: int) -> None:
    with pytest.raises(BadFrame, match=rf"a frame of {length} bytes, at most 4194314 are allowed"):
        received(struct.pack(">II", 1, length), 3)


@given(st.binary(max_size=200), st.integers(1, 20))
def test_no_bytes_raise_anything_else_and_nothing_is_invented(data: bytes, step: int) -> None:
    splitter, got = Splitter((1, 2)), 0
    try:
        for start in range(0, len(data), step):
            for connection, piece in splitter.receive(data[start : start + step]):
                assert connection in (1, 2)
                got += len(piece)
    except BadFrame:
        pass
    assert got <= len(data)
