"""The setup of the log: which form goes where, and the level that changes."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cri_shim.log import journal, setting

_log = logging.getLogger("cri_shim.test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Keep the handlers of the test run."""
    root = logging.getLogger()
    before, handlers = root.level, list(root.handlers)
    root.handlers[:] = []
    yield
    for handler in root.handlers:
        handler.close()
    root.setLevel(before)
    root.handlers[:] = handlers


@pytest.fixture
def stderr(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """A file in place of stderr."""
    path = tmp_path / "stderr"
    with path.open("wb") as file:
        monkeypatch.setattr(setting, "_STDERR", file.fileno())
        monkeypatch.setattr(journal, "is_stderr", lambda: False)
        yield path


def test_the_text_form_goes_to_stderr(stderr: Path) -> None:
    setting.setup("info")
    _log.info("is up")
    _log.debug("not logged")

    assert stderr.read_text().endswith(" INFO test is up\n")
    assert stderr.read_text().count("\n") == 1


def test_the_json_form_is_a_line_for_each_event(stderr: Path) -> None:
    setting.setup("info", "json")
    _log.info("is up")
    _log.warning("is down")

    events = [json.loads(line) for line in stderr.read_text().splitlines()]
    assert [event["message"] for event in events] == ["is up", "is down"]


def test_the_json_form_has_priorities_in_the_journal(stderr: Path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "is_stderr", lambda: True)
    setting.setup("info", "json")
    _log.warning("is down")

    assert stderr.read_text().startswith("<4>{")


def test_the_text_form_has_fields_in_the_journal(stderr: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "is_stderr", lambda: True)
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "journal"))
        setting.setup("info")
        _log.warning("is down")
        datagram = receiver.recv(1 << 16)

    assert datagram.startswith(b"MESSAGE=test is down\nPRIORITY=4\n")
    assert stderr.read_text() == ""


def test_without_the_socket_of_the_journal_lines_go_to_stderr(
    stderr: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(journal, "is_stderr", lambda: True)
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "none")
    setting.setup("info")
    _log.warning("is down")

    assert stderr.read_text() == "<4>test is down\n"


def test_dropped_lines_are_counted(stderr: Path, monkeypatch) -> None:
    setting.setup("info")
    assert setting.dropped() == 0
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, setting.Lines)
    handler.outlet.dropped = 3
    assert setting.dropped() == 3


def test_the_level_changes_while_the_program_runs_and_libraries_keep_theirs() -> None:
    setting.setup("info")
    setting.set_level("debug")
    assert setting.current_level() == "debug"
    assert not logging.getLogger("grpc._cython.cygrpc").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("asyncio").isEnabledFor(logging.INFO)
    with pytest.raises(ValueError, match="'loud' is not one of debug, info, warning, error"):
        setting.set_level("loud")


def test_a_line_with_text_that_cannot_be_encoded_is_written(stderr: Path) -> None:
    setting.setup("info")
    _log.info("bad %s", os.fsdecode(b"\xff"))

    assert "bad \\udcff" in stderr.read_text()
