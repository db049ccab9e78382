"""The CRI's log format: lines become entries, and the last lines are found from the file's end."""

from collections.abc import Container

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.errors import InvalidArgument
from cri_shim.wire.cri_log import MAX_LINE, LogEntry, Parser, Tail, moment, parse

TIME = "2025-01-01T00:00:00.000000001Z"
BOTH = frozenset({"stdout", "stderr"})


def line(rest: str) -> bytes:
    return f"{TIME} {rest}\n".encode()


def test_a_line_has_time_stream_tag_and_content() -> None:
    entry = parse(line("stdout F hello  world")[:-1])
    assert entry == LogEntry(TIME, "stdout", False, b"hello  world")
    assert (entry.written(), entry.nanoseconds()) == (b"hello  world\n", 1735689600000000001)


def test_a_part_has_no_line_break_and_an_empty_line_has_one() -> None:
    parser = Parser()
    found = parser.feed(line("stderr P first ") + line("stderr F:x second") + line("stdout F "))
    assert [entry.written() for entry in found] == [b"first ", b"second\n", b"\n"]


@given(cut=st.integers(0, 60), nonsense=st.sampled_from([b"", b"x", b"a b c d", b"\xff \xff"]))
def test_lines_come_in_pieces_and_malformed_ones_are_skipped(cut: int, nonsense: bytes) -> None:
    whole = nonsense + b"\n" + line("stdout F one") + line("stderr F two")
    parser = Parser()
    found = parser.feed(whole[:cut]) + parser.feed(whole[cut:])
    assert [(e.stream, e.content) for e in found] == [("stdout", b"one"), ("stderr", b"two")]


def test_an_incomplete_line_is_dropped_with_its_file() -> None:
    parser = Parser()
    assert parser.feed(line("stdout F lost")[:-3]) == []
    parser.forget()
    assert [e.content for e in parser.feed(line("stdout F kept"))] == [b"kept"]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5z", 1_500_000_000),
        ("1970-01-01T01:00:00.000000009+01:00", 9),
        ("2025-01-01T02:30:00.1234567891234+02:30", 1735689600123456789),
    ],
)
def test_times_have_nanoseconds_and_a_zone(text: str, nanoseconds: int) -> None:
    assert moment(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "yesterday", "2025-01-01", "2025-13-01T00:00:00Z"])
def test_a_malformed_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"time|month"):
        moment(text)


LINES = [
    line("stdout F one"),
    line("stderr F two"),
    line("stdout P thr"),
    line("stdout F ee"),
    line("stdout P unfinished"),
]


def tail_start(block: bytes, lines: int, wanted: Container[str]) -> int | None:
    """Find the last lines of a block by one search of all of it."""
    tail = Tail(lines, wanted, len(block))
    found = tail.before(block)
    return tail.start() if found is None else found


@pytest.mark.parametrize(
    ("tail", "streams", "first"),
    [(0, BOTH, 5), (1, BOTH, 4), (2, BOTH, 2), (3, BOTH, 1), (2, {"stdout"}, 2)],
)
def test_the_last_lines_begin_with_their_first_part(
    tail: int, streams: set[str], first: int
) -> None:
    assert tail_start(b"".join(LINES), tail, streams) == len(b"".join(LINES[:first]))


@pytest.mark.parametrize("tail", range(5))
@pytest.mark.parametrize("size", [1, 2, 7, 50, 64, 1000])
def test_the_last_lines_are_found_for_every_size_of_the_blocks(tail: int, size: int) -> None:
    data = b"no line\n" + b"".join(LINES) + b"stdout F not ended"
    search = Tail(tail, BOTH, len(data))
    found, end = None, len(data)
    while end and found is None:
        found = search.before(data[max(0, end - size) : end])
        end = max(0, end - size)
    assert (search.start() if found is None else found) == tail_start(data, tail, BOTH)


def test_an_overlong_line_is_skipped_and_not_buffered() -> None:
    parser = Parser()
    for _ in range(64):
        assert parser.feed(bytes(1 << 18)) == []
        assert len(parser._rest) <= MAX_LINE
    assert parser.feed(b"stdout F the end of it\n" + LINES[0]) == [parse(LINES[0].rstrip())]


def test_an_unfinished_line_counts_wherever_it_stands() -> None:
    lines = [line("stdout F one"), line("stdout P unfinished"), line("stderr F two")]
    assert tail_start(b"".join(lines), 2, BOTH) == len(lines[0])


def test_fewer_lines_than_wanted_are_not_the_end_of_the_search() -> None:
    assert tail_start(b"".join(LINES), 4, BOTH) is None
    assert tail_start(b"", 1, BOTH) is None
