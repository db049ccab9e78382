"""The native form of the journal: the fields of an event, read back from the datagram."""

import logging
import os
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.activity import Operations, Subject
from cri_shim.activity.request import request_id
from cri_shim.log import journal


def read(datagram: bytes) -> dict[str, str]:
    """Read a datagram as the journal does."""
    fields: dict[str, str] = {}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        key, equals, value = head.partition(b"=")
        if equals:
            datagram = rest
        else:
            size = int.from_bytes(rest[:8], "little")
            value, datagram = rest[8 : 8 + size], rest[8 + size + 1 :]
        fields[key.decode()] = value.decode()
    return fields


def record(text: str, level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("cri_shim.pods.run", level, __file__, 1, text, (), None)
    made.__dict__.update(extra)
    return made


async def test_an_event_has_fields_of_its_object_and_its_request() -> None:
    operations = Operations()
    mine = request_id.set("4f0c-7")
    subject = Subject("container", "default/web/app", "c" * 64, "b" * 64)
    with operations.doing("StartContainer", subject):
        fields = read(journal.encoded(record("is up", ms=21)))
    request_id.reset(mine)
    operations.close()

    assert fields == {
        "MESSAGE": "pods.run is up ms=21 request=4f0c-7",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "cri-shim",
        "CRI_SHIM_LOGGER": "pods.run",
        "REQUEST_ID": "4f0c-7",
        "CRI_SHIM_NAMESPACE": "default",
        "CRI_SHIM_POD": "web",
        "CRI_SHIM_CONTAINER": "app",
        "CRI_SHIM_POD_ID": "b" * 64,
        "CRI_SHIM_CONTAINER_ID": "c" * 64,
        "CRI_SHIM_FACT_MS": "21",
    }


def test_a_traceback_is_in_the_message() -> None:
    made = record("a bug", logging.ERROR)
    try:
        raise ValueError("no way")  # noqa: TRY301
    except ValueError:
        made.exc_info = sys.exc_info()
    fields = read(journal.encoded(made))

    assert fields["MESSAGE"].startswith("pods.run a bug\n  Traceback")
    assert fields["MESSAGE"].endswith("\n  ValueError: no way")


@given(st.text(st.characters()))
def test_foreign_text_makes_no_field(text: str) -> None:
    made = record(text, fact=text)
    fields = read(journal.encoded(made))

    assert set(fields) == {
        "MESSAGE",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
        "CRI_SHIM_LOGGER",
        "CRI_SHIM_FACT_FACT",
    }


def test_a_datagram_is_bounded() -> None:
    huge = "\U0001f600" * (10 << 20)
    facts: dict[str, Any] = {f"fact{number}": huge for number in range(100)}
    made = record(huge, **facts)

    assert len(journal.encoded(made)) < 200 << 10


def test_the_journal_is_recognised_by_the_identity_of_stderr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{mine.st_dev}:{mine.st_ino}")
    assert journal.is_stderr()
    monkeypatch.setenv("JOURNAL_STREAM", f"{mine.st_dev}:{mine.st_ino + 1}")
    assert not journal.is_stderr()
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not journal.is_stderr()
