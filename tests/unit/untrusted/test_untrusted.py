"""Foreign files and text are refused with a short reason, or safe to keep."""

import os
from pathlib import Path

import pytest

from cri_shim import untrusted


def test_a_file_within_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1234")
    assert untrusted.read_file(tmp_path / "f", 4) == b"1234"


def test_a_file_beyond_the_limit_is_refused_without_reading_it_whole(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        untrusted.read_file(tmp_path / "f", 4)


def test_a_fifo_or_a_directory_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="is not a regular file"):
            untrusted.read_file(path, 4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[" * 501 + b"]" * 501, "is JSON nested too deeply"),
        (b'{"a":' * 501 + b"1" + b"}" * 501, "is JSON nested too deeply"),
        (b'{"a":' * 100_000, "is JSON nested too deeply"),
        (b"[" + b"[]," * 100_000 + b"0]", "is JSON of more than 200000 values"),
        (b"[" * 102 + b"]" * 102, "is JSON nested too deeply"),
        (b'{"a":[' * 500 + b"]}" * 500, "is JSON nested too deeply"),
        (b"1" * 5000, "a number beyond 64 bits"),
        (b"[18446744073709551616]", "a number beyond 64 bits: 18446744073709551616"),
        (b"[-9223372036854775809]", "a number beyond 64 bits: -9223372036854775809"),
        (b"1e999", "a number that is too large: 1e999"),
        (b"1" * 400 + b".0", "a number that is too large"),
        (b"NaN", "NaN is not a JSON value"),
        (b"-Infinity", "-Infinity is not a JSON value"),
        (b'["\\ud800"]', "half a surrogate pair"),
        (b'{"\\uDFFF": 1}', "half a surrogate pair"),
        (b'"\xff"', "is not UTF-8"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8"),
        (b"\xef\xbb\xbf1", "is not JSON"),
        ('"\ud800"', "half a surrogate pair"),
    ],
)
def test_json_that_no_message_can_hold_is_refused(data: bytes | str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        untrusted.parse_json(data)


def test_json_is_read_up_to_the_limits() -> None:
    assert untrusted.parse_json(b"[18446744073709551615, -9223372036854775808, 1e300]") == [
        (1 << 64) - 1, -(1 << 63), 1e300,
    ]  # fmt: skip
    deepest = untrusted.parse_json(b"[" * untrusted.MAX_DEPTH + b"]" * untrusted.MAX_DEPTH)
    assert str(deepest).count("[") == untrusted.MAX_DEPTH


def test_json_is_read() -> None:
    assert untrusted.parse_json(b'{"a": ["\\ud83d\\ude00", 1.5, null]}') == {"a": ["😀", 1.5, None]}


def test_json_of_many_values_and_little_depth_is_read() -> None:
    depth = untrusted.MAX_DEPTH
    assert untrusted.parse_json(b"[" * depth + b"]" * depth) is not None
    assert len(untrusted.parse_json(b"[" + b",".join([b'{"a": []}'] * 2000) + b"]")) == 2000


def test_text_is_utf_8_without_nul() -> None:
    assert untrusted.text("ä\n".encode()) == "ä\n"
    for data in (b"\xff", b"a\0b"):
        with pytest.raises(ValueError, match=r"byte 0|NUL character"):
            untrusted.text(data)


def test_printable_text_has_no_control_character_and_a_bounded_length() -> None:
    assert untrusted.printable("a\x1b[31m\n\ud800é") == "a\\x1b[31m\\n\\ud800é"
    assert untrusted.printable("x" * 1000, 10) == "xxxxxxxxxx... (1000 characters)"
