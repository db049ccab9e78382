"""The log of a container is copied as it grows."""

import io
from pathlib import Path

from cri_shim.cli.logs import LogReader

TIME = b"2025-01-01T00:00:00.000000000Z"


def test_each_stream_gets_its_own_lines_and_partial_ones_are_joined(tmp_path: Path) -> None:
    out, err = io.BytesIO(), io.BytesIO()
    (tmp_path / "log").write_bytes(
        TIME + b" stdout F hello world\n"
        + TIME + b" stderr F oh\n"
        + TIME + b" stdout P first \n"
        + TIME + b" stdout F second\n"
        + TIME + b" stdout F \n"
    )  # fmt: skip
    with LogReader(tmp_path / "log", out, err) as log:
        log.copy()
    assert out.getvalue() == b"hello world\nfirst second\n\n"
    assert err.getvalue() == b"oh\n"


def test_a_log_may_appear_late_and_grow_in_the_middle_of_a_line(tmp_path: Path) -> None:
    out = io.BytesIO()
    line = TIME + b" stdout F hello\n"
    with LogReader(tmp_path / "log", out, io.BytesIO()) as log:
        log.copy()
        with (tmp_path / "log").open("ab", buffering=0) as writer:
            writer.write(line[:35])
            log.copy()
            before = out.getvalue()
            writer.write(line[35:])
            log.copy()
    assert (before, out.getvalue()) == (b"", b"hello\n")
