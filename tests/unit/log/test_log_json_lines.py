"""The JSON form: one object a line, whatever the text."""

import json
import logging
import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.activity import Operations, Subject
from cri_shim.activity.request import request_id
from cri_shim.log.json_lines import Json


def record(text: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cri_shim.pods.run", logging.INFO, __file__, 1, text, (), None)
    made.__dict__.update(extra)
    made.created, made.msecs = 0.0, 7.0
    return made


def read(of: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Json(priority=False).format(of))
    return found


async def test_an_event_has_its_object_and_its_request() -> None:
    operations = Operations()
    mine = request_id.set("4f0c-7")
    with operations.doing("RunPodSandbox", Subject("pod", "default/web", "a" * 64)):
        found = read(record("is up", ms=21, why="a b"))
    request_id.reset(mine)
    operations.close()

    assert found == {
        "time": "1970-01-01T00:00:00.007Z",
        "level": "info",
        "logger": "pods.run",
        "message": "is up",
        "request": "4f0c-7",
        "namespace": "default",
        "pod": "web",
        "podId": "a" * 64,
        "facts": {"ms": 21, "why": "a b"},
    }


def test_a_traceback_is_a_value() -> None:
    made = record("a bug")
    try:
        raise ValueError("no\nway")  # noqa: TRY301
    except ValueError:
        made.exc_info = sys.exc_info()

    assert read(made)["traceback"].endswith("ValueError: no\nway")


@given(st.text(st.characters()))
def test_every_event_is_one_printable_line_of_ascii(text: str) -> None:
    line = Json(priority=False).format(record(text, fact=text))

    assert line.isascii()
    assert line.isprintable()
    assert isinstance(json.loads(line)["message"], str)


def test_ten_megabytes_are_not_logged() -> None:
    huge = "\ud800" * (10 << 20)
    assert len(Json(priority=False).format(record(huge, fact=huge))) < 200_000


def test_a_line_for_the_journal_begins_with_its_priority() -> None:
    assert Json(priority=True).format(record("is up")).startswith('<6>{"time": ')
