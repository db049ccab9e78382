"""The lines of logs: prefixes, timestamps, incomplete lines and limits."""

import pytest

from cri_shim.cli.log_writer import MAX_HELD, Writer
from cri_shim.wire.cri_log import Parser

TIME = b"2026-01-31T12:00:00.000000001+00:00"


def written(
    capfdbinary: pytest.CaptureFixture[bytes], lines: list[bytes], *writers: Writer
) -> tuple[bytes, bytes]:
    """Give each line to each writer in turn; return what was written to stdout and stderr."""
    parsers = [Parser() for _ in writers]
    for line in lines:
        for parser, writer in zip(parsers, writers, strict=True):
            for entry in parser.feed(TIME + b" " + line + b"\n"):
                writer.write(entry)
    for writer in writers:
        writer.end()
    return capfdbinary.readouterr()


def test_streams_are_separate_and_incomplete_lines_are_joined(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    lines = [b"stdout P one ", b"stderr F bad", b"stdout F two"]
    writer = Writer(timestamps=False)
    assert written(capfdbinary, lines, writer) == (b"one two\n", b"bad\n")


def test_a_time_begins_each_line_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = Writer(timestamps=True)
    out, _ = written(capfdbinary, [b"stdout P one ", b"stdout F two"], writer)
    assert out == b"2026-01-31T12:00:00.000000001Z one two\n"


def test_lines_of_several_logs_do_not_mix(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writers = [Writer(timestamps=False, prefix=f"[{name}] ") for name in "ab"]
    lines = [b"stdout P one ", b"stdout F two", b"stdout P rest"]
    out, _ = written(capfdbinary, lines, *writers)
    assert out == b"[a] one two\n[b] one two\n[a] rest\n[b] rest\n"


def test_what_is_held_back_is_bounded(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = Writer(timestamps=False, prefix="[a] ")
    out, _ = written(capfdbinary, [b"stdout P " + b"x" * 4096] * (MAX_HELD // 4096 + 2), writer)
    assert out.count(b"[a] ") == 2
    assert out.replace(b"[a] ", b"").replace(b"\n", b"") == b"x" * 4096 * (MAX_HELD // 4096 + 2)


def test_a_limit_ends_the_log_at_its_byte(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = Writer(timestamps=False, limit=6)
    out, _ = written(capfdbinary, [b"stdout F one", b"stdout F two"], writer)
    assert out == b"one\ntw"
    assert writer.full
