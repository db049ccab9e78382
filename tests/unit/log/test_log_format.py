"""What a log line looks like, on a terminal and in the journal."""

import logging
import os

import pytest

from cri_shim import log


def record(level: int, text: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cri_shim.pods.run", level, __file__, 1, text, (), None)
    made.__dict__.update(extra)
    made.created, made.msecs = 0.0, 7.0
    return made


def test_facts_follow_the_message_as_key_and_value() -> None:
    line = log.Formatter(journal=False).format(record(logging.INFO, "is up", pod="4f", why="a b"))
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
    text = log.Formatter(journal=True).format(record(level, "one\ntwo"))
    assert text == f"<{priority}>pods.run one\n<{priority}>two"


def test_the_journal_is_recognised_by_the_identity_of_stderr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{mine.st_dev}:{mine.st_ino}")
    assert log.to_journal()
    monkeypatch.setenv("JOURNAL_STREAM", f"{mine.st_dev}:{mine.st_ino + 1}")
    assert not log.to_journal()
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not log.to_journal()
