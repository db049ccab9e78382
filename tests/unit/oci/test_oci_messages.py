"""OCI runtimes' words become errors that keep them, and say what kind they are."""

import pytest

from cri_shim.errors import CommandNotFound, ToolFailed
from cri_shim.oci import messages

RUNC = (
    r'time="2026-01-01T00:00:00Z" level=error msg="runc create failed: '
    r'exec: \"x\": executable file not found in $PATH"'
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (RUNC, 'runc create failed: exec: "x": executable file not found in $PATH'),
        ("cannot open sd-bus\n", "cannot open sd-bus"),
        ("one\ntwo\none\n", "one; two"),
        ('{"msg":"broken","level":"error","time":"now"}\n', "broken"),
        ('{"msg":"a raw \x1f byte","level":"error"}', "a raw \x1f byte"),
        ('{"msg":"only a warning","level":"warning"}\n', ""),
        ('time="x" level=warning msg="only a warning"', ""),
        ("{ not json", "{ not json"),
        ("", ""),
    ],
)
def test_the_message_is_extracted_from_its_log_format(said, words):
    assert messages.plain(said) == words


@pytest.mark.parametrize(
    "said",
    [
        RUNC,
        "executable file `x` not found in $PATH: No such file or directory",
        'exec failed: unable to start container process: exec: "/x": stat /x: no such file',
        'exec failed: exec: "/tmp": is a directory: permission denied',
    ],
)
def test_a_command_that_cannot_be_executed_is_an_error_of_its_own(said):
    error = messages.failure("cannot create container c1", said)
    assert isinstance(error, CommandNotFound)
    assert str(error).startswith("cannot create container c1: ")


@pytest.mark.parametrize(
    "said",
    [
        "error stat'ing file `/s`: No such file or directory",
        'error mounting "/s" to rootfs at "/d": stat /s: no such file or directory',
        "cannot open sd-bus: No such file or directory",
    ],
)
def test_other_missing_things_are_not_missing_commands(said):
    assert type(messages.failure("x", said)) is ToolFailed


def test_a_failure_without_a_message_has_a_placeholder():
    assert str(messages.failure("cannot x", "")) == "cannot x: the OCI runtime gave no reason"


def test_a_long_message_keeps_its_end_where_the_cause_is():
    error = messages.failure("x", "a" * 9000 + " cause")
    assert str(error).endswith(" cause")
    assert len(str(error)) < messages.MESSAGE_LIMIT + 10


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ('time="x" level=error msg="container does not exist"', True),
        ("error opening file `/run/x/status`: No such file or directory", True),
        ("cannot open directory '/run/x/y': No such file or directory", True),
        ("the container `x1` is not in `created` or `stopped` state", False),
        ("cannot delete container x1 that is not stopped: running", False),
    ],
)
def test_an_unknown_container_is_recognised(said, missing):
    assert messages.is_missing(said) is missing
