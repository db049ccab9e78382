"""The form of a log line, on a terminal and in the journal."""

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.activity.request import request_id
from cri_shim.log.event import name_objects
from cri_shim.log.text import Text


def record(level: int, text: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cri_shim.pods.run", level, __file__, 1, text, (), None)
    made.__dict__.update(extra)
    made.created, made.msecs = 0.0, 7.0
    return made


def test_facts_follow_the_message_as_key_and_value() -> None:
    line = Text(priority=False).format(record(logging.INFO, "is up", pod="4f", why="a b"))
    assert line.endswith(".007 INFO pods.run is up pod=4f why='a b'")


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
    ],
)
def test_the_journal_gets_a_priority_on_every_line(level: int, priority: int) -> None:
    text = Text(priority=True).format(failed(level, "broken"))
    assert text.splitlines()[0] == f"<{priority}>pods.run a bug"
    assert {line[:5] for line in text.splitlines()[1:]} == {f"<{priority}>  "}


def failed(level: int, problem: str) -> logging.LogRecord:
    """An event with a traceback."""
    made = record(level, "a bug")
    try:
        raise ValueError(problem)  # noqa: TRY301
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


FORGED = "x\x1b[2J\r\n2025-01-01T10:00:00.123 INFO forged\n<3>forged\u2028\x85\ud800\0"


@pytest.mark.parametrize("journal", [True, False])
def test_foreign_text_in_an_event_is_one_line_without_control_characters(journal: bool) -> None:
    line = Text(priority=journal).format(record(logging.INFO, FORGED, name_=FORGED))
    assert line.isprintable()
    assert "x\\x1b[2J | 2025-01-01T10:00:00.123 INFO forged | <3>forged\\u2028" in line


@pytest.mark.parametrize("journal", [True, False])
def test_foreign_text_in_a_traceback_cannot_imitate_an_event(journal: bool) -> None:
    first, *rest = Text(priority=journal).format(failed(logging.ERROR, FORGED)).split("\n")
    assert first.isprintable()
    assert all(line.removeprefix("<3>").startswith("  ") and line.isprintable() for line in rest)
    assert any("forged" in line for line in rest)


def test_ten_megabytes_are_not_logged() -> None:
    huge = "x" * (10 << 20)
    assert len(Text(priority=False).format(record(logging.INFO, huge, fact=huge))) < 20_000
    lines = Text(priority=False).format(failed(logging.ERROR, "y\n" * (1 << 20)))
    assert len(lines) < 20_000


@given(st.text(st.characters()), st.booleans())
def test_every_event_without_a_traceback_is_one_printable_line(text: str, journal: bool) -> None:
    assert Text(priority=journal).format(record(logging.INFO, text, fact=text)).isprintable()


ID = "4f0c1b2a3d4e5f60" * 4


def test_ids_of_pods_and_containers_become_names_until_that_ends() -> None:
    shown = record(logging.ERROR, f"pod {ID}: CNI said no; container {ID[::-1]} at /pod {ID}/x")
    formatter = Text(priority=False)
    stop = name_objects(lambda kind, id: f"{kind} default/web" if id == ID else None)
    try:
        named = formatter.format(shown)
    finally:
        stop()
    assert f"pod default/web: CNI said no; container {ID[::-1]} at /pod {ID}/x" in named
    assert f"pod {ID}: " in formatter.format(shown)


def test_the_names_of_a_later_runtime_stay_when_an_earlier_one_ends() -> None:
    first = name_objects(lambda kind, id: "first")
    second = name_objects(lambda kind, id: "second")
    first()
    try:
        assert "second is up" in Text(priority=False).format(
            record(logging.INFO, f"pod {ID} is up")
        )
    finally:
        second()


def test_a_line_has_the_id_of_its_request() -> None:
    mine = request_id.set("4f0c-7")
    try:
        line = Text(priority=False).format(record(logging.INFO, "is up", ms=2))
    finally:
        request_id.reset(mine)
    assert line.endswith(" INFO pods.run is up ms=2 request=4f0c-7")
