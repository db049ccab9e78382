"""Header compression: the shared dictionary, the blocks, and the limits against bombs."""

import hashlib
import struct
import zlib

import pytest

from cri_shim.wire.spdy.dictionary import DICTIONARY
from cri_shim.wire.spdy.headers import MAX_HEADERS, MAX_INFLATED, BadHeaders, Deflater, Inflater


def compressed(plain: bytes) -> bytes:
    """As a client with zlib's usual settings does."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def test_the_dictionary_is_the_one_both_sides_must_hold():
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2
    assert (
        hashlib.sha256(DICTIONARY).hexdigest()
        == "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02"
    )


def test_blocks_of_one_connection_are_read_in_their_order():
    deflater, inflater = Deflater(), Inflater()
    blocks = [{}, {"streamtype": "error", "port": "80"}, {}, {"streamtype": "data", "port": "80"}]

    assert [inflater.block(deflater.block(block)) for block in blocks] == blocks


def test_a_block_of_a_plain_zlib_peer_is_read():
    plain = struct.pack(">I", 1) + text(b"streamtype") + text(b"stdin")

    assert Inflater().block(compressed(plain)) == {"streamtype": "stdin"}


def test_names_are_sent_in_lower_case():
    assert Inflater().block(Deflater().block({"StreamType": "Error"})) == {"streamtype": "Error"}


def test_values_that_are_no_utf8_are_read():
    plain = struct.pack(">I", 1) + text(b"a") + text(b"\xff\x00\xfe")

    assert Inflater().block(compressed(plain)) == {"a": "\xff\x00\xfe"}


@pytest.mark.parametrize(
    ("plain", "problem"),
    [
        pytest.param(b"", "ends early", id="nothing"),
        pytest.param(b"\0\0\0", "ends early", id="half a count"),
        pytest.param(struct.pack(">I", 1), "ends early", id="a header short"),
        pytest.param(struct.pack(">I", 1) + text(b"a"), "ends early", id="a value short"),
        pytest.param(struct.pack(">II", 1, 0xFFFFFFFF) + b"a", "ends early", id="long name"),
        pytest.param(struct.pack(">I", 0) + b"x", "left over", id="too much"),
        pytest.param(struct.pack(">I", 1) + text(b"") + text(b""), "empty", id="empty name"),
        pytest.param(struct.pack(">I", 1) + text(b"A") + text(b""), "lower case", id="upper case"),
        pytest.param(struct.pack(">I", 2) + (text(b"a") + text(b"")) * 2, "twice", id="twice"),
        pytest.param(struct.pack(">I", MAX_HEADERS + 1), "at most", id="too many"),
        pytest.param(struct.pack(">I", 0xFFFFFFFF), "at most", id="absurdly many"),
        pytest.param(bytes(MAX_INFLATED + 1), "inflates to more", id="too long"),
        pytest.param(bytes(50_000_000), "inflates to more", id="a bomb"),
    ],
)
def test_a_wrong_block_is_refused(plain: bytes, problem: str):
    with pytest.raises(BadHeaders, match=problem):
        Inflater().block(compressed(plain))


def test_bytes_that_are_no_zlib_are_refused():
    with pytest.raises(BadHeaders, match="does not inflate"):
        Inflater().block(b"\xff" * 20)


def test_a_stream_with_another_dictionary_is_refused():
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, b"other")

    with pytest.raises(BadHeaders, match="does not inflate"):
        Inflater().block(deflate.compress(bytes(4)) + deflate.flush(zlib.Z_SYNC_FLUSH))


def test_a_block_after_the_end_of_the_zlib_stream_is_refused():
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    inflater = Inflater()

    assert inflater.block(deflate.compress(bytes(4)) + deflate.flush(zlib.Z_FINISH)) == {}
    with pytest.raises(BadHeaders, match="ends early"):
        inflater.block(compressed(bytes(4)))
